"""`gazeclip protocol`: score a model of a run on its test splits and write the tables."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from gazeclip.cli.options import find_run
from gazeclip.console.progress import say
from gazeclip.errors import ConfigError, nearest

MODELS = ("teacher", "baseline", "student")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.description = (
        "Score a run's model on seen and unseen generators, unseen families and another data set."
    )
    parser.add_argument(
        "--run", type=Path, metavar="DIR", help="run folder (default: the most recent one)"
    )
    parser.add_argument(
        "--model", default="teacher", metavar="NAME", help=f"{', '.join(MODELS)} (default: teacher)"
    )
    parser.add_argument(
        "--manifest", type=Path, metavar="FILE", help="manifest of another data set, for P4"
    )
    parser.add_argument(
        "--taxonomy", metavar="NAME", help="its taxonomy, preset or YAML file (default: the run's)"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="where to write (default: RUN/protocol/MODEL)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.set_defaults(command=run_protocol)


def run_protocol(args: argparse.Namespace) -> int:
    """Measure, write `protocol.json` and `protocol.md`, print.

    Raises:
        ConfigError: unknown model, or a taxonomy without a manifest.
        StageError: no such run, or the stage that makes the model has not run.
    """
    if args.model not in MODELS:
        raise ConfigError(f"unknown model '{args.model}'", remedy=nearest(args.model, MODELS))
    if args.taxonomy is not None and args.manifest is None:
        raise ConfigError(
            "--taxonomy is that of another data set",
            remedy="Name its manifest as well: --manifest FILE",
        )
    run = find_run(args.run)
    for stage in ("data", args.model):
        run.manifest(stage)
    from gazeclip.console.lines import print_json
    from gazeclip.files.atomic import write_json, write_text
    from gazeclip.run.context import Context
    from gazeclip.studies.protocol.measure import measure_model
    from gazeclip.studies.protocol.tables import print_report, render_markdown

    report = measure_model(Context(run), args.model, args.manifest, args.taxonomy)
    out = args.out if args.out is not None else run.folder("protocol") / args.model
    write_json(out / "protocol.json", report)
    write_text(out / "protocol.md", render_markdown(report))
    if args.json:
        print_json(report)
    else:
        print_report(report, sys.stdout)
    say(f"protocol: {out / 'protocol.md'}")
    return 0
