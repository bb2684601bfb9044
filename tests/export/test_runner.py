"""A torch model as the function from images to named arrays that engines are."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from export.runner import wrap_torch
from gazeclip.networks.student import Student


class Partial(NamedTuple):
    """As a classifier answers, which has no gaze."""

    embedding: torch.Tensor
    logits: torch.Tensor


def test_the_student_answers_as_pytorch_has_it(
    student: Student, images: np.ndarray, expected: dict[str, dict[str, np.ndarray]]
) -> None:
    found = wrap_torch(student)(images)
    assert found.keys() == expected["fp32"].keys()
    for name, value in expected["fp32"].items():
        assert found[name].dtype == np.float32
        # The same numbers in another memory layout are summed in another order.
        np.testing.assert_allclose(found[name], value, atol=1e-5)


def test_what_a_model_lacks_is_left_out_and_doubles_become_floats() -> None:
    def mean_colour(pixels: torch.Tensor) -> Partial:
        assert torch.is_inference_mode_enabled()
        mean = pixels.double().mean(dim=(2, 3))
        return Partial(mean, mean[:, :1])

    images = np.random.default_rng(0).integers(0, 256, (2, 5, 5, 3), dtype=np.uint8)
    found = wrap_torch(mean_colour)(images)
    assert list(found) == ["embedding", "logits"] and found["embedding"].dtype == np.float32
    np.testing.assert_allclose(found["embedding"], images.mean(axis=(1, 2)), rtol=1e-6)
