"""What `gazeclip data` says of face crops: how they are cut, by looking at some of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gazeclip.console.progress import progress_callback, say
from gazeclip.errors import ConfigError, MissingDependencyError
from gazeclip.images.crop_rule import CropRule
from gazeclip.system.place import name_file
from runtimes.faces.detect import FaceDetector
from runtimes.faces.framing import Framings, is_far, measure_framings

LOOKED_AT = 64  # images; the median of a side that varies by 10% is then known to about 1.5%
WORTH_SAYING = 8  # faces, of which a median says anything


def say_framing(images: Sequence[Path]) -> None:
    """Measure side and lift of some of the images, and say which settings state them.

    A warning where the usual square is far from them. Without a detector that is said, no more.
    """
    try:
        detector = FaceDetector()
    except MissingDependencyError as error:
        say(f"crop: how the faces are cut was not measured: {error.message}")
        return
    with progress_callback("looking at crops") as update:
        framings = measure_framings(choose_images(images), detector, update)
    for line in describe_framings(framings):
        say(line)


def choose_images(images: Sequence[Path], limit: int = LOOKED_AT) -> list[Path]:
    """No more than `limit`, spread over all; manifests are sorted by label and split."""
    step = max(1, -(-len(images) // limit))
    return list(images[::step])


def describe_framings(framings: Framings) -> list[str]:
    """What is said of them, line by line."""
    n = len(framings.found)
    looked = n + framings.faceless + framings.oblong
    if n < WORTH_SAYING or 2 * n < looked:
        return [
            f"warning: crop: {n} of {looked} images looked at are square crops in which a face is"
            f" found, {framings.oblong} are not nearly square: are they cut as --crop face says?"
        ]
    try:
        measured = framings.rule()
    except ConfigError as error:
        return [f"warning: crop: {error.message}, as measured in {n} images"]
    usual = CropRule()
    settings = f"--set data.crop_side={measured.side:g} --set data.crop_lift={measured.lift:g}"
    lines = [
        f"crop: in {n} of {looked} images the side has a median of {measured.side:g} and the lift"
        f" of {measured.lift:g}: {settings}"
    ]
    if is_far(usual, measured):
        lines.append(
            f"warning: crop: without these settings photographs are cut with side {usual.side:g}"
            f" and lift {usual.lift:g}, which are other pictures than these"
            f" ({name_file('docs/faces.md')})"
        )
    return lines
