"""Loss terms against naive loops."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from gazeclip.errors import ConfigError, StageError
from gazeclip.recipe.teacher import TeacherConfig
from gazeclip.teacher.losses import (
    ConsistencyLoss,
    DetectionLoss,
    IdentityInfoNCE,
    LevelLoss,
    MultiPositiveInfoNCE,
    TeacherLoss,
)
from gazeclip.teacher.outputs import TeacherOutput

LABELS = torch.tensor([0, 2, 2, 1, 0, 4, 2])
# Which prompt each of five classes has at each of four levels, and how many classes share it.
SHARED = torch.tensor([[0, 1, 1, 1, 1], [0, 1, 1, 1, 2], [0, 1, 2, 2, 2], [0, 1, 2, 3, 4]]).T
COUNTS = (SHARED[:, None] == SHARED[None]).sum(1)


def logits(classes: int = 5, seed: int = 0) -> torch.Tensor:
    return (
        torch.randn(
            len(LABELS), classes, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
        )
        * 3
    )


def naive_multi_positive(scores: torch.Tensor, labels: list[int], groups: list[int]) -> float:
    rows, columns = [], []
    for i, label in enumerate(labels):
        total = math.log(sum(math.exp(v) for v in scores[i]))
        positives = [j for j in range(len(groups)) if groups[j] == groups[label]]
        rows.append(-sum(scores[i, j].item() - total for j in positives) / len(positives))
    for j in range(len(groups)):
        positives = [i for i, label in enumerate(labels) if groups[label] == groups[j]]
        if positives:
            total = math.log(sum(math.exp(v) for v in scores[:, j]))
            columns.append(-sum(scores[i, j].item() - total for i in positives) / len(positives))
    return 0.5 * (sum(rows) / len(rows) + sum(columns) / len(columns))


@pytest.mark.parametrize("groups", [[0, 1, 2, 3, 4], [0, 1, 2, 1, 2]])
def test_multi_positive_info_nce_equals_a_naive_loop(groups):
    loss = MultiPositiveInfoNCE()(logits(), LABELS, torch.tensor(groups))
    assert loss.item() == pytest.approx(
        naive_multi_positive(logits(), LABELS.tolist(), groups), rel=1e-9
    )  # float64


def test_duplicated_texts_are_no_negatives():
    """Two classes with one text: confusing them costs nothing, which identity targets punish."""
    scores = torch.full((2, 2), 5.0)
    labels, groups = torch.tensor([0, 1]), torch.tensor([0, 0])
    assert MultiPositiveInfoNCE()(scores, labels, groups).item() == pytest.approx(
        math.log(2)
    )  # the floor for 2 positives
    perfect = MultiPositiveInfoNCE()(
        torch.tensor([[9.0, 9.0, -9.0]]), labels[:1], torch.tensor([0, 0, 1])
    )
    assert perfect.item() == pytest.approx(0.5 * math.log(2), abs=1e-4)


def test_identity_targets_equal_clip_on_pairs():
    pairs = logits()[:, LABELS]
    rows = -sum(F.log_softmax(pairs[i], 0)[i] for i in range(len(LABELS))) / len(LABELS)
    columns = -sum(F.log_softmax(pairs[:, i], 0)[i] for i in range(len(LABELS))) / len(LABELS)
    loss = IdentityInfoNCE()(logits(), LABELS, torch.arange(5))
    assert loss.item() == pytest.approx((0.5 * (rows + columns)).item(), rel=1e-9)


def test_detection_calls_every_forgery_fake():
    scores = logits(2)
    expected = -sum(
        F.log_softmax(scores[i], 0)[0 if label == 0 else 1]
        for i, label in enumerate(LABELS.tolist())
    )
    assert DetectionLoss()(scores, LABELS).item() == pytest.approx(
        (expected / len(LABELS)).item(), rel=1e-9
    )


def test_consistency_is_a_kl_divergence():
    detection, attribution = logits(2, 1), logits(5, 2)
    p, q = detection.softmax(1), attribution.softmax(1)
    expected = 0.0
    for i in range(len(LABELS)):
        rest = (q[i, 0].item(), 1 - q[i, 0].item())
        expected += sum(p[i, k].item() * math.log(p[i, k].item() / rest[k]) for k in range(2))
    assert ConsistencyLoss()(detection, attribution).item() == pytest.approx(
        expected / len(LABELS), rel=1e-6
    )
    agreeing = torch.stack((attribution[:, 0], attribution[:, 1:].logsumexp(1)), 1)
    assert ConsistencyLoss()(agreeing, attribution).item() == pytest.approx(0.0, abs=1e-9)


def test_level_loss_is_a_choice_among_the_different_prompts_of_each_level():
    scores = torch.stack([logits(5, seed) for seed in range(4)], 2)
    for level in range(4):  # classes with one prompt have one similarity
        scores[:, :, level] = scores[:, SHARED[:, level], level]
    expected = 0.0
    for i, label in enumerate(LABELS.tolist()):
        for level in range(4):
            different = {SHARED[c, level].item(): scores[i, c, level].item() for c in range(5)}
            total = math.log(sum(math.exp(value) for value in different.values()))
            expected += total - different[SHARED[label, level].item()]
    assert LevelLoss()(scores, LABELS, COUNTS).item() == pytest.approx(
        expected / (4 * len(LABELS)), rel=1e-6
    )


def test_gaze_alone_is_judged_by_its_own_scores():
    terms = TeacherLoss(TeacherConfig(w_gaze=1.0))(output(), LABELS)
    expected = F.cross_entropy(logits(5, 13), LABELS)
    torch.testing.assert_close(terms["gaze"], expected)
    without = output()._replace(gaze_attribution=None)
    assert "gaze" not in TeacherLoss(TeacherConfig(w_gaze=1.0))(without, LABELS)


def test_levels_that_are_missing_are_named():
    without = output()._replace(level_logits=None)
    with pytest.raises(StageError, match=r"the texts' levels.*w_levels=0"):
        TeacherLoss(TeacherConfig(w_levels=1.0))(without, LABELS)


@pytest.mark.parametrize("name", ["w_levels", "w_gaze"])
def test_no_term_has_a_negative_weight(name):
    with pytest.raises(ConfigError, match=f"{name} must not be negative"):
        replace(TeacherConfig(), **{name: -0.1})


def output() -> TeacherOutput:
    empty = torch.zeros(0)
    return TeacherOutput(
        embedding=empty,
        attribution=logits(5, 3),
        detection=logits(2, 4),
        gaze=empty,
        text=empty,
        text_logits=logits(5, 5),
        logits=logits(5, 6),
        fake_logit=empty,
        logit_scale=empty,
        text_groups=torch.arange(5),
        level_logits=torch.stack([logits(5, seed) for seed in range(7, 11)], 2),
        level_counts=COUNTS,
        gaze_attribution=logits(5, 13),
    )


def test_total_is_the_weighted_sum_of_its_terms():
    config = TeacherConfig(
        w_nce=0.3,
        w_attribution=2.0,
        w_detection=0.7,
        w_consistency=0.1,
        w_levels=0.4,
        w_gaze=0.2,
    )
    terms = TeacherLoss(config)(output(), LABELS)
    expected = (
        0.3 * terms["nce"]
        + 2.0 * terms["attribution"]
        + 0.7 * terms["detection"]
        + 0.1 * terms["consistency"]
    )
    expected = expected + 0.4 * terms["levels"]
    expected = expected + 0.2 * terms["gaze"]
    torch.testing.assert_close(terms["loss"], expected)


def test_terms_without_weight_are_absent_and_smoothing_is_used():
    terms = TeacherLoss(TeacherConfig(w_nce=0.0, w_detection=0.0, label_smoothing=0.2))(
        output(), LABELS
    )
    assert set(terms) == {"loss", "attribution"}
    plain = F.cross_entropy(logits(5, 3), LABELS)
    smooth = 0.8 * plain - 0.2 * logits(5, 3).log_softmax(1).mean()
    torch.testing.assert_close(terms["attribution"], smooth)


def test_nce_targets_switch():
    multi, identity = (
        TeacherLoss(TeacherConfig(nce_targets=kind))(output(), LABELS)["nce"]
        for kind in ("multi", "identity")
    )
    assert abs(multi - identity) > 1e-3
