"""Size and seed of the procedural faces."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FacesConfig:
    """Size and seed of a procedural data set.

    `*_fake` counts images per generator, `*_real` real images; sizes are in pixels.
    """

    size: int = 96
    identities: int = 600
    train_real: int = 420
    train_fake: int = 180
    val_real: int = 36
    val_fake: int = 15
    calibration_real: int = 36
    calibration_fake: int = 12
    test_real: int = 120
    test_fake: int = 36
    unseen_real: int = 120
    unseen_fake: int = 60
    seed: int = 0
