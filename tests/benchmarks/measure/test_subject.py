"""A subject checks what it is given and what its engine returns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.measure.subject import Subject
from gazeclip.errors import ConfigError, StageError


def make(infer: Any = None, **changes: Any) -> Subject:
    def outputs(images: np.ndarray) -> dict[str, np.ndarray]:
        mean = images.reshape(len(images), -1).mean(axis=1, keepdims=True).astype(np.float32)
        return {
            "logits": np.repeat(mean, 3, axis=1),
            "fake_logit": mean,
            "gaze": np.repeat(mean, 2, axis=1),
        }

    fields = {
        "name": "s",
        "role": "student",
        "engine": "openvino",
        "precision": "int8",
        "size_mb": 1.0,
        "image_size": 8,
    }
    return Subject(**{**fields, "infer": infer or outputs, **changes})  # type: ignore[arg-type]


def test_predict_keeps_order_over_uneven_batches() -> None:
    images = np.arange(7, dtype=np.uint8)[:, None, None, None] * np.ones(
        (1, 8, 8, 3), dtype=np.uint8
    )
    seen: list[tuple[int, int]] = []
    found = make().predict(
        images, batch_size=3, progress=lambda done, total: seen.append((done, total))
    )
    assert found["fake_logit"][:, 0].tolist() == list(range(7))
    assert found["logits"].shape == (7, 3)
    assert seen == [(3, 7), (6, 7), (7, 7)]


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((2, 8, 8, 3), np.float32),
        np.zeros((2, 9, 8, 3), np.uint8),
        np.zeros((0, 8, 8, 3), np.uint8),
    ],
)
def test_images_that_do_not_fit_are_refused(images: np.ndarray) -> None:
    with pytest.raises(StageError, match="wants uint8 images"):
        make().predict(images)


@pytest.mark.parametrize(
    ("outputs", "fault"),
    [
        ({"logits": np.zeros((2, 3))}, "fake_logit is missing"),
        ({"logits": np.zeros((2, 3)), "fake_logit": np.zeros(2)}, r"fake_logit has shape \(2,\)"),
        ({"logits": np.full((2, 3), np.nan), "fake_logit": np.zeros((2, 1))}, "logits holds NaN"),
        (
            {"logits": np.zeros((1, 3)), "fake_logit": np.zeros((2, 1))},
            r"logits has shape \(1, 3\) for 2 images",
        ),
        (
            {"logits": np.zeros((2, 3)), "fake_logit": np.zeros((2, 2))},
            r"fake_logit has shape \(2, 2\)",
        ),
    ],
)
def test_outputs_are_checked(outputs: dict[str, np.ndarray], fault: str) -> None:
    with pytest.raises(StageError, match=fault):
        make(infer=lambda images: outputs).predict(np.zeros((2, 8, 8, 3), np.uint8))


def test_wrong_fields_are_named_together() -> None:
    with pytest.raises(
        ConfigError,
        match=r"role 'pupil'.*framework 'jax'.*engine 'tensorrt'.*"
        r"temperature = 0 is not positive",
    ):
        make(
            role="pupil",
            framework="jax",
            engine="tensorrt",
            temperature=0,
        )
