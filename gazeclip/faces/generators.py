"""The forgery generators of the procedural faces: people in, an image with its gaze out.

Each has a gaze behaviour of its own (where and how consistently the eyes look) and the trace of its
family (`traces.py`, `blending.py`). The unseen ones belong to a known category and family but use
other settings. Sensor noise and JPEG are not applied here: `camera.py` does that for real and
forged images alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gazeclip.faces.anatomy import render_face
from gazeclip.faces.blending import (
    blend_alpha,
    blend_poisson,
    feature_mask,
    inner_mask,
    lower_resolution,
    match_colour,
    warp_twice,
)
from gazeclip.faces.params import EyePair, FaceParams, PhotoParams, eye_pair, natural_gaze
from gazeclip.faces.raster import Array
from gazeclip.faces.traces import (
    BandTrace,
    GridTrace,
    SlopeTrace,
    diffusion_band,
    flow_slope,
    gan_grid,
)

GRID = GridTrace(along=2.6, across=1.2, fine=2.6)
GRID_INNER = GridTrace(along=3.4, across=1.4, fine=3.8)
GRID_V2 = GridTrace(along=1.0, across=1.5, fine=0.9)
BAND = BandTrace(dip_at=0.40, dip=0.95, lift_at=0.25, lift=13.0, soften=2.2)
BAND_V2 = BandTrace(dip_at=0.37, dip=0.85, lift_at=0.28, lift=8.5, soften=1.4)
SLOPE = SlopeTrace(slope=0.6, edge=0.34, width=0.012)
SLOPE_V2 = SlopeTrace(slope=0.46, edge=0.38, width=0.02)


@dataclass(frozen=True)
class Shot:
    """An image before the sensor, and what its eyes show.

    Attributes:
        image: float32 RGB (S, S, 3) in 0 .. 255.
        gaze: (pitch, yaw) in radians.
    """

    image: Array
    gaze: tuple[float, float]


@dataclass(frozen=True)
class Job:
    """What a generator is given.

    Attributes:
        target: the person shown.
        source: a second person, for swaps.
        size: S in pixels.
        strength: of the trace; 1 is the data set's, 0 leaves none.
    """

    target: FaceParams
    source: FaceParams
    size: int
    rng: np.random.Generator
    strength: float = 1.0


def take_photo(job: Job) -> Shot:
    """An untouched photo."""
    eyes = natural_gaze(job.rng)
    photo = PhotoParams.sample(job.rng, eyes.label)
    return Shot(render_face(job.target, photo, eyes, job.size), eyes.label)


def _two_faces(job: Job, eyes: EyePair) -> tuple[PhotoParams, Array, Array]:
    """The target's photo and the source's face in the same pose and light, both with these eyes."""
    photo = PhotoParams.sample(job.rng, natural_gaze(job.rng).label)
    target = render_face(job.target, photo, eyes, job.size)
    source = render_face(job.source, photo, eyes, job.size)
    return photo, target, source


def _draw_sign(rng: np.random.Generator) -> float:
    return 1.0 if rng.random() < 0.5 else -1.0


def swap_poisson(job: Job) -> Shot:
    """Landmark swap, gradient-domain

    One eye keeps the source's direction, the other the target's (yaw conflict).
    """
    base = natural_gaze(job.rng).label
    eyes = eye_pair(*base, twist=(0.0, _draw_sign(job.rng) * float(job.rng.uniform(0.25, 0.5))))
    photo, target, source = _two_faces(job, eyes)
    source = lower_resolution(source, float(job.rng.uniform(0.46, 0.56)))
    mask = inner_mask(job.target, photo, job.size, feather=0.05)
    return Shot(
        blend_alpha(target, blend_poisson(target, source, mask), mask * job.strength),
        eyes.label,
    )


def swap_alpha(job: Job) -> Shot:
    """Landmark swap, feathered alpha, colours partly matched. Unseen.

    The eyes disagree in yaw and a little in pitch.
    """
    base = natural_gaze(job.rng).label
    yaw_gap = _draw_sign(job.rng) * float(job.rng.uniform(0.22, 0.44))
    eyes = eye_pair(
        *base, twist=(_draw_sign(job.rng) * float(job.rng.uniform(0.02, 0.08)), yaw_gap)
    )
    photo, target, source = _two_faces(job, eyes)
    source = lower_resolution(source, float(job.rng.uniform(0.52, 0.68)))
    mask = inner_mask(job.target, photo, job.size, feather=0.08)
    source = match_colour(target, source, mask, amount=0.8)
    return Shot(blend_alpha(target, source, mask * job.strength), eyes.label)


def swap_gan(job: Job) -> Shot:
    """Swap by an encoder-decoder GAN: eyes apart, colours matched, grid in the inner face."""
    base = natural_gaze(job.rng).label
    eyes = eye_pair(*base, vergence=-float(job.rng.uniform(0.2, 0.4)))
    photo, target, source = _two_faces(job, eyes)
    mask = inner_mask(job.target, photo, job.size, feather=0.12)
    source = match_colour(target, lower_resolution(source, 0.72), mask, amount=0.9)
    source = gan_grid(source, job.rng, GRID_INNER, job.strength)
    return Shot(blend_alpha(target, source, mask * min(job.strength, 1.0)), eyes.label)


def _follow_driver(job: Job, step: float) -> tuple[EyePair, tuple[float, float]]:
    """Gaze of a driving video in steps of `step` radians, and the direction of the lagging head."""
    wanted = natural_gaze(job.rng).label
    pitch, yaw = (float(np.round(angle / step) * step) for angle in wanted)
    head_pitch = wanted[0] + float(job.rng.normal(0, 0.1))
    head_yaw = -0.6 * wanted[1] + float(job.rng.normal(0, 0.15))
    return eye_pair(pitch, yaw), (head_pitch, head_yaw)


def reenact_warp(job: Job) -> Shot:
    """Reenactment by warping: gaze in steps of 0.2 rad, eyes parallel, eyes and mouth blurred."""
    eyes, lag = _follow_driver(job, 0.2)
    photo = PhotoParams.sample(job.rng, lag)
    image = render_face(job.target, photo, eyes, job.size)
    mask = feature_mask(job.target, photo, job.size) * job.strength
    image = blend_alpha(image, lower_resolution(image, float(job.rng.uniform(0.5, 0.62))), mask)
    return Shot(warp_twice(image, mask, job.rng, reach=1.5), eyes.label)


def reenact_gan(job: Job) -> Shot:
    """Reenactment by a GAN: gaze lags behind and droops, grid around eyes and mouth."""
    eyes, lag = _follow_driver(job, 0.05)
    pitch, yaw = eyes.label
    eyes = eye_pair(pitch - 0.12, 0.7 * yaw)
    photo = PhotoParams.sample(job.rng, lag)
    image = render_face(job.target, photo, eyes, job.size)
    mask = feature_mask(job.target, photo, job.size)
    forged = gan_grid(lower_resolution(image, 0.75), job.rng, GRID_INNER, 1.15 * job.strength)
    return Shot(blend_alpha(image, forged, mask * min(job.strength, 1.0)), eyes.label)


def _synthesize_face(
    job: Job, eyes: EyePair, highlight: float = 0.0
) -> tuple[Array, tuple[float, float]]:
    photo = PhotoParams.sample(job.rng, natural_gaze(job.rng).label)
    return render_face(job.target, photo, eyes, job.size, highlight), eyes.label


def synth_gan(job: Job) -> Shot:
    """Whole face by a GAN: gaze narrow and frontal, whatever the head does; grid everywhere."""
    eyes = eye_pair(float(job.rng.normal(0, 0.04)), float(job.rng.normal(0, 0.06)))
    image, gaze = _synthesize_face(job, eyes, highlight=0.12)
    return Shot(gan_grid(image, job.rng, GRID, job.strength), gaze)


def synth_gan_v2(job: Job) -> Shot:
    """A later GAN: wider gaze, reflections that disagree, a diagonal grid. Unseen."""
    eyes = eye_pair(float(job.rng.normal(0, 0.06)), float(job.rng.normal(0, 0.10)))
    image, gaze = _synthesize_face(job, eyes, highlight=_draw_sign(job.rng) * 0.25)
    return Shot(gan_grid(image, job.rng, GRID_V2, job.strength), gaze)


def synth_diffusion(job: Job) -> Shot:
    """Whole face by diffusion: slight strabismus (each eye for itself), spectrum of a denoiser."""
    base = natural_gaze(job.rng).label
    rng = job.rng
    eyes = eye_pair(*base, twist=(float(rng.normal(0, 0.08)), float(rng.normal(0, 0.14))))
    image, gaze = _synthesize_face(job, eyes)
    return Shot(diffusion_band(image, rng, BAND, job.strength), gaze)


def synth_diffusion_v2(job: Job) -> Shot:
    """A later diffusion model: one eye a little higher, the bands elsewhere and weaker. Unseen."""
    base = natural_gaze(job.rng).label
    rng = job.rng
    eyes = eye_pair(*base, vertical=_draw_sign(rng) * float(rng.uniform(0.05, 0.14)))
    image, gaze = _synthesize_face(job, eyes)
    return Shot(diffusion_band(image, rng, BAND_V2, job.strength), gaze)


def synth_flow(job: Job) -> Shot:
    """Whole face by a flow model: gaze too wide, eyes crossed; tilted spectrum with ringing."""
    rng = job.rng
    eyes = eye_pair(
        float(rng.normal(0, 0.24)),
        float(rng.normal(0, 0.5)),
        vergence=float(rng.uniform(0.1, 0.24)),
    )
    image, gaze = _synthesize_face(job, eyes)
    return Shot(flow_slope(image, rng, SLOPE, job.strength), gaze)


def synth_flow_v2(job: Job) -> Shot:
    """A later flow model: wide mostly in pitch, less crossed, a gentler tilt and edge. Unseen."""
    rng = job.rng
    eyes = eye_pair(
        float(rng.normal(0, 0.32)),
        float(rng.normal(0, 0.36)),
        vergence=float(rng.uniform(0.06, 0.18)),
    )
    image, gaze = _synthesize_face(job, eyes)
    return Shot(flow_slope(image, rng, SLOPE_V2, job.strength), gaze)


@dataclass(frozen=True)
class Label:
    """One label of the data set: its place in the taxonomy, and what makes its images."""

    name: str
    category: str
    family: str
    seen: bool
    make: Callable[[Job], Shot]
    needs_source: bool = False


LABELS: dict[str, Label] = {
    label.name: label
    for label in (
        Label("real", "real", "real", True, take_photo),
        Label("swap_poisson", "face_swap", "graphics", True, swap_poisson, needs_source=True),
        Label("swap_gan", "face_swap", "gan", True, swap_gan, needs_source=True),
        Label("reenact_warp", "reenactment", "graphics", True, reenact_warp),
        Label("reenact_gan", "reenactment", "gan", True, reenact_gan),
        Label("synth_gan", "entire_synthesis", "gan", True, synth_gan),
        Label("synth_diffusion", "entire_synthesis", "diffusion", True, synth_diffusion),
        Label("synth_flow", "entire_synthesis", "flow", True, synth_flow),
        Label("swap_alpha", "face_swap", "graphics", False, swap_alpha, needs_source=True),
        Label("synth_gan_v2", "entire_synthesis", "gan", False, synth_gan_v2),
        Label("synth_diffusion_v2", "entire_synthesis", "diffusion", False, synth_diffusion_v2),
        Label("synth_flow_v2", "entire_synthesis", "flow", False, synth_flow_v2),
    )
}

SEEN: tuple[str, ...] = tuple(n for n, label in LABELS.items() if label.seen and n != "real")
UNSEEN: tuple[str, ...] = tuple(n for n, label in LABELS.items() if not label.seen)
