"""Each loss term against a loop over plain numbers."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from distill.losses import (
    DetectionLoss,
    DistillationLoss,
    EmbeddingLoss,
    GazeLoss,
    LogitLoss,
    RelationLoss,
)
from gazeclip.networks.gaze_head import LIMIT, GazeHead
from gazeclip.networks.student import StudentOutput
from gazeclip.recipe.stages import DistillLoss

B, D, C = 5, 7, 4
SPREAD = torch.tensor([0.1, 0.25], dtype=torch.float64)
Row = list[float]


@pytest.fixture
def pair() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    student = F.normalize(torch.randn(B, D, generator=generator, dtype=torch.float64), dim=-1)
    return student, 3 * torch.randn(
        B, D, generator=generator, dtype=torch.float64
    )  # the cached teacher is not exactly unit


def dot(a: Row, b: Row) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def unit(a: Row) -> Row:
    return [x / math.sqrt(dot(a, a)) for x in a]


def soft(a: Row, temperature: float = 1.0) -> Row:
    peak = max(a)
    e = [math.exp((x - peak) / temperature) for x in a]
    return [x / sum(e) for x in e]


def divergence(q: Row, p: Row) -> float:
    return sum(a * math.log(a / b) for a, b in zip(q, p, strict=True))


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def relation(student: list[Row], teacher: list[Row], temperature: float) -> float:
    total, teacher = 0.0, [unit(row) for row in teacher]
    for i in range(len(student)):
        others = [j for j in range(len(student)) if j != i]
        p = soft([dot(student[i], student[j]) for j in others], temperature)
        q = soft([dot(teacher[i], teacher[j]) for j in others], temperature)
        total += divergence(q, p)
    return total / len(student)


def huber(x: float) -> float:
    return 0.5 * x * x if abs(x) < 1 else abs(x) - 0.5


def test_embedding(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    student, teacher = pair
    expected = (
        sum(1 - dot(s, unit(t)) for s, t in zip(student.tolist(), teacher.tolist(), strict=True))
        / B
    )
    assert EmbeddingLoss()(student, teacher).item() == pytest.approx(expected)
    assert EmbeddingLoss()(student, 9 * student).item() == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("temperature", [0.1, 0.7])
def test_relation(pair: tuple[torch.Tensor, torch.Tensor], temperature: float) -> None:
    student, teacher = pair
    assert RelationLoss(temperature)(student, teacher).item() == pytest.approx(
        relation(student.tolist(), teacher.tolist(), temperature)
    )
    turned = student @ torch.linalg.qr(torch.randn(D, D, dtype=torch.float64))[0]
    assert RelationLoss(temperature)(student, turned).item() == pytest.approx(
        0.0, abs=1e-9
    )  # only relations count


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_logits(temperature: float) -> None:
    generator = torch.Generator().manual_seed(1)
    student, teacher = (
        4 * torch.randn(B, C, generator=generator, dtype=torch.float64) for _ in range(2)
    )
    rows = zip(student.tolist(), teacher.tolist(), strict=True)
    expected = (
        temperature**2
        * sum(divergence(soft(t, temperature), soft(s, temperature)) for s, t in rows)
        / B
    )
    assert LogitLoss(temperature)(student, teacher).item() == pytest.approx(expected)
    assert LogitLoss(temperature)(student, student + 3).item() == pytest.approx(0.0, abs=1e-12)


def test_detection() -> None:
    student, teacher = torch.tensor([[2.0], [-1.0], [0.3]]), torch.tensor([[1.0], [0.5], [-2.0]])
    fake = torch.tensor([True, False, True])
    expected = 0.0
    for s, t, y in zip(student[:, 0].tolist(), teacher[:, 0].tolist(), (1, 0, 1), strict=True):
        target = (y + sigmoid(t)) / 2
        expected -= (target * math.log(sigmoid(s)) + (1 - target) * math.log(1 - sigmoid(s))) / 3
    assert DetectionLoss()(student, teacher, fake).item() == pytest.approx(expected, rel=1e-5)


def batch() -> tuple[StudentOutput, dict[str, torch.Tensor], torch.Tensor]:
    generator = torch.Generator().manual_seed(2)

    def make(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    output = StudentOutput(
        F.normalize(make(B, D), dim=-1), make(B, C), make(B, 1), 0.3 * make(B, 2)
    )
    teacher = {
        "embedding": make(B, D),
        "logits": make(B, C),
        "fake_logit": make(B, 1),
        "gaze": 0.3 * make(B, 2),
    }
    teacher["gaze"][1] = float("nan")
    return output, teacher, torch.tensor([0, 1, 2, 3, 0])


def test_all_terms_together() -> None:
    output, teacher, label = batch()
    weights = DistillLoss(
        embedding=2.0,
        relation=3.0,
        logits=0.5,
        temperature=1.5,
        gaze=0.7,
        attribution=1.1,
        detection=0.9,
        label_smoothing=0.2,
    )
    terms = DistillationLoss(weights, SPREAD)(output, teacher, label)
    known = [i for i in range(B) if i != 1]
    attribution = 0.0
    for row, y in zip(output.logits.tolist(), label.tolist(), strict=True):
        target = [0.2 / C + (0.8 if c == y else 0.0) for c in range(C)]
        attribution -= dot(target, [math.log(p) for p in soft(row)]) / B
    expected = {
        "embedding": 2.0 * EmbeddingLoss()(output.embedding, teacher["embedding"]).item(),
        "relation": 3.0 * relation(output.embedding.tolist(), teacher["embedding"].tolist(), 0.1),
        "logits": 0.5 * LogitLoss(1.5)(output.logits, teacher["logits"]).item(),
        "gaze": 0.7
        * sum(
            huber(float(output.gaze[i, axis] - teacher["gaze"][i, axis]) / float(SPREAD[axis]))
            for i in known
            for axis in (0, 1)
        )
        / (2 * len(known)),
        "attribution": 1.1 * attribution,
        "detection": 0.9
        * DetectionLoss()(output.fake_logit, teacher["fake_logit"], label != 0).item(),
    }
    assert {name: value.item() for name, value in terms.items() if name != "loss"} == pytest.approx(
        expected
    )
    assert terms["loss"].item() == pytest.approx(sum(expected.values()))


@pytest.mark.parametrize(
    "term", ["embedding", "relation", "logits", "gaze", "attribution", "detection"]
)
def test_zero_switches_a_term_off(term: str) -> None:
    terms = DistillationLoss(DistillLoss(**{term: 0.0}), SPREAD)(*batch())
    assert terms[term].item() == 0.0
    assert all(value.item() > 0 for name, value in terms.items() if name != term)


def test_a_teacher_without_gaze_leaves_finite_gradients() -> None:
    output, teacher, label = batch()
    teacher["gaze"][:] = float("nan")
    leaves = StudentOutput(*(value.clone().requires_grad_() for value in output))
    DistillationLoss(DistillLoss(), SPREAD)(leaves, teacher, label)["loss"].backward()
    assert all(torch.isfinite(leaf.grad).all() for leaf in leaves)
    assert not leaves.gaze.grad.any()


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_a_far_gaze_is_pulled_home_harder_than_a_near_one(axis: int, side: float) -> None:
    target = torch.tensor([[0.05, -0.1]], dtype=torch.float64)
    pulls = []
    for distance in (0.05, 0.5, 8.0):  # in spreads: near, nearer than the loss's bend, far beyond
        gaze = target.clone()
        gaze[0, axis] += side * distance * SPREAD[axis]
        gaze.requires_grad_()
        GazeLoss(SPREAD)(gaze, target).backward()
        pulls.append(side * float(gaze.grad[0, axis]))
    # Descent goes against the gradient: a positive one here leads home.
    assert 0 < pulls[0] < pulls[1] < pulls[2]


@pytest.mark.parametrize("start", [-2.5 * LIMIT, -LIMIT, LIMIT, 2.5 * LIMIT])
def test_a_head_that_is_far_off_comes_back(start: float) -> None:
    head = GazeHead(1).double()
    head.fit_range(torch.randn(50, 2, generator=torch.Generator().manual_seed(0)) * SPREAD)
    loss = GazeLoss(head.spread)
    with torch.no_grad():
        head.linear.weight.zero_()
        head.linear.bias.fill_(start)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.3)
    feature = torch.ones(1, 1, dtype=torch.float64)
    for _ in range(150):
        optimizer.zero_grad()
        loss(head(feature), head.mean[None]).backward()
        optimizer.step()
    assert ((head(feature)[0] - head.mean).abs() < 0.1 * head.spread).all()


def test_images_without_gaze_teach_none() -> None:
    generator = torch.Generator().manual_seed(3)
    student = torch.randn(4, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    teacher = torch.randn(4, 2, generator=generator, dtype=torch.float64)
    teacher[2, 1] = float("nan")
    GazeLoss(SPREAD)(student, teacher).backward()
    assert torch.isfinite(student.grad).all()
    assert (student.grad != 0).all(-1).tolist() == [True, True, False, True]
