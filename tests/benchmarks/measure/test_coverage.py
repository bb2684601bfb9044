"""Images that cannot be read are counted, and too many of them are an exit code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.measure import coverage as coverage_room
from benchmarks.measure.coverage import Coverage, describe_coverage, judge_covered
from gazeclip.data.rows import Sample
from gazeclip.errors import StageError
from gazeclip.images.preprocess import PixelContract

SIDE = 32


def write_samples(folder: Path, good: int, broken: int) -> list[Sample]:
    samples = []
    for number in range(good + broken):
        path = folder / f"{number}.png"
        Image.fromarray(np.full((SIDE, SIDE, 3), number, np.uint8)).save(path)
        if number >= good:
            path.write_bytes(path.read_bytes()[:40])
        samples.append(Sample(path, "real", "test", str(number)))
    return samples


@pytest.mark.parametrize(("broken", "covered"), [(0, True), (1, True), (2, False)])
def test_more_than_one_in_a_hundred_is_too_many(
    tmp_path: Path, broken: int, covered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []

    def read_first_pixel(images: np.ndarray) -> dict[str, np.ndarray]:
        sizes.append(len(images))
        return {"first": images[:, 0, 0, 0]}

    monkeypatch.setattr(coverage_room, "BATCH", 32)
    samples = write_samples(tmp_path, 100 - broken, broken)
    coverage = Coverage()
    kept, found_by = judge_covered(
        samples, PixelContract(SIDE), coverage, "test", [read_first_pixel] * 2
    )
    assert [sample.path for sample in kept] == [one.path for one in samples[: 100 - broken]]
    assert len(found_by) == 2
    for arrays in found_by:
        np.testing.assert_array_equal(arrays["first"], np.arange(100 - broken))
    assert sizes == [32] * 6 + [4 - broken] * 2
    found = coverage.to_dict()
    assert (found["images"], found["not_judged"]) == (100, broken)
    assert found["covered"] is covered
    sentence = describe_coverage(found)
    assert (f"{broken} of 100 images" in sentence) if broken else sentence == ""


def test_nothing_to_judge_is_an_error(tmp_path: Path) -> None:
    samples = write_samples(tmp_path, 0, 2)
    with pytest.raises(StageError, match="no image of test can be read"):
        judge_covered(samples, PixelContract(SIDE), Coverage(), "test", [])
