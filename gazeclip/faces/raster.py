"""Small drawing and filtering tools on float32 arrays.

A canvas in face coordinates, soft masks, noise, blur, resampling.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[np.float32]

SUPERSAMPLE = 2


@dataclass
class View:
    """A rectangle of a canvas: coordinates `x`, `y` (h, w) in face units and the pixels `rgb` (h,
    w, 3), a view not a copy.
    """

    x: Array
    y: Array
    rgb: Array
    pixel: float

    def cover(self, distance: Array) -> Array:
        """Coverage 0 .. 1 of a shape from its signed distance in face units (positive inside), one
        pixel wide at the edge.
        """
        return np.clip(distance / np.float32(self.pixel) + np.float32(0.5), 0.0, 1.0)

    def paint(self, mask: Array, colour: Array | tuple[float, float, float]) -> None:
        """Lay `colour` (3,) or (h, w, 3) over the pixels with opacity `mask` (h, w)."""
        box = _box(mask)
        part, colour = self.rgb[box], np.asarray(colour, dtype=np.float32)
        part += mask[box][..., None] * ((colour[box] if colour.ndim == 3 else colour) - part)

    def shade(self, mask: Array, amount: float) -> None:
        """Brighten (amount > 0) or darken the pixels by a fraction, weighted with `mask` (h, w)."""
        self.rgb *= 1.0 + np.float32(amount) * mask[..., None]


def _box(mask: Array) -> tuple[slice, slice]:
    """The smallest rectangle that holds everything not transparent: most shapes cover a small part
    of the canvas.
    """
    filled = mask > 0
    rows, columns = np.flatnonzero(filled.any(axis=1)), np.flatnonzero(filled.any(axis=0))
    if rows.size == 0:
        return slice(0, 0), slice(0, 0)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


class Canvas:
    """A supersampled square image whose coordinates are those of a head that is shifted, rolled and
    zoomed in the frame.
    """

    def __init__(self, size: int, roll: float, shift: tuple[float, float], zoom: float) -> None:
        self.n = size * SUPERSAMPLE
        ticks = (np.arange(self.n, dtype=np.float32) + 0.5) * np.float32(2.0 / self.n) - 1.0
        self._cos, self._sin, self._shift, self._zoom = np.cos(roll), np.sin(roll), shift, zoom
        dx, dy = ticks[None, :] - np.float32(shift[0]), ticks[:, None] - np.float32(shift[1])
        cos, sin, scale = np.float32(self._cos), np.float32(self._sin), np.float32(1.0 / zoom)
        self.rgb: Array = np.zeros((self.n, self.n, 3), dtype=np.float32)
        self.whole = View(
            (cos * dx + sin * dy) * scale,
            (cos * dy - sin * dx) * scale,
            self.rgb,
            2.0 / self.n / zoom,
        )

    def window(self, cx: float, cy: float, radius_x: float, radius_y: float) -> View:
        """The part of the canvas around a point of the head.

        Shapes drawn in it may not reach beyond the radii (face units).
        """
        ix = self._zoom * (self._cos * cx - self._sin * cy) + self._shift[0]
        iy = self._zoom * (self._sin * cx + self._cos * cy) + self._shift[1]
        slant = abs(self._sin)
        reach_x = self._zoom * (radius_x + slant * radius_y)
        reach_y = self._zoom * (radius_y + slant * radius_x)
        columns, rows = self._span(ix, reach_x), self._span(iy, reach_y)
        whole = self.whole
        return View(
            whole.x[rows, columns], whole.y[rows, columns], self.rgb[rows, columns], whole.pixel
        )

    def _span(self, centre: float, reach: float) -> slice:
        low = int(np.floor((centre - reach + 1.0) / 2.0 * self.n))
        high = int(np.ceil((centre + reach + 1.0) / 2.0 * self.n))
        low = min(max(low, 0), self.n - 1)
        return slice(low, max(min(high, self.n), low + 1))

    def finish(self) -> Array:
        """The image (size, size, 3), each pixel the mean of its SUPERSAMPLE x SUPERSAMPLE samples."""
        step = SUPERSAMPLE
        parts = [self.rgb[i::step, j::step] for i in range(step) for j in range(step)]
        return np.sum(parts, axis=0, dtype=np.float32) * np.float32(1.0 / step**2)


def resize(
    image: Array, size: tuple[int, int], how: Image.Resampling = Image.Resampling.BICUBIC
) -> Array:
    """Resample (h, w) or (h, w, 3) float32 to `size` = (height, width)."""
    shape = (size[1], size[0])
    if image.ndim == 2:
        return np.asarray(
            Image.fromarray(np.ascontiguousarray(image)).resize(shape, how), dtype=np.float32
        )
    return np.stack([resize(image[..., k], size, how) for k in range(image.shape[2])], axis=-1)


def noise(rng: np.random.Generator, cells: int | tuple[int, int], n: int) -> Array:
    """Smooth noise (n, n), about unit variance.

    A lattice of `cells` random values, so its look does not depend on n.
    """
    rows, columns = (cells, cells) if isinstance(cells, int) else cells
    return resize(rng.standard_normal((rows, columns), dtype=np.float32), (n, n))


def blur(image: Array, sigma: float) -> Array:
    """Gaussian blur of (h, w) or (h, w, 3) with standard deviation `sigma` in pixels, borders
    repeated.
    """
    if sigma <= 0.05:
        return image
    radius = max(1, int(np.ceil(2.6 * sigma)))
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    weights = (weights / weights.sum()).astype(np.float32)
    for axis in (0, 1):
        pad = [(0, 0)] * image.ndim
        pad[axis] = (radius, radius)
        padded = np.pad(image, pad, mode="edge")
        length = image.shape[axis]
        total = np.zeros_like(image)
        for k, weight in enumerate(weights):
            window = padded[k : k + length] if axis == 0 else padded[:, k : k + length]
            total += weight * window
        image = total
    return image


def sample_bilinear(image: Array, x: Array, y: Array) -> Array:
    """Values (h, w, 3) of `image` (H, W, 3) at pixel positions `x`, `y` (h, w), borders repeated."""
    height, width = image.shape[:2]
    x, y = np.clip(x, 0, width - 1.001), np.clip(y, 0, height - 1.001)
    x0, y0 = x.astype(np.intp), y.astype(np.intp)
    fx, fy = (x - x0)[..., None].astype(np.float32), (y - y0)[..., None].astype(np.float32)
    top = image[y0, x0] * (1 - fx) + image[y0, x0 + 1] * fx
    bottom = image[y0 + 1, x0] * (1 - fx) + image[y0 + 1, x0 + 1] * fx
    return top * (1 - fy) + bottom * fy


def bell(view: View, cx: float, cy: float, rx: float, ry: float) -> Array:
    """A Gaussian bump (h, w) of height 1 with standard deviations `rx`, `ry` in face units."""
    return np.exp(
        -0.5 * (((view.x - cx) / np.float32(rx)) ** 2 + ((view.y - cy) / np.float32(ry)) ** 2)
    )
