"""`gazeclip gaze-stats MANIFEST`: compare the gaze of real and forged faces."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from gazeclip.errors import ConfigError, nearest
from gazeclip.system.packages import require

OUT = Path("gaze-stats")
# p cannot fall below 1 / (1 + N), and correction over generators multiplies that.
MIN_PERMUTATIONS = 100


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command on its sub-parser."""
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--taxonomy", default="dfad", help="preset or YAML file (default: dfad)")
    parser.add_argument(
        "--gaze",
        choices=("eth-xgaze", "l2cs", "small", "labels"),
        default="labels",
        help="encoder that measures gaze, "
        "or labels: the manifest's gaze_pitch and gaze_yaw (default)",
    )
    parser.add_argument("--weights", type=Path, metavar="FILE", help="weights of the encoder")
    parser.add_argument(
        "--splits", default="all", metavar="A,B,...", help="which splits to pool (default: all)"
    )
    parser.add_argument(
        "--source",
        metavar="REGEX",
        help="group 1, found in a swap's file name, "
        "is the file stem of the photograph that gave the face",
    )
    parser.add_argument("--permutations", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--out",
        type=Path,
        default=OUT,
        metavar="DIR",
        help=f"for gaze_stats.json, .md, .svg and the measured gaze.csv (default: {OUT}/)",
    )
    parser.add_argument(
        "--no-figure", action="store_true", help="no gaze_stats.svg; needs no matplotlib"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.set_defaults(command=run_gaze_stats)


def run_gaze_stats(args: argparse.Namespace) -> int:
    """Measure, compare, write and print.

    Raises:
        GazeClipError: options, manifest, images or weights that cannot be used.
    """
    splits = _check_options(args)
    from gazeclip.console.lines import print_json
    from gazeclip.console.progress import say
    from gazeclip.files.atomic import write_json, write_text
    from gazeclip.studies.gaze_stats import report as reports

    groups, report = _compute_report(args, splits)
    write_json(args.out / "gaze_stats.json", report)
    write_text(args.out / "gaze_stats.md", reports.render_markdown(report, not args.no_figure))
    if not args.no_figure:
        from gazeclip.studies.gaze_stats.figure import save_figure

        save_figure(args.out / reports.FIGURE, groups, report)
    if args.json:
        print_json(report, sort_keys=True)
    else:
        reports.print_report(report)
    say(f"written: {args.out}/")
    return 0


def _check_options(args: argparse.Namespace) -> tuple[str, ...]:
    """Everything that can be refused before minutes are spent on measuring; gives the splits."""
    from gazeclip.data.rows import SPLITS

    if args.permutations < MIN_PERMUTATIONS:
        raise ConfigError(
            f"--permutations {args.permutations} is too few", remedy=f"At least {MIN_PERMUTATIONS}"
        )
    if args.gaze == "labels" and args.weights is not None:
        raise ConfigError(
            "--weights belongs to an encoder", remedy="Add --gaze eth-xgaze, l2cs or small"
        )
    splits = SPLITS if args.splits == "all" else tuple(dict.fromkeys(args.splits.split(",")))
    for split in splits:
        if split not in SPLITS:
            raise ConfigError(f"unknown split '{split}'", remedy=nearest(split, ("all", *SPLITS)))
    if not args.no_figure:
        require("matplotlib.figure", extra="bench")
    return splits


def _compute_report(
    args: argparse.Namespace, splits: tuple[str, ...]
) -> tuple[dict[str, Any], dict[str, Any]]:
    from gazeclip.console.progress import progress
    from gazeclip.data.rows import read_samples
    from gazeclip.files.hashes import sha256
    from gazeclip.studies.gaze_stats import compare, matched, measure
    from gazeclip.taxonomy import Taxonomy

    taxonomy = Taxonomy.load(args.taxonomy)
    samples = [sample for sample in read_samples(args.manifest, taxonomy) if sample.split in splits]
    compare.check_groups(samples)
    if args.gaze == measure.LABELS:
        gaze = measure.labelled_gaze(samples)
    else:
        gaze = measure.measured_gaze(samples, args.manifest, args.gaze, args.weights, args.out)
    groups = compare.group_by_label(samples, gaze.angles, taxonomy, args.seed)
    found = compare.compare_groups(
        groups,
        taxonomy,
        args.permutations,
        args.seed,
        track=lambda forged: progress(forged, "tests", len(forged)),
    )
    pairs = matched.compare_matched(groups, taxonomy, args.source, args.permutations, args.seed)
    report = {
        "schema": 1,
        "manifest": args.manifest.name,
        "manifest_sha256": sha256(args.manifest),
        "taxonomy": taxonomy.name,
        "gaze": {"source": gaze.source, "weights_sha256": gaze.weights_sha256},
        "splits": [split for split in splits if any(sample.split == split for sample in samples)],
        "permutations": args.permutations,
        "seed": args.seed,
        "unit": "radians",
        **found,
        "matched": pairs,
    }
    return groups, report
