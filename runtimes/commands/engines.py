"""`gazeclip engines`: which engines can be used here."""

from __future__ import annotations

import argparse

from gazeclip.console.lines import print_line
from runtimes.answers import CLEAN
from runtimes.engines.registry import engine_status


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `gazeclip engines`: none."""
    parser.set_defaults(command=print_engines)


def print_engines(_: argparse.Namespace) -> int:
    """Print every engine and why it cannot be used here, if it cannot."""
    for name, reason in engine_status().items():
        print_line(f"{name:12} {'available' if reason is None else reason}")
    return CLEAN
