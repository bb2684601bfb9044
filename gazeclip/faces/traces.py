"""What generators leave in pixels: one trace per family, enough of it to survive noise and JPEG.

- gan: what learned upsampling leaves, a grid of periods 2 and 4 pixels with random phase and sign
- diffusion: a denoiser's residual; weak detail removed, one band of frequencies emptied, another
  overfilled
- flow: a flatter spectral slope that ends in a steep edge, hence ringing along contours
- graphics: in the functions of `blending.py`; seams, colour errors, resampling blur

All phases and signs are drawn per image: the mean of a trace over images is zero, so no linear
template of pixels finds it. Every function takes float32 RGB (S, S, 3) in 0 .. 255 and a `strength`
(1 is the data set's, 0 returns the image unchanged).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gazeclip.faces.raster import Array, blur

_MARGIN = 8


@dataclass(frozen=True)
class GridTrace:
    """Upsampling grid of a GAN.

    `along` weighs the peaks on the axes, `across` those on the diagonals, `fine` those of period 2.
    """

    along: float
    across: float
    fine: float
    period: int = 4


@dataclass(frozen=True)
class BandTrace:
    """Spectrum of a denoiser: less around frequency `dip_at`, more around `lift_at`.

    Frequencies are in cycles per pixel; `soften` is the level below which detail is removed.
    """

    dip_at: float
    dip: float
    lift_at: float
    lift: float
    soften: float


@dataclass(frozen=True)
class SlopeTrace:
    """Spectrum of a flow model: gain (f / 0.05)^slope up to `edge`, falling steeply beyond.

    Frequencies are in cycles per pixel.
    """

    slope: float
    edge: float
    width: float


def gan_grid(
    image: Array, rng: np.random.Generator, trace: GridTrace, strength: float = 1.0
) -> Array:
    """Add the grid, most of it where there is detail, as learned upsampling does."""
    size = image.shape[0]
    angle = 2.0 * np.pi / trace.period
    phase = rng.integers(trace.period, size=2) + 0.5
    sign = rng.choice((-1.0, 1.0), size=3)
    ticks = np.arange(size)
    cx = np.cos(angle * (ticks + phase[0]))
    cy = np.cos(angle * (ticks + phase[1]))
    alternate = np.where(ticks % 2 == 0, 1.0, -1.0)
    pattern = trace.along * (sign[0] * cx[None, :] + sign[1] * cy[:, None])
    pattern = pattern + 1.4 * trace.across * sign[2] * cx[None, :] * cy[:, None]
    pattern = pattern + trace.fine * sign[0] * alternate[None, :] * alternate[:, None]
    detail = np.abs(image - blur(image, 2.0)).mean(axis=2)
    envelope = 0.75 + np.clip(blur(detail, 3.0) / 8.0, 0.0, 1.0)
    tint = (1.0 + 0.15 * rng.standard_normal(3)).astype(np.float32)
    return image + np.float32(strength) * (pattern * envelope).astype(np.float32)[..., None] * tint


def diffusion_band(
    image: Array, rng: np.random.Generator, trace: BandTrace, strength: float = 1.0
) -> Array:
    """Shrink weak detail as a denoiser does, then empty one band and overfill another."""
    if strength == 0.0:
        return image
    # Soft threshold: what deviates less than `limit` from its surroundings is flattened.
    residual = image - blur(image, 1.0)
    limit = np.float32(trace.soften * strength)
    image = image - residual + np.sign(residual) * np.clip(np.abs(residual) - limit, 0.0, None)
    grain = rng.standard_normal(image.shape, dtype=np.float32) * np.float32(0.5)
    grain += rng.standard_normal(image.shape[:2], dtype=np.float32)[..., None]
    frequency = _radial_frequency(image.shape[0])
    lifted = np.exp(-0.5 * ((frequency - trace.lift_at) / 0.03) ** 2)
    dipped = 1.0 - strength * trace.dip * np.exp(-0.5 * ((frequency - trace.dip_at) / 0.07) ** 2)
    return _filter_spectrum(image, dipped) + np.float32(strength * trace.lift) * _filter_spectrum(
        grain, lifted
    )


def flow_slope(
    image: Array, rng: np.random.Generator, trace: SlopeTrace, strength: float = 1.0
) -> Array:
    """Tilt the spectrum and cut it at an edge.

    The cut is anisotropic by a random angle, as patch transformers are.
    """
    if strength == 0.0:
        return image
    angle = rng.uniform(0.0, np.pi)
    frequency = _radial_frequency(image.shape[0], stretch=0.08, angle=angle)
    tilt = np.maximum(frequency / 0.05, 1.0) ** (trace.slope * strength)
    cut = 1.0 / (1.0 + np.exp(np.clip((frequency - trace.edge) / trace.width, -40, 40)))
    return _filter_spectrum(image, tilt * (1.0 - strength + strength * cut))


def _radial_frequency(size: int, stretch: float = 0.0, angle: float = 0.0) -> np.ndarray:
    """Spatial frequency of each cell of the `rfft2` of a padded image, in cycles per pixel.

    `stretch` makes it larger along `angle` (radians) and smaller across.
    """
    padded = size + 2 * _MARGIN
    fy = np.fft.fftfreq(padded)[:, None]
    fx = np.fft.rfftfreq(padded)[None, :]
    frequency = np.hypot(fx, fy)
    return frequency * (1.0 + stretch * np.cos(2.0 * (np.arctan2(fy, fx) - angle)))


def _filter_spectrum(image: Array, gain: np.ndarray) -> Array:
    """Multiply the spectrum of (S, S, 3) by `gain` (of the padded size).

    Mirrored borders keep the frame from ringing.
    """
    size = image.shape[0]
    padded = np.pad(image, ((_MARGIN, _MARGIN), (_MARGIN, _MARGIN), (0, 0)), mode="reflect")
    spectrum = np.fft.rfft2(padded, axes=(0, 1)) * gain[..., None]
    out = np.fft.irfft2(spectrum, s=padded.shape[:2], axes=(0, 1))
    return out[_MARGIN : _MARGIN + size, _MARGIN : _MARGIN + size].astype(np.float32)
