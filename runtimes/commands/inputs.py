"""What a command line names: files, and the images of folders."""

from __future__ import annotations

from pathlib import Path

from gazeclip.console.progress import say
from gazeclip.errors import ImageError
from gazeclip.images.formats import NO_IMAGES_REMEDY
from gazeclip.images.walk import find_images
from runtimes.answers import Judged


def expand_images(photos: list[Path]) -> tuple[list[Path], Judged]:
    """Files as named, and of folders all images below them.

    What a folder leaves out is said on standard error.

    Returns:
        The images in order, and an `ImageError` for each folder without images and for all that
        could not be read, so that neither is passed over in silence.
    """
    paths: list[Path] = []
    failures: Judged = []
    for photo in photos:
        try:
            is_folder = photo.is_dir()
        except OSError as error:  # a name that is too long, a folder above it that may not be read
            what = f"{photo} cannot be read ({error.strerror})"
            unusable = ImageError(what, remedy="Correct its name or permissions")
            failures.append((str(photo), unusable))
            continue
        if is_folder:
            images, unread = _expand_folder(photo)
            paths += images
            failures += unread
        else:
            paths.append(photo)
    return paths, failures


def _expand_folder(folder: Path) -> tuple[list[Path], Judged]:
    walk = find_images(folder)
    failures: Judged = []
    left_out = walk.left_out()
    if left_out:
        say(f"{folder}: left out {left_out}")
    for path, reason in walk.unreadable:
        what = f"{path} cannot be read ({reason})"
        remedy = "Correct its permissions or its link, or leave it out"
        failures.append((str(path), ImageError(what, remedy=remedy)))
    if not walk.images and not walk.unreadable:
        nothing = ImageError(f"{folder} has no images", remedy=NO_IMAGES_REMEDY)
        failures.append((str(folder), nothing))
    return walk.images, failures
