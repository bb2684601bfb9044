"""Scaling whose bytes do not depend on which release of Pillow does it."""

from __future__ import annotations

from PIL import Image


def scale_in_order(
    image: Image.Image, size: tuple[int, int], filter_: Image.Resampling
) -> Image.Image:
    """An image in another size, always across first and then down.

    Pillow's two passes round to whole levels in between. Up to 12 they come in this order; 13 takes
    them the other way round where an image is so tall that this is less work, and differs there by
    a level. The image itself where nothing is to be done.
    """
    width, height = size
    if image.width != width:
        image = image.resize((width, image.height), filter_)
    if image.height != height:
        image = image.resize((width, height), filter_)
    return image
