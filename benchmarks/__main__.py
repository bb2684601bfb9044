"""`python -m benchmarks`: the same as `gazeclip benchmark`."""

from __future__ import annotations

from gazeclip.cli.guard import guard
from gazeclip.cli.verbs import run_verb


def main(argv: list[str]) -> int:
    """Run the command under the package's own name."""
    return run_verb("benchmark", argv, "python -m benchmarks")


if __name__ == "__main__":
    guard(main)
