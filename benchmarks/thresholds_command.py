"""`gazeclip thresholds`: other rates for the bundles of a run, without training."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from gazeclip.cli.options import RECENT_RUN, find_run
from gazeclip.console.progress import say
from gazeclip.errors import ConfigError


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.description = (
        "Place the thresholds of a run's bundles for other rates and print what they do on the "
        "test splits. The run is only read."
    )
    parser.add_argument("--run", type=Path, metavar="DIR", help=RECENT_RUN)
    parser.add_argument(
        "--target-fpr",
        type=float,
        required=True,
        metavar="RATE",
        help="false alarms: share of real images that may be called fake, such as 0.005",
    )
    parser.add_argument(
        "--target-miss",
        type=float,
        metavar="RATE",
        help="misses: share of forged images that may be called real (default: the recipe's)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="write copies of the bundles there that have this operating point as well",
    )
    parser.set_defaults(command=refit_run)


def refit_run(args: argparse.Namespace) -> int:
    """Print the table, and write the copies if they are wanted.

    Raises:
        ConfigError: a rate that is none, or copies that would overwrite something.
        StageError: no such run, or it has no bundle.
    """
    for option, rate in (("--target-fpr", args.target_fpr), ("--target-miss", args.target_miss)):
        if rate is not None and not 0.0 < rate < 1.0:
            raise ConfigError(
                f"{option} {rate} is no rate", remedy="Give a number between 0 and 1, such as 0.01"
            )
    run = find_run(args.run)
    _require_new_folder(args.out)
    from benchmarks.measure.judge import SPLITS
    from benchmarks.thresholds import build_table, refit_bundles, write_copies
    from gazeclip.console.tables import print_table
    from gazeclip.run.context import Context

    context = Context(run)
    miss = args.target_miss
    if miss is None:
        miss = context.recipe.export.target_miss
    refits = refit_bundles(context, args.target_fpr, miss)
    splits = [split for split in SPLITS if context.manifest.split(split)]
    print_table(build_table(refits, splits), sys.stdout)
    if args.out is not None:
        for folder in write_copies(context, refits, args.out):
            name = refits[0].rule.point.name
            say(f"thresholds: {folder} (verify --bundle {folder} --threshold {name})")
    return 0


def _require_new_folder(out: Path | None) -> None:
    """Refuse a place for the copies where something is."""
    if out is None or not out.exists():
        return
    if not out.is_dir():
        raise ConfigError(f"{out} is no folder", remedy="Name a new folder")
    if any(out.iterdir()):
        raise ConfigError(f"{out} is not empty", remedy="Name a new folder")
