"""The student around another encoder."""

from __future__ import annotations

import torch

from gazeclip.images.preprocess import PixelContract
from gazeclip.networks.student import Student, StudentSpec
from gazeclip.networks.student_encoder import build_student_encoder


def test_a_copy_with_another_encoder_shares_no_head() -> None:
    spec = StudentSpec("mobilenetv4_conv_small_050", 8, ("real", "fake"), PixelContract(32))
    student = Student(
        spec, build_student_encoder(spec.backbone, 32), torch.randn(2, 8), 10.0
    ).eval()
    encoder = student.encoder
    other = build_student_encoder(spec.backbone, 32).eval()
    clone = student.with_encoder(other)
    assert clone.encoder is other and student.encoder is encoder
    assert clone.spec is student.spec and not clone.training
    with torch.no_grad():
        clone.head.gaze.linear.bias += 1.0
    assert not torch.equal(clone.head.gaze.linear.bias, student.head.gaze.linear.bias)
    back = clone.with_encoder(encoder)
    pixels = torch.randint(0, 256, (1, 3, 32, 32), dtype=torch.uint8)
    assert torch.equal(back(pixels).embedding, student(pixels).embedding)
