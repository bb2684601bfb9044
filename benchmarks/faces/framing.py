"""Which square around a face is the one that was cut: the true one, and the same verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from benchmarks.faces.scenes import draw_background, paste_crops
from gazeclip.images.crop_rule import CropRule
from runtimes import Verifier
from runtimes.faces.crop import Crop, cut_square
from runtimes.faces.detect import FaceDetector
from runtimes.faces.framing import describe_square


@dataclass
class Framing:
    """Of one side: overlaps with the true square, and differences to its verdict."""

    side: float
    overlaps: list[float] = field(default_factory=list)
    same: list[bool] = field(default_factory=list)
    llr_differences: list[float] = field(default_factory=list)


@dataclass
class Frames:
    """All sides; and what each photograph would have wished, by its own box."""

    framings: list[Framing]
    sides: list[float] = field(default_factory=list)
    lifts: list[float] = field(default_factory=list)
    missed: int = 0


def try_sides(
    crops: Sequence[Image.Image],
    sides: Sequence[float],
    lift: float,
    detector: FaceDetector,
    verifier: Verifier | None,
) -> Frames:
    """Paste each crop into a picture, find it and cut it out again with each side."""
    tried = Frames([Framing(side) for side in sides])
    rng = np.random.default_rng(0)
    for number, crop in enumerate(crops):
        width = 4 * crop.width
        picture = draw_background(rng, width, width * 3 // 4)
        scene = paste_crops(picture, [crop], [crop.width], number)
        (place,) = scene.places
        true = Crop(place[0], place[1], place[0] + place[2], place[1] + place[2])
        faces = detector.find(scene.picture)
        if not faces:
            tried.missed += 1
            continue
        stands = describe_square(faces[0], true.x0, true.y0, true.side)
        tried.sides.append(stands.side)
        tried.lifts.append(stands.lift)
        wanted = None if verifier is None else _judge(verifier, crop)
        for framing in tried.framings:
            cut = cut_square(faces[0], *picture.size, CropRule(side=framing.side, lift=lift))
            framing.overlaps.append(measure_overlap(cut, true))
            if verifier is not None and wanted is not None:
                verdict, llr = _judge(verifier, scene.picture.crop(cut))
                framing.same.append(verdict == wanted[0])
                framing.llr_differences.append(abs(llr - wanted[1]))
    return tried


def _judge(verifier: Verifier, picture: Image.Image) -> tuple[str, float]:
    (verdict,) = verifier.verify(picture, crop="whole")
    return verdict.verdict, verdict.llr


def measure_overlap(one: Crop, other: Crop) -> float:
    """Intersection over union of two crops."""
    wide = max(0, min(one.x1, other.x1) - max(one.x0, other.x0))
    high = max(0, min(one.y1, other.y1) - max(one.y0, other.y0))
    shared = wide * high
    areas = (one.x1 - one.x0) * (one.y1 - one.y0) + (other.x1 - other.x0) * (other.y1 - other.y0)
    return shared / (areas - shared)
