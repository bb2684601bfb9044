"""`gazeclip`, and `python -m gazeclip`: the front door for all commands."""

from __future__ import annotations

from typing import NoReturn

from gazeclip.cli.guard import guard
from gazeclip.cli.verbs import main


def run() -> NoReturn:
    """The console script."""
    guard(main)


if __name__ == "__main__":
    run()
