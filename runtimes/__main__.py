"""`python -m runtimes verify PHOTO...`"""

from __future__ import annotations

from gazeclip.cli.guard import guard


def main(argv: list[str]) -> int:
    """The command line, imported inside the guard: without NumPy or Pillow it is one line, too, and
    no verdict's exit code.
    """
    from runtimes.cli import main as run

    return run(argv)


guard(main)
