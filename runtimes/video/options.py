"""The options of `verify` that are about films."""

from __future__ import annotations

import argparse

from runtimes.video.sample import EVERY_S, MAX_FRAMES


def add_film_options(parser: argparse.ArgumentParser) -> None:
    """`--every` and `--max-frames`; what they hold is checked by `Sampling`."""
    parser.add_argument(
        "--every",
        type=float,
        default=EVERY_S,
        metavar="SECONDS",
        help="of a film, look at one frame in so many seconds; needs the extra 'video' "
        f"(default: {EVERY_S:g})",
    )
    parser.add_argument(
        "--max-frames",
        type=int,
        default=MAX_FRAMES,
        metavar="N",
        help="of a longer film look at N frames, spread evenly over it; where its length is not "
        f"known, at the first N (default: {MAX_FRAMES})",
    )
