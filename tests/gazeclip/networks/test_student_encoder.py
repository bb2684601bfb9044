"""The student's encoder: the backbone's own features, and behind them places for the gaze."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from distill.losses import GazeLoss
from gazeclip.errors import ArtifactError
from gazeclip.images.preprocess import PixelContract
from gazeclip.networks.student import Student, StudentSpec, load_student, save_student
from gazeclip.networks.student_encoder import (
    GAZE_FEATURES,
    PlaceReader,
    StudentEncoder,
    build_student_encoder,
)

SMALL = "mobilenetv4_conv_small_050"


@pytest.mark.parametrize(
    ("backbone", "size"),
    [
        (SMALL, 64),
        ("tf_efficientnet_lite0", 96),
        ("repvit_m0_9", 96),
        ("fastvit_t8", 64),
        ("efficientformerv2_s0", 224),
    ],
)
def test_the_features_of_the_backbone_stay_as_they_are(backbone: str, size: int) -> None:
    torch.manual_seed(0)
    encoder = build_student_encoder(backbone, size).eval()
    images = torch.rand(2, 3, size, size) * 2 - 1
    with torch.no_grad():
        found = encoder(images)
        wanted = encoder.backbone(images)
    assert encoder.has_places
    assert found.shape == (2, encoder.features + GAZE_FEATURES)
    torch.testing.assert_close(found[:, : encoder.features], wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    # The finest map of at most 64 places a side, stride 2 or above, halved down to at most 8.
    ("size", "channels", "kernel"),
    [(32, 32, 8), (64, 32, 8), (96, 32, 6), (100, 32, 7), (128, 32, 8), (224, 16, 7), (320, 32, 5)],
)
def test_the_map_that_is_read_fits_the_image(size: int, channels: int, kernel: int) -> None:
    encoder = build_student_encoder(SMALL, size)
    assert encoder.places.reduce[0][0].in_channels == channels
    assert encoder.places.read[0].kernel_size == (kernel, kernel)
    assert encoder.eval()(torch.zeros(1, 3, size, size)).shape[1] == 1280 + GAZE_FEATURES


class NoMaps(nn.Module):
    """A network that gives pooled features only."""

    num_features = 3

    def forward(self, images: Tensor) -> Tensor:
        return images.mean((2, 3))


def test_a_backbone_without_maps_gives_the_gaze_from_its_features() -> None:
    encoder = StudentEncoder(NoMaps(), 32)
    assert not encoder.has_places
    spec = StudentSpec("none", 4, ("real", "fake"), PixelContract(32))
    student = Student(spec, encoder, torch.randn(2, 4), 10.0)
    out = student(torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8))
    assert out.gaze.shape == (2, 2) and out.embedding.shape == (2, 4)


def test_a_saved_student_has_its_gaze_and_the_range_of_it(tmp_path: Path) -> None:
    torch.manual_seed(0)
    spec = StudentSpec(SMALL, 4, ("real", "fake"), PixelContract(32))
    student = Student(spec, build_student_encoder(SMALL, 32), torch.randn(2, 4), 10.0).eval()
    student.head.gaze.fit_range(0.2 * torch.randn(9, 2) + 0.1)
    nn.init.normal_(student.head.gaze.linear.weight)
    save_student(tmp_path, student)
    loaded = load_student(tmp_path)
    pixels = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    with torch.no_grad():
        for found, wanted in zip(loaded(pixels), student(pixels), strict=True):
            assert torch.equal(found, wanted)
    assert torch.equal(loaded.head.gaze.spread, student.head.gaze.spread)
    other = StudentSpec(SMALL, 4, ("real", "fake"), PixelContract(64))
    save_student(tmp_path / "other", Student(other, student.encoder, student.head.text_bank, 10.0))
    with pytest.raises(ArtifactError, match="does not fit"):
        load_student(tmp_path / "other")


def draw_eyes(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """A dark dot in a light field, uint8 `(count, 3, 64, 64)`, and where it is as angles."""
    generator = np.random.default_rng(seed)
    angles = generator.uniform(-0.3, 0.3, (count, 2))
    rows, columns = np.mgrid[:64, :64]
    centre = 32 + 60 * angles
    distance = np.hypot(rows - centre[:, 0, None, None], columns - centre[:, 1, None, None])
    light = np.where(distance < 5, 30, 200) + generator.normal(0, 10, (count, 64, 64))
    pixels = np.repeat(light.clip(0, 255).astype(np.uint8)[:, None], 3, axis=1)
    return torch.from_numpy(pixels), torch.from_numpy(angles).float()


class FourStages(nn.Module):
    """A tiny backbone: four convolutions of stride 2, 16 channels."""

    num_features = 16

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(16 if number else 3, 16, 3, stride=2, padding=1), nn.BatchNorm2d(16)
            )
            for number in range(4)
        )

    def forward_intermediates(
        self, images: Tensor, indices: list[int] | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        maps = []
        for stage in self.stages:
            images = stage(images).relu()
            maps.append(images)
        return images, [maps[number] for number in indices] if indices else maps

    def forward_head(self, last: Tensor, pre_logits: bool) -> Tensor:
        return last.mean((2, 3))


def test_a_short_training_beats_the_constant() -> None:
    torch.manual_seed(0)
    spec = StudentSpec("none", 4, ("real", "fake"), PixelContract(64))
    student = Student(spec, StudentEncoder(FourStages(), 64), torch.randn(2, 4), 10.0).train()
    pixels, gaze = draw_eyes(128, 1)
    student.head.gaze.fit_range(gaze)
    loss = GazeLoss(student.head.gaze.spread)
    optimizer = torch.optim.AdamW(student.parameters(), lr=3e-3)
    for step in range(60):
        batch = torch.arange(32) + 32 * (step % 4)
        optimizer.zero_grad()
        loss(student(pixels[batch]).gaze, gaze[batch]).backward()
        optimizer.step()
    pixels, gaze = draw_eyes(64, 2)
    with torch.no_grad():
        found = student.eval()(pixels).gaze
    error = (found - gaze).square().mean(0)
    constant = (student.head.gaze.mean - gaze).square().mean(0)
    assert (error < 0.3 * constant).all()


def test_the_gaze_teaches_the_backbone_nothing() -> None:
    torch.manual_seed(0)
    encoder = StudentEncoder(FourStages(), 64).train()
    features = encoder(torch.randn(4, 3, 64, 64))
    features[:, encoder.features :].sum().backward(retain_graph=True)
    assert not any(parameter.grad.any() for parameter in encoder.backbone.parameters())
    assert all(layer[0].weight.grad.any() for layer in encoder.places.reduce)
    features[:, : encoder.features].sum().backward()
    assert encoder.backbone.stages[0][0].weight.grad.any()


def test_the_layer_over_all_places_is_a_linear_one() -> None:
    torch.manual_seed(0)
    reader = PlaceReader(5, 4).eval()
    feature_map = torch.randn(3, 5, 4, 4)
    with torch.no_grad():
        reduced = reader.reduce(feature_map).flatten(1)
        layer = reader.read[0]
        wanted = (reduced @ layer.weight.flatten(1).t() + layer.bias).relu()
        torch.testing.assert_close(reader(feature_map), wanted)
