"""The option `--trusted`, by itself: every command that loads a bundle to judge with it has it."""

from __future__ import annotations

import argparse
from pathlib import Path

from gazeclip.bundle.trust import VARIABLE


def add_trusted_option(parser: argparse.ArgumentParser, of: str = "") -> None:
    """Whose signature a bundle must have.

    Args:
        of: when the option is heeded, for the help, such as `with --build: `.
    """
    parser.add_argument(
        "--trusted",
        type=Path,
        metavar="KEY.pub",
        help=f"{of}refuse a bundle that this key has not signed (default: the key that "
        f"{VARIABLE} names, or any whole bundle)",
    )
