"""Scaled bytes against two passes in NumPy, in the order that is promised."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image

from gazeclip.images.preprocess import PixelContract
from gazeclip.images.scale import scale_in_order

_BITS = 22  # of Pillow's whole-number weights


def weigh_linear(x: float) -> float:
    return max(0.0, 1.0 - abs(x))


def weigh_cubic(x: float) -> float:
    """Keys' convolution with a = -1/2."""
    x = abs(x)
    if x < 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0


KERNELS = {
    Image.Resampling.BILINEAR: (1, weigh_linear),
    Image.Resampling.BICUBIC: (2, weigh_cubic),
}


def scale_columns(pixels: np.ndarray, wanted: int, filter_: Image.Resampling) -> np.ndarray:
    """Pixels `(H, W, 3)` -> `(H, wanted, 3)`, rounded to bytes."""
    reach, weigh = KERNELS[filter_]
    width = pixels.shape[1]
    scale = width / wanted
    stretch = max(scale, 1.0)
    scaled = np.empty((pixels.shape[0], wanted, 3), np.uint8)
    for place in range(wanted):
        centre = (place + 0.5) * scale
        low = max(0, math.trunc(centre - reach * stretch + 0.5))
        high = min(width, math.trunc(centre + reach * stretch + 0.5))
        weights = np.array([weigh((i - centre + 0.5) / stretch) for i in range(low, high)])
        whole = np.floor(weights / weights.sum() * 2**_BITS + 0.5).astype(np.int64)
        sums = np.einsum("hwc,w->hc", pixels[:, low:high].astype(np.int64), whole)
        scaled[:, place] = ((sums + 2 ** (_BITS - 1)) >> _BITS).clip(0, 255)
    return scaled


def scale_by_hand(
    pixels: np.ndarray, size: tuple[int, int], filter_: Image.Resampling
) -> np.ndarray:
    """Across, then down."""
    across = scale_columns(pixels, size[0], filter_)
    return scale_columns(across.transpose(1, 0, 2), size[1], filter_).transpose(1, 0, 2)


@pytest.mark.parametrize("filter_", KERNELS)
@pytest.mark.parametrize(
    "shape", [(400, 40), (40, 400), (50, 50), (20, 20), (300, 32), (32, 300), (7, 90)]
)
def test_across_and_then_down(shape: tuple[int, int], filter_: Image.Resampling) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    found = scale_in_order(Image.fromarray(pixels), (32, 24), filter_)
    np.testing.assert_array_equal(np.asarray(found), scale_by_hand(pixels, (32, 24), filter_))


def test_the_contract_scales_tall_images_in_this_order() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (640, 48, 3), dtype=np.uint8)
    wanted = scale_by_hand(pixels, (32, 32), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(PixelContract(32).apply(pixels), wanted)


def test_what_has_the_size_is_left_alone() -> None:
    image = Image.new("RGB", (5, 4))
    assert scale_in_order(image, (5, 4), Image.Resampling.BICUBIC) is image
