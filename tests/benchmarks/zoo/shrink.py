"""Students of the zoo for images as small as their network takes."""

from __future__ import annotations

from dataclasses import replace

from gazeclip.networks.zoo import ZooStudent, read_zoo

SMALLEST = "mobilenetv4_conv_small_050"
# Those whose maps may have any size are tried small; which operations a graph holds does not
# depend on it. At 64 pixels the last map has four places, too few to be taught on.
SMALL = 96
FIXED = {"efficientformerv2_s0"}


def shrink(name: str) -> ZooStudent:
    """An entry of the zoo, for small images where it takes them."""
    entry = read_zoo()[name]
    return entry if name in FIXED else replace(entry, size=SMALL)
