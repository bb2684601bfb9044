"""The option `--compute-units`, by itself: commands that load no engine have it too."""

from __future__ import annotations

import argparse

from gazeclip.bundle.layout import COMPUTE_UNITS


def add_units_option(parser: argparse.ArgumentParser) -> None:
    """Where Core ML may compute."""
    parser.add_argument(
        "--compute-units",
        choices=COMPUTE_UNITS,
        help="where Core ML may compute, on a Mac (default: as the bundle was exported for)",
    )
