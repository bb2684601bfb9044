"""`gazeclip benchmark`: accuracy and latency of a run's exported files, as a report."""

from __future__ import annotations

import argparse

from gazeclip.cli.options import add_stage_options, open_run


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.description = (
        "Measure every bundle of a run on the file that ships and write the report."
    )
    add_stage_options(parser)
    parser.set_defaults(command=measure_run)


def measure_run(args: argparse.Namespace) -> int:
    """Write the report of a run, or show the one that is there."""
    with open_run(args, "report") as run:
        run.manifest("student")
        from benchmarks.stage import run_stage

        run_stage(run, force=args.force)
    return 0
