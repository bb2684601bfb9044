"""`python -m benchmarks`: as `gazeclip benchmark`; `... thresholds`, `... compare`: as those."""

from __future__ import annotations

from gazeclip.cli.guard import guard
from gazeclip.cli.verbs import run_verb

OTHERS = ("thresholds", "compare")


def main(argv: list[str]) -> int:
    """Run the command under the package's own name."""
    if argv and argv[0] in OTHERS:
        return run_verb(argv[0], argv[1:], f"python -m benchmarks {argv[0]}")
    return run_verb("benchmark", argv, "python -m benchmarks")


if __name__ == "__main__":
    guard(main)
