"""`python -m export`: the same as `gazeclip export`."""

from __future__ import annotations

from gazeclip.cli.guard import guard
from gazeclip.cli.verbs import run_verb


def main(argv: list[str]) -> int:
    """Run the command under the package's own name."""
    return run_verb("export", argv, "python -m export")


if __name__ == "__main__":
    guard(main)
