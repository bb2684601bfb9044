"""What is judged of a subject: angles that it does not give are none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.measure.gather import leave_out_missing_gaze, open_bundle
from gazeclip.bundle.contents import BundleContents
from gazeclip.bundle.write import write_bundle

IMAGES = np.zeros((3, 4, 4, 3), np.uint8)


def test_a_teacher_without_gaze_encoder_has_no_gaze_to_judge() -> None:
    logits = np.ones((3, 2), np.float32)
    nothing = np.full((3, 2), np.nan, np.float32)
    some = nothing.copy()
    some[1] = (0.1, 0.2)
    without = leave_out_missing_gaze(lambda images: {"logits": logits, "gaze": nothing})(IMAGES)
    assert list(without) == ["logits"] and without["logits"] is logits
    kept = leave_out_missing_gaze(lambda images: {"logits": logits, "gaze": some})(IMAGES)
    assert kept["gaze"] is some  # one image that failed is no missing encoder


@pytest.mark.parametrize("gaze", [True, False])
def test_a_bundle_that_learnt_no_gaze_has_none_to_judge(
    bundles: dict[str, Path], contents: BundleContents, tmp_path: Path, gaze: bool
) -> None:
    pytest.importorskip("onnxruntime")
    (tmp_path / "model.onnx").write_bytes((bundles["onnx"] / "model.onnx").read_bytes())
    bundle = write_bundle(tmp_path, replace(contents, gaze=gaze))
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    outputs = open_bundle(bundle, threads=1).subject.predict(images)
    assert ("gaze" in outputs) is gaze
    assert outputs["fake_logit"].shape == (2, 1)
