"""The robustness grid: which images, what is measured, and that chunks change nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.measure import grid
from benchmarks.measure.degrade import list_cells
from benchmarks.measure.shipped import Rule
from benchmarks.measure.subject import Subject
from gazeclip.bundle.contents import OperatingPoint
from gazeclip.data.rows import Sample
from gazeclip.images.preprocess import PixelContract
from gazeclip.scoring.evidence import Evidence
from tests.benchmarks.hand_made import CLASSES, judge_brightness

SIDE = 24
CELLS = list(list_cells())
RULE = Rule(Evidence(("detection",), (20.0,), 0.0, -5.0, 5.0), OperatingPoint("fpr1", 0.5, -0.5))


def make_subject() -> Subject:
    """It calls bright pictures fake."""
    return Subject("bright", "student", "torch", "fp32", 1.0, judge_brightness, SIDE, 1.0, RULE)


def make_samples(folder: Path, count: int = 8) -> list[Sample]:
    """Dark pictures are real, bright ones forged; some sizes differ."""
    rng = np.random.default_rng(0)
    samples = []
    for number in range(count):
        bright = number % 2
        pixels = rng.integers(0, 60, (30 + number, 28, 3)) + 150 * bright
        path = folder / f"{number}.png"
        Image.fromarray(pixels.astype(np.uint8)).save(path)
        samples.append(Sample(path, "swap" if bright else "real", "test"))
    return samples


def test_a_draw_is_half_real_and_spread_over_the_generators() -> None:
    labels = ["real"] * 50 + ["a"] * 30 + ["b"] * 30 + ["c"] * 2
    rows = grid.choose_rows(labels, 30, seed=0)
    chosen = [labels[row] for row in rows]
    assert rows == sorted(set(rows))
    assert {label: chosen.count(label) for label in "abc"} == {"a": 7, "b": 6, "c": 2}
    assert chosen.count("real") == 15
    assert rows == grid.choose_rows(labels, 30, seed=0) != grid.choose_rows(labels, 30, seed=1)


@pytest.mark.parametrize(
    ("labels", "limit", "count"),
    [
        (["real"] * 3 + ["a"] * 20, 10, 3),
        (["real"] * 20 + ["a"] * 3, 10, 7),
        (["a"] * 20, 10, 0),
        (["real"] * 5 + ["a"] * 5, 0, 5),
        (["real"] * 5 + ["a"] * 5, 99, 5),
    ],
)
def test_where_one_kind_is_short_the_other_fills_up(
    labels: list[str], limit: int, count: int
) -> None:
    rows = grid.choose_rows(labels, limit, seed=0)
    assert len(rows) == (limit if 0 < limit < len(labels) else len(labels))
    assert sum(labels[row] == "real" for row in rows) == count


def test_figures_of_a_cell_are_counts() -> None:
    fake = np.array([False] * 4 + [True] * 4)
    answers = np.array(["real", "fake", "inconclusive", "real", "fake", "fake", "fake", "real"])
    clean = np.array(["real", "real", "real", "real", "fake", "fake", "real", "real"])
    found = grid.measure_cell(fake, np.arange(8.0), answers, clean)
    assert (found["tpr"], found["fpr"], found["balanced"]) == (0.75, 0.25, 0.75)
    assert (found["flips"], found["auc"], found["n"], found["n_real"]) == (3 / 8, 1.0, 8, 4)
    low, high = found["tpr_interval"]
    # Clopper and Pearson for 3 of 4, from a table.
    assert (low, high) == pytest.approx((0.1941, 0.9937), abs=1e-4)


def test_without_real_images_nothing_is_said_of_false_alarms() -> None:
    found = grid.measure_cell(
        np.ones(2, bool), np.arange(2.0), np.array(["fake", "real"]), np.array(["fake", "fake"])
    )
    assert found["fpr"] is found["auc"] is found["balanced"] is found["fpr_interval"] is None
    assert found["tpr"] == 0.5


def test_chunks_change_nothing_and_stay_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = make_samples(tmp_path)
    contract = PixelContract(SIDE)
    rows = [0, 1, 2, 5, 7]
    seen: list[int] = []

    def look(images: np.ndarray) -> dict[str, np.ndarray]:
        return judge_brightness(images)

    def run() -> list[np.ndarray]:
        subject = make_subject()
        whole = subject.predict
        subject.infer = look

        def predict(images: np.ndarray) -> dict[str, np.ndarray]:
            seen.append(images.nbytes)
            return whole(images)

        monkeypatch.setattr(subject, "predict", predict)
        (found,) = grid.judge_cells(samples, rows, CELLS, [subject], contract, 0, "grid")
        return [one.fake_logit for one in found]

    at_once = run()
    assert len(seen) == 1
    seen.clear()
    one_picture = (len(CELLS) + 1) * SIDE * SIDE * 3
    monkeypatch.setattr(grid, "BUFFER_BYTES", 2 * one_picture)
    in_parts = run()
    assert seen == [2 * one_picture, 2 * one_picture, one_picture]
    assert len(at_once) == len(CELLS) + 1
    for first, second in zip(at_once, in_parts, strict=True):
        assert first.tolist() == second.tolist()


def test_a_picture_of_a_draw_is_disturbed_as_among_all(tmp_path: Path) -> None:
    samples = make_samples(tmp_path)
    contract = PixelContract(SIDE)
    subject = make_subject()
    (everything,) = grid.judge_cells(samples, range(8), CELLS, [subject], contract, 0, "grid")
    (some,) = grid.judge_cells(samples, [3, 6], CELLS, [subject], contract, 0, "grid")
    for whole, part in zip(everything, some, strict=True):
        assert whole.fake_logit[[3, 6]].tolist() == part.fake_logit.tolist()
        assert part.labels == ("swap", "real")


def test_darkness_hides_bright_forgeries_and_the_clean_images_flip_nowhere(
    tmp_path: Path,
) -> None:
    samples = make_samples(tmp_path)
    subject = make_subject()
    (found,) = grid.judge_cells(samples, range(8), CELLS, [subject], PixelContract(SIDE), 0, "grid")
    assert found[0].logits.shape == (8, len(CLASSES))
    figures = grid.summarise_cells(subject, found)
    assert figures["clean"]["flips"] == 0.0
    assert (figures["clean"]["tpr"], figures["clean"]["fpr"]) == (1.0, 0.0)
    by_title = {cell.title: one for cell, one in zip(CELLS, figures["cells"], strict=True)}
    assert by_title["low light 10"]["tpr"] == 0.0
    assert by_title["low light 10"]["flips"] == 0.5
    assert by_title["canvas noise 1"]["flips"] == 0.0
