"""How many pixels of a crop are enough: what decoding a JPEG at a fraction changes in its LLR."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from gazeclip.images.reduced import reduce_jpeg
from runtimes import Verifier

_FRACTION = 2
_MARGIN = 16  # pixels around the crop, a block of a JPEG with coarser colours


@dataclass
class Detail:
    """Of one number of pixels, by the side of the model's input: differences to the whole JPEG."""

    ratio: float
    side: int
    same: list[bool] = field(default_factory=list)
    llr_differences: list[float] = field(default_factory=list)


def measure_detail(
    crops: Sequence[Image.Image], ratios: Sequence[float], verifier: Verifier
) -> list[Detail]:
    """Each crop in a JPEG whose half has `ratio` times S pixels of it, judged from both."""
    size = verifier.bundle.contract.size
    details = []
    for ratio in ratios:
        side = 2 * _FRACTION * round(ratio * size / 2)  # whole pixels of both
        detail = Detail(ratio, side)
        for crop in crops:
            data = _encode(crop.resize((side, side), Image.Resampling.BICUBIC))
            whole = _judge(verifier, data, side, 1)
            half = _judge(verifier, data, side, _FRACTION)
            detail.same.append(whole[0] == half[0])
            detail.llr_differences.append(abs(whole[1] - half[1]))
        details.append(detail)
    return details


def _encode(crop: Image.Image) -> bytes:
    """A JPEG of the crop in grey surroundings, so that its edge is no edge of the file."""
    picture = Image.new("RGB", (crop.width + 2 * _MARGIN, crop.height + 2 * _MARGIN), (128,) * 3)
    picture.paste(crop, (_MARGIN, _MARGIN))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90)
    return file.getvalue()


def _judge(verifier: Verifier, data: bytes, side: int, by: int) -> tuple[str, float]:
    picture = reduce_jpeg(Image.open(io.BytesIO(data)), by)
    first = _MARGIN // by
    square = (first, first, first + side // by, first + side // by)
    (verdict,) = verifier.verify(np.asarray(picture.crop(square)), crop="whole")
    return verdict.verdict, verdict.llr
