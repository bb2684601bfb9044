"""`python -m export`: the same as `gazeclip export`, and with an action as `gazeclip bundle`."""

from __future__ import annotations

from gazeclip.cli.guard import guard
from gazeclip.cli.verbs import run_verb

# Named here, as their module needs NumPy, and without that the guard must still be reached.
BUNDLE_ACTIONS = ("keygen", "sign", "verify-bundle", "diff", "check")


def main(argv: list[str]) -> int:
    """Run the command under the package's own name."""
    if argv and argv[0] in BUNDLE_ACTIONS:
        return run_verb("bundle", argv, "python -m export")
    return run_verb("export", argv, "python -m export")


if __name__ == "__main__":
    guard(main)
