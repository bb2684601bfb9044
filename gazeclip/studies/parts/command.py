"""`gazeclip parts`: switch each part of a run's teacher off and print what it costs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from gazeclip.cli.options import RECENT_RUN, find_run
from gazeclip.console.progress import say
from gazeclip.errors import ConfigError, nearest

SPLITS = ("test", "test_unseen")
KNOWN = ("val", *SPLITS)
ROUNDS = 1000
MIN_ROUNDS = 40  # of fewer draws none lies outside a 95% interval on either side


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.description = (
        "Switch each part of a trained teacher off at test time; print what it costs."
    )
    parser.add_argument("--run", type=Path, metavar="DIR", help=RECENT_RUN)
    parser.add_argument(
        "--split",
        action="append",
        metavar="NAME",
        help=f"{', '.join(KNOWN)}; may be repeated (default: {' and '.join(SPLITS)})",
    )
    parser.add_argument(
        "--rounds",
        type=int,
        default=ROUNDS,
        metavar="N",
        help=f"draws of persons for the intervals (default: {ROUNDS})",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    parser.set_defaults(command=run_parts)


def run_parts(args: argparse.Namespace) -> int:
    """Measure and print; the run is only read.

    Raises:
        ConfigError: an unknown split, or too few rounds.
        StageError: no such run, or it has no teacher, or a split has no images.
    """
    splits = _choose_splits(args.split)
    if args.rounds < MIN_ROUNDS:
        raise ConfigError(
            f"--rounds {args.rounds} are too few for a 95% interval",
            remedy=f"Give at least {MIN_ROUNDS}",
        )
    run = find_run(args.run)
    for stage in ("data", "teacher"):
        run.manifest(stage)
    from gazeclip.console.lines import print_line
    from gazeclip.console.tables import print_tables
    from gazeclip.files.atomic import write_json
    from gazeclip.run.context import Context
    from gazeclip.studies.parts.report import measure_parts
    from gazeclip.studies.parts.table import build_tables, describe_gates

    context = Context(run)
    if args.split is None and not context.manifest.split("test_unseen"):
        say("parts: there is no image in test_unseen; test alone")
        splits = ["test"]
    report = measure_parts(context, splits, args.rounds)
    print_line(describe_gates(report["gates"]))
    print_line()
    print_tables(build_tables(report), sys.stdout)
    if args.json is not None:
        write_json(args.json, report)
        say(f"parts: {args.json}")
    return 0


def _choose_splits(names: Sequence[str] | None) -> list[str]:
    """The named splits, each once; none named: the default."""
    for name in names or ():
        if name not in KNOWN:
            raise ConfigError(f"--split {name} is no split", remedy=nearest(name, KNOWN))
    return list(dict.fromkeys(names or SPLITS))
