"""`gazeclip distill [text-bank|cache|student]`: without a name, all that is out of date."""

from __future__ import annotations

import argparse

from gazeclip.cli.options import add_stage_options, open_run

STEPS = ("text-bank", "cache", "student")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add_stage_options(parser)
    parser.add_argument(
        "step", nargs="?", choices=STEPS, help="only this step (default: all three, in order)"
    )
    parser.set_defaults(command=run_steps)


def run_steps(args: argparse.Namespace) -> int:
    """Run the distillation stages."""
    with open_run(args, "cache", "student") as run:
        run.manifest("teacher")
        from distill import cache, student, text_bank

        steps = {"text-bank": text_bank, "cache": cache, "student": student}
        for name in STEPS if args.step is None else (args.step,):
            steps[name].run_stage(run, force=args.force)
    return 0
