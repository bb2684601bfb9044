"""What the zoo teaches a student in some seconds: to tell apart four marks on drawn faces.

None of it is of use. It makes a network of a random one: features that differ from image to image,
logits on both sides of the threshold, differences of one step that die out from layer to layer.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gazeclip.networks.student import Student

MARKS = ("real", "blurred", "noisy", "chequered", "swapped")
_BLUR = 7  # pixels
_NOISE = 30.0  # grey levels, standard deviation
_SQUARE = 4  # pixels
_CONTRAST = 40.0  # grey levels
_STEPS = 80
_BATCH = 10
# Large, so that eighty steps lead away from random weights: at a fiftieth of it int8 files missed
# the bounds of parity as those of random weights do.
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


def teach(student: Student, pictures: Tensor, seed: int) -> None:
    """Train a student in place, encoder and head; it is left in eval mode.

    Args:
        pictures: uint8 `(N, 3, S, S)`.
    """
    generator = torch.Generator().manual_seed(seed)
    rates = [_LEARNING_RATE, _HEAD_LEARNING_RATE]
    parts = [student.encoder, student.head]
    groups = [
        {"params": part.parameters(), "lr": rate} for part, rate in zip(parts, rates, strict=True)
    ]
    optimizer = torch.optim.AdamW(groups)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, total_steps=_STEPS)
    marks = list_marks(_BATCH)
    forged = (marks > 0).float()[:, None]  # (B, 1)
    balance = (1 - forged).sum() / forged.sum()  # else real images stay near the threshold
    student.train()
    for step in range(_STEPS):
        chosen = torch.randint(0, len(pictures), (_BATCH,), generator=generator)
        found = student(mark_pictures(pictures[chosen], marks, seed + step))
        loss = F.cross_entropy(found.logits, marks)
        loss = loss + F.binary_cross_entropy_with_logits(
            found.fake_logit, forged, pos_weight=balance
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    images = mark_pictures(pictures, list_marks(len(pictures)), seed)
    _measure_statistics(student, images)
    student.eval()


@torch.no_grad()
def _measure_statistics(student: Student, images: Tensor) -> None:
    """Give norms the statistics of the weights that they have now.

    The running ones still remember weights of some steps before, which a short training has moved
    far from ("precise BN", Wu and Johnson, arXiv:2105.07576).
    """
    for module in student.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # the mean over all batches
    for batch in images.split(_BATCH):
        student(batch)
