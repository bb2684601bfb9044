"""What is judged of a subject: angles that it does not give are none."""

from __future__ import annotations

import numpy as np

from benchmarks.measure.gather import leave_out_missing_gaze

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
