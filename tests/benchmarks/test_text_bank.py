"""The experiment of the text bank on made-up embeddings, against naive loops."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks.text_bank import add_text_row, build_table, choose_unseen, measure
from benchmarks.text_bank_scores import (
    Data,
    Faces,
    Share,
    score_images,
    score_row,
    weigh_rounds,
)
from gazeclip.bundle.bundle import Bundle
from gazeclip.bundle.contents import BundleClass
from gazeclip.bundle.text_bank import BankRow, TextBankFile
from gazeclip.console.tables import MISSING
from gazeclip.errors import ArtifactError, ConfigError
from tests.gazeclip.teacher.tiny import TAXONOMY, build

BANK = np.eye(6, dtype=np.float32)[:4]


def know(share: Share | None) -> Share:
    """A share that has to be there."""
    assert share is not None
    return share


def draw_faces(name: str, centre: np.ndarray, count: int, seed: int, spread: float) -> Faces:
    rng = np.random.default_rng(seed)
    values = centre + spread * rng.normal(size=(count, 6))
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    persons = np.array([f"{name} {number // 2}" for number in range(count)])
    return Faces(values.astype(np.float32), np.full(count, name), persons)


@pytest.fixture
def data() -> Data:
    """A class that resembles row 1, and images of row 1 itself."""
    own = draw_faces("new", np.array([0, 0.5, 0, 0, 1.0, 0]), 40, 1, 0.25)
    others = draw_faces("old", BANK[1], 30, 2, 0.25)
    return Data(own, own, others, np.full(30, 1), rounds=4)


def test_a_row_that_is_the_same_in_every_round(data: Data) -> None:
    row = np.array([0, 0, 0, 0, 1.0, 0], np.float32)
    found = score_row("new", "text", row, BANK, data)
    hits = [max(BANK @ image) < row @ image for image in data.own.embeddings]
    kept = [(BANK @ image).argmax() == 1 for image in data.others.embeddings]
    taken = [max(BANK @ image) < row @ image for image in data.others.embeddings]
    after = [good and not bad for good, bad in zip(kept, taken, strict=True)]
    assert know(found.own).value == pytest.approx(np.mean(hits)) and 0 < know(found.own).value <= 1
    assert know(found.before).value == pytest.approx(np.mean(kept))
    assert know(found.after).value == pytest.approx(np.mean(after))
    low, high = know(found.own).interval or (2.0, 2.0)
    assert low <= know(found.own).value <= high


def test_no_person_of_the_ten_is_scored(data: Data) -> None:
    found = score_images("new", BANK, data, 1.0)
    # ten images of pairs: between 5 and 10 persons, so 10 to 20 of 40 images, are left out
    assert 20 <= know(found.own).n <= 30 and know(found.own).rounds == 4
    longer = score_images("new", BANK, data, 1.5)
    unit = score_images("new", BANK, data, None)
    assert know(found.own).value <= know(longer.own).value <= know(unit.own).value
    assert know(found.after).value >= know(longer.after).value >= know(unit.after).value
    assert unit.made == "10 images, unit length"


def test_a_row_that_is_replaced_does_not_help_itself(data: Data) -> None:
    faces = draw_faces("old", BANK[1], 40, 3, 0.25)
    rest = draw_faces("other", BANK[2], 30, 4, 0.25)
    found = score_images("old", BANK, Data(faces, faces, rest, np.full(30, 2), 4), 1.0, 1)
    trained = [(BANK @ image).argmax() == 1 for image in faces.embeddings]
    assert found.trained is not None and found.trained.value == pytest.approx(np.mean(trained))
    cells = build_table([found]).rows[0]
    assert cells[0] == "old" and cells[3].startswith(f"{np.mean(trained):.3f} [")


@pytest.mark.parametrize("count", [0, 1, 8, 9])
def test_too_few_images_make_no_row_and_no_figure(data: Data, count: int) -> None:
    few = data.own.take(np.arange(40) < count)
    short = Data(few, few, data.others, data.targets, rounds=4)
    found = score_images("new", BANK, short, 1.0)
    assert found.own is None and found.after is None
    assert know(found.before).n == 30
    assert build_table([found]).rows[0][2] == build_table([found]).rows[0][5] == MISSING


def test_where_only_persons_of_the_ten_are_there_nothing_is_scored(data: Data) -> None:
    ten = data.own.take(np.arange(40) < 10)
    found = score_images("new", BANK, Data(ten, ten, data.others, data.targets, 4), 1.0)
    assert found.own is None
    assert know(found.after).n == 30 and know(found.after).rounds == 4


def test_rounds_without_images_are_left_out() -> None:
    persons = np.arange(4).astype(str)
    hits = [np.zeros(0, bool), np.array([True, True, False, False])]
    share = know(weigh_rounds(hits, [persons[:0], persons], 0))
    assert (share.value, share.n, share.rounds) == (0.5, 4, 1)
    assert weigh_rounds([], [], 0) is None


def test_splits_that_the_experiment_needs() -> None:
    counts = {"test": {"old": 3}, "calibration": {"old": 2}, "test_unseen": {"old": 1, "new": 2}}
    assert choose_unseen(counts, ["real", "old"]) == ["new"]
    with pytest.raises(ConfigError, match="has no unseen generator"):
        choose_unseen({**counts, "test_unseen": {"old": 1}}, ["real", "old"])
    for split in counts:
        without = {name: labels for name, labels in counts.items() if name != split}
        with pytest.raises(ConfigError, match=f"split {split} has no images"):
            choose_unseen(without, ["real", "old"])


def test_a_bundle_of_another_teacher_is_refused_before_any_work(
    bundles: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    context: Any = SimpleNamespace(run=SimpleNamespace(root="runs/other"))
    verifier: Any = SimpleNamespace(bundle=Bundle.load(bundles["onnx"]))
    bank = SimpleNamespace(teacher="e" * 64)
    monkeypatch.setattr("benchmarks.text_bank.open_run_bank", lambda _: bank)
    with pytest.raises(ArtifactError, match="aaaaaaaaaaaa, and run runs/other is of eeee"):
        measure(context, verifier, 1)


def test_the_interval_holds_what_rounds_differ_in() -> None:
    persons = np.arange(50).astype(str)
    same = weigh_rounds([np.ones(50, bool)] * 2, [persons] * 2, 0)
    assert know(same).interval == (1.0, 1.0)
    differ = weigh_rounds([np.ones(50, bool), np.zeros(50, bool)], [persons] * 2, 0)
    assert know(differ).value == 0.5 and know(differ).interval == (0.0, 1.0)


def test_as_many_levels_as_the_teacher_can_read() -> None:
    teacher = build(alive=True)
    names = TAXONOMY.classes()
    classes = tuple(BundleClass(**entry) for entry in TAXONOMY.describe(names))
    values = teacher.encode_text()[0].detach().numpy()
    bank = TextBankFile(values, classes, (BankRow("text"),) * len(names), "a" * 64)
    made, row = add_text_row(teacher, TAXONOMY, bank, "synth_gan_v2")  # "second face GAN"
    assert made == "text, 3 of 4 levels" and row is not None
    short = teacher.lre.embed_prompts(TAXONOMY.prompts("synth_gan_v2")[:3])
    np.testing.assert_array_equal(row, short.detach().numpy())
