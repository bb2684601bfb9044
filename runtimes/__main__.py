"""`python -m runtimes verify IMAGE...`, `list`, `serve`: the front door's commands.

`list` is called `gazeclip engines` there.
"""

from __future__ import annotations

from gazeclip.cli.guard import guard


def main(argv: list[str]) -> int:
    """The command line, imported inside the guard.

    So it is one line, too, and no verdict's exit code, where NumPy or Pillow is missing.
    """
    from runtimes.cli import main as run

    return run(argv)


if __name__ == "__main__":
    guard(main)
