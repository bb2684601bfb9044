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
    """A rectangle of a canvas, a view and not a copy.

    Attributes:
        x, y: coordinates (h, w) in face units.
        rgb: the pixels (h, w, 3).
        pixel: width of one sample in face units.
    """

    x: Array
    y: Array
    rgb: Array
    pixel: float

    def cover(self, distance: Array) -> Array:
        """Coverage 0 .. 1 of a shape, one pixel wide at the edge.

        Args:
            distance: signed distance to the edge (h, w) in face units, positive inside.
        """
        return np.clip(distance / np.float32(self.pixel) + np.float32(0.5), 0.0, 1.0)

    def paint(self, mask: Array, colour: Array | tuple[float, float, float]) -> None:
        """Lay `colour` (3,) or (h, w, 3) over the pixels with opacity `mask` (h, w)."""
        box = _bound_visible(mask)
        part = self.rgb[box]
        colour = np.asarray(colour, dtype=np.float32)
        if colour.ndim == 3:
            colour = colour[box]
        part += mask[box][..., None] * (colour - part)

    def shade(self, mask: Array, amount: float) -> None:
        """Brighten (amount > 0) or darken the pixels by a fraction, weighted with `mask` (h, w)."""
        self.rgb *= 1.0 + np.float32(amount) * mask[..., None]


def _bound_visible(mask: Array) -> tuple[slice, slice]:
    """The smallest rectangle of all that is not transparent: most shapes cover a small part."""
    filled = mask > 0
    rows = np.flatnonzero(filled.any(axis=1))
    columns = np.flatnonzero(filled.any(axis=0))
    if rows.size == 0:
        return slice(0, 0), slice(0, 0)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


class Canvas:
    """A supersampled square image in the coordinates of a head.

    The head is shifted, rolled (radians) and zoomed in the frame.
    """

    def __init__(self, size: int, roll: float, shift: tuple[float, float], zoom: float) -> None:
        self.n = size * SUPERSAMPLE
        ticks = (np.arange(self.n, dtype=np.float32) + 0.5) * np.float32(2.0 / self.n) - 1.0
        self._cos = np.cos(roll)
        self._sin = np.sin(roll)
        self._shift = shift
        self._zoom = zoom
        dx = ticks[None, :] - np.float32(shift[0])
        dy = ticks[:, None] - np.float32(shift[1])
        # Frame to head: the inverse of the shift, the roll and the zoom, at each sample (n, n).
        cos = np.float32(self._cos)
        sin = np.float32(self._sin)
        scale = np.float32(1.0 / zoom)
        self.rgb: Array = np.zeros((self.n, self.n, 3), dtype=np.float32)
        self.whole = View(
            (cos * dx + sin * dy) * scale,
            (cos * dy - sin * dx) * scale,
            self.rgb,
            2.0 / self.n / zoom,
        )

    def open_window(self, cx: float, cy: float, radius_x: float, radius_y: float) -> View:
        """The part of the canvas around a point of the head.

        Shapes drawn in it may not reach beyond the radii (face units).
        """
        # Head to frame, the other way round; a rolled rectangle reaches further along both axes.
        ix = self._zoom * (self._cos * cx - self._sin * cy) + self._shift[0]
        iy = self._zoom * (self._sin * cx + self._cos * cy) + self._shift[1]
        slant = abs(self._sin)
        reach_x = self._zoom * (radius_x + slant * radius_y)
        reach_y = self._zoom * (radius_y + slant * radius_x)
        columns = self._find_span(ix, reach_x)
        rows = self._find_span(iy, reach_y)
        whole = self.whole
        return View(
            whole.x[rows, columns], whole.y[rows, columns], self.rgb[rows, columns], whole.pixel
        )

    def _find_span(self, centre: float, reach: float) -> slice:
        low = int(np.floor((centre - reach + 1.0) / 2.0 * self.n))
        high = int(np.ceil((centre + reach + 1.0) / 2.0 * self.n))
        low = min(max(low, 0), self.n - 1)
        return slice(low, max(min(high, self.n), low + 1))

    def average_samples(self) -> Array:
        """The image (size, size, 3); each pixel is the mean of its SUPERSAMPLE² samples."""
        step = SUPERSAMPLE
        parts = [self.rgb[i::step, j::step] for i in range(step) for j in range(step)]
        return np.sum(parts, axis=0, dtype=np.float32) * np.float32(1.0 / step**2)


def resize(
    image: Array, size: tuple[int, int], how: Image.Resampling = Image.Resampling.BICUBIC
) -> Array:
    """Resample (h, w) or (h, w, 3) float32 to `size` = (height, width)."""
    shape = (size[1], size[0])
    if image.ndim == 2:
        picture = Image.fromarray(np.ascontiguousarray(image))
        return np.asarray(picture.resize(shape, how), dtype=np.float32)
    # Pillow has no three-channel image of floats.
    return np.stack([resize(image[..., k], size, how) for k in range(image.shape[2])], axis=-1)


def draw_noise(rng: np.random.Generator, cells: int | tuple[int, int], n: int) -> Array:
    """Smooth noise (n, n), about unit variance.

    A lattice of `cells` random values, so its look does not depend on n.
    """
    rows, columns = (cells, cells) if isinstance(cells, int) else cells
    return resize(rng.standard_normal((rows, columns), dtype=np.float32), (n, n))


def blur(image: Array, sigma: float) -> Array:
    """Gaussian blur of (h, w) or (h, w, 3), borders repeated; `sigma` in pixels."""
    if sigma <= 0.05:
        return image
    radius = max(1, int(np.ceil(2.6 * sigma)))
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    weights = (weights / weights.sum()).astype(np.float32)
    # Separable: first down the rows, then along the columns.
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
    """Values (h, w, 3) of `image` (H, W, 3) at positions `x`, `y` (h, w) in pixels."""
    height, width = image.shape[:2]
    # Just inside, so that the neighbour to the right and below exists.
    x = np.clip(x, 0, width - 1.001)
    y = np.clip(y, 0, height - 1.001)
    x0 = x.astype(np.intp)
    y0 = y.astype(np.intp)
    fx = (x - x0)[..., None].astype(np.float32)
    fy = (y - y0)[..., None].astype(np.float32)
    top = image[y0, x0] * (1 - fx) + image[y0, x0 + 1] * fx
    bottom = image[y0 + 1, x0] * (1 - fx) + image[y0 + 1, x0 + 1] * fx
    return top * (1 - fy) + bottom * fy


def draw_bell(view: View, cx: float, cy: float, rx: float, ry: float) -> Array:
    """A Gaussian bump (h, w) of height 1 with standard deviations `rx`, `ry` in face units."""
    across = (view.x - cx) / np.float32(rx)
    down = (view.y - cy) / np.float32(ry)
    return np.exp(-0.5 * (across**2 + down**2))
