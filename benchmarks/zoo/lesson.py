"""What the zoo teaches a student in some seconds: marks on drawn faces, and where they are bright.

None of it is of use. It makes a network of a random one: features that differ from image to image,
logits on both sides of the threshold, differences of one step that die out from layer to layer.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.peers.settle import settle_statistics
from benchmarks.zoo.record import LESSON_STEPS
from gazeclip.networks.student import Student, StudentOutput

# "real" has none, and comes first as the head wants it.
MARKS = ("real", "blurred", "noisy", "chequered", "swapped")
_BLUR = 7  # pixels
_NOISE = 30.0  # grey levels, standard deviation
_SQUARE = 4  # pixels
_CONTRAST = 40.0  # grey levels
_BATCH = 10
# Large, so that few steps lead away from random weights, which pass rounding on undamped.
_LEARNING_RATE = 1e-2
_HEAD_LEARNING_RATE = 1e-3  # embeddings must keep a length whose square a half-float holds


def list_marks(count: int) -> Tensor:
    """Numbers of `MARKS`, int64 `(count,)`: each in turn."""
    return torch.arange(count) % len(MARKS)


def mark_pictures(pictures: Tensor, marks: Tensor, seed: int) -> Tensor:
    """Pictures uint8 `(N, 3, S, S)` with one of `MARKS` each; `marks (N,)` are their numbers."""
    generator = torch.Generator().manual_seed(seed)
    pairs = zip(pictures.float(), marks.tolist(), strict=True)
    marked = [_mark_picture(picture, MARKS[mark], generator) for picture, mark in pairs]
    return torch.stack(marked).clamp(0, 255).round().to(torch.uint8)


def _mark_picture(picture: Tensor, mark: str, generator: torch.Generator) -> Tensor:
    """A picture `(3, S, S)` in grey levels with its mark, not yet within 0..255."""
    if mark == "blurred":
        return F.avg_pool2d(picture, _BLUR, stride=1, padding=_BLUR // 2, count_include_pad=False)
    if mark == "noisy":
        return picture + _NOISE * torch.randn(picture.shape, generator=generator)
    if mark == "chequered":
        stripes = torch.arange(picture.shape[-1]) // _SQUARE
        squares = (stripes[:, None] + stripes[None, :]) % 2  # (S, S) of 0 and 1
        return picture + _CONTRAST * (squares - 0.5)
    if mark == "swapped":
        return picture.flip(0)
    return picture


def teach(student: Student, pictures: Tensor, seed: int, with_backbone: bool) -> None:
    """Train a student in place; it is left in eval mode.

    Args:
        pictures: uint8 `(N, 3, S, S)`.
        with_backbone: else weights and statistics of the backbone stay as they are.
    """
    backbone = student.encoder.get_submodule("backbone")
    backbone.requires_grad_(with_backbone)
    student.train()
    backbone.train(with_backbone)
    rates = [_LEARNING_RATE, _HEAD_LEARNING_RATE]
    parts = zip((student.encoder, student.head), rates, strict=True)
    optimizer = torch.optim.AdamW({"params": part.parameters(), "lr": lr} for part, lr in parts)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, total_steps=LESSON_STEPS)
    generator = torch.Generator().manual_seed(seed)
    marks = list_marks(_BATCH)
    for step in range(LESSON_STEPS):
        chosen = torch.randint(0, len(pictures), (_BATCH,), generator=generator)
        images = mark_pictures(pictures[chosen], marks, seed + step)
        loss = _measure_loss(student(images), marks, locate_brightness(images))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    images = mark_pictures(pictures, list_marks(len(pictures)), seed)
    settle_statistics(student, images, spare=None if with_backbone else backbone)
    backbone.requires_grad_()


def locate_brightness(images: Tensor) -> Tensor:
    """What the gaze is taught for images `(N, 3, S, S)`: `(N, 2)`, -1..1.

    How much brighter the upper half is than the lower, and the left one than the right.
    """
    light = images.float().mean(dim=1) / 255.0  # (N, S, S)
    half = light.shape[-1] // 2
    upwards = light[:, :half].mean(dim=(1, 2)) - light[:, -half:].mean(dim=(1, 2))
    sideways = light[:, :, :half].mean(dim=(1, 2)) - light[:, :, -half:].mean(dim=(1, 2))
    return torch.stack((upwards, sideways), dim=1)


def _measure_loss(found: StudentOutput, marks: Tensor, gaze: Tensor) -> Tensor:
    forged = (marks > 0).float()[:, None]  # (B, 1)
    balance = (1 - forged).sum() / forged.sum()  # else real images stay near the threshold
    return (
        F.cross_entropy(found.logits, marks)
        + F.binary_cross_entropy_with_logits(found.fake_logit, forged, pos_weight=balance)
        + F.l1_loss(found.gaze, gaze)
    )
