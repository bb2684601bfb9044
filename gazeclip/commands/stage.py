"""`gazeclip backbone`, `teacher` and `baseline`: one stage of a run by itself."""

from __future__ import annotations

import argparse
from functools import partial

from gazeclip.cli.options import add_stage_options, open_run


def run_single_stage(args: argparse.Namespace, name: str) -> int:
    """Run a stage of the run that the options name.

    Raises:
        StageError: no such run, or its data has not been prepared.
    """
    with open_run(args, name) as run:
        if name != "data":
            run.manifest("data")  # refuses with the command to run, before anything is imported
        from gazeclip.commands.pipeline import run_stage

        run_stage(run, name, args.force)
    return 0


def _add_options(name: str, parser: argparse.ArgumentParser) -> None:
    add_stage_options(parser)
    parser.set_defaults(command=partial(run_single_stage, name=name))


add_backbone_options = partial(_add_options, "backbone")
add_teacher_options = partial(_add_options, "teacher")
add_baseline_options = partial(_add_options, "baseline")
