"""The deployed graph is the student, from raw pixels.

And the frozen encoders are the quantized one.
"""

from __future__ import annotations

import importlib
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from export.deploy import DeployModel
from export.lower import FrozenFakeQuantize, StrippedEncoder
from gazeclip.errors import StageError
from gazeclip.networks.student import Student

SIZE = 64


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_deploy_model_is_the_student(
    student: Student, images: np.ndarray, expected: dict, layout: str
) -> None:
    image = torch.from_numpy(images)
    image = image.permute(0, 3, 1, 2) if layout == "NCHW" else image
    with torch.no_grad():
        found = DeployModel(student, None, SIZE, layout)(image)  # type: ignore[arg-type]
    for name, value in zip(("embedding", "logits", "fake_logit", "gaze"), found, strict=True):
        # Batch norm is folded: the same sums in another order.
        np.testing.assert_allclose(value.numpy(), expected["fp32"][name], atol=1e-4)


def test_deploy_model_refuses_a_normalisation_it_cannot_fold(student: Student) -> None:
    class Gamma(Student):
        def normalise(self, pixels: Tensor) -> Tensor:
            return (pixels.float() / 255) ** 2.2

    other = Gamma(student.spec, student.encoder, student.head.text_bank, 10.0)
    with pytest.raises(StageError, match="not one scale and offset"):
        DeployModel(other, None, SIZE)


def test_both_faces_compute_the_quantized_encoder_and_it_is_stripped_once(
    student: Student,
    quantized: nn.Module,
    images: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import nncf

    calls = Mock(wraps=nncf.strip)
    monkeypatch.setattr(nncf, "strip", calls)
    shared = StrippedEncoder(quantized, SIZE)
    x = student.normalise(torch.from_numpy(images).permute(0, 3, 1, 2))
    before = {name: value.clone() for name, value in quantized.state_dict().items()}
    with torch.no_grad():
        wanted = quantized(x)
        fake = shared.freeze("fake")(x)
        decomposed = shared.freeze("decomposed")(x)
        again = shared.freeze("fake")(x)
    assert calls.call_count == 1
    assert torch.equal(fake, again)  # a copy leaves what it was made from as it was
    # One form multiplies by 1/scale and the other divides: a value between two levels may fall
    # either way.
    assert torch.cosine_similarity(fake, decomposed).min() > 0.995
    assert torch.cosine_similarity(fake, wanted).min() > 0.995
    assert all(torch.equal(before[name], value) for name, value in quantized.state_dict().items())


@pytest.mark.parametrize("face", ["fake", "decomposed"])
@pytest.mark.parametrize("axis", [None, 1])
def test_frozen_quantizer_against_a_loop(face: str, axis: int | None) -> None:
    if face == "decomposed":
        importlib.import_module("torch.ao.quantization.fx._decomposed")
    x = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0)) * 3
    scale = (
        torch.tensor([0.5]) if axis is None else torch.tensor([0.5, 0.25, 0.125])
    )  # powers of two: no rounding differences
    zero = torch.full_like(scale, -3).to(torch.int64)
    found = FrozenFakeQuantize(scale, zero, (-128, 127), axis, face)(x)  # type: ignore[arg-type]
    for place in np.ndindex(*x.shape):
        step = float(scale[0 if axis is None else place[1]])
        level = min(127, max(-128, round(float(x[place]) / step) - 3))
        assert float(found[place]) == (level + 3) * step
