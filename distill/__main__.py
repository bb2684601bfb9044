"""`python -m distill [text-bank|cache|student]`: without a name, whatever of the three is not up to
date.
"""

from __future__ import annotations

from gazeclip.cli.guard import guard
from gazeclip.cli.options import open_run, stage_parser

STEPS = ("text-bank", "cache", "student")


def main(argv: list[str]) -> int:
    """Run the distillation stages."""
    parser = stage_parser("python -m distill", "Distil the teacher of a run into its student.")
    parser.add_argument(
        "step", nargs="?", choices=STEPS, help="only this step (default: all three, in order)"
    )
    args = parser.parse_args(argv)
    with open_run(args, "cache", "student") as run:
        run.manifest("teacher")
        from distill import cache, student, text_bank

        steps = {"text-bank": text_bank, "cache": cache, "student": student}
        for name in STEPS if args.step is None else (args.step,):
            steps[name].run_stage(run, force=args.force)
    return 0


if __name__ == "__main__":
    guard(main)
