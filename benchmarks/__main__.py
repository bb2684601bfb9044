"""`python -m benchmarks`: the same as `gazeclip benchmark`; `... thresholds` as that command."""

from __future__ import annotations

from gazeclip.cli.guard import guard
from gazeclip.cli.verbs import run_verb

THRESHOLDS = "thresholds"


def main(argv: list[str]) -> int:
    """Run the command under the package's own name."""
    if argv[:1] == [THRESHOLDS]:
        return run_verb(THRESHOLDS, argv[1:], f"python -m benchmarks {THRESHOLDS}")
    return run_verb("benchmark", argv, "python -m benchmarks")


if __name__ == "__main__":
    guard(main)
