"""What engines cost beside each other.

    python -m benchmarks.engines start BUNDLE... --image FILE
    python -m benchmarks.engines overhead BUNDLE...
    python -m benchmarks.engines agree BUNDLE... --images DIR

`start`: a fresh process to its first verdict, by stage. `overhead`: what is added to the time of
the engine's library. `agree`: how often the bundles of a run give the same verdict, and where not.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.engines.agreement import (
    Opinion,
    Pair,
    compare_pairs,
    find_differing,
    judge_images,
    list_images,
    read_bundles,
)
from benchmarks.engines.overhead import measure_overheads
from benchmarks.engines.start import measure_starts
from benchmarks.measure.latency import LatencyStats
from benchmarks.measure.machine import describe_machine
from gazeclip.cli.guard import guard
from gazeclip.console.lines import print_line
from gazeclip.console.parser import CommandParser
from gazeclip.console.tables import Table, print_table
from gazeclip.faces.dataset import render_golden
from gazeclip.images.crop_rule import CROPS, WHOLE
from runtimes.commands.trusted import add_trusted_option


def main(argv: list[str]) -> int:
    """Measure one thing and print it."""
    parser = CommandParser(prog="python -m benchmarks.engines", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="WHAT")
    start = commands.add_parser("start", help="a fresh process to its first verdict")
    start.add_argument("--image", type=Path, help="what is judged (default: a drawn face)")
    start.add_argument("--crop", choices=CROPS, default=WHOLE)
    start.add_argument("--rounds", type=int, default=9, metavar="N")
    start.set_defaults(command=print_starts)
    overhead = commands.add_parser("overhead", help="beside the engine's library alone")
    overhead.add_argument("--seconds", type=float, default=4.0, help="for each call")
    overhead.set_defaults(command=print_overheads)
    agree = commands.add_parser("agree", help="the same verdicts")
    agree.add_argument("--images", type=Path, required=True, metavar="DIR")
    add_trusted_option(agree)
    agree.set_defaults(command=print_agreement)
    for command in (start, overhead, agree):
        command.add_argument("bundles", type=Path, nargs="+", metavar="BUNDLE")
        command.add_argument("--threads", type=int, default=1, metavar="N")
    args = parser.parse_args(argv)
    return int(args.command(args))


def print_starts(args: argparse.Namespace) -> int:
    """One row for each bundle: medians of the stages, and of the whole."""
    with tempfile.TemporaryDirectory() as folder:
        image = args.image
        if image is None:
            image = Path(folder) / "face.jpg"
            Image.fromarray(render_golden(1, 224)[0]).save(image, "JPEG", quality=90)
        starts = measure_starts(args.bundles, image, args.crop, args.threads, args.rounds)
    rows = []
    for bundle, found in starts.items():
        stages = [float(np.median([start[name] for start in found])) for name in found[0]]
        whole = [sum(start.values()) for start in found]
        figures = [*stages, float(np.median(whole)), min(whole)]
        rows.append([bundle.name, *(f"{value:.0f}" for value in figures)])
    header = ["bundle", *next(iter(starts.values()))[0], "all p50", "all min"]
    title = f"crop {args.crop}, {args.threads} threads, ms, {args.rounds} processes each"
    print_table(Table(header, rows, title=title), sys.stdout)
    _print_machine()
    return 0


def print_overheads(args: argparse.Namespace) -> int:
    """One row for each bundle: medians, and what is added."""
    rows = []
    for found in measure_overheads(args.bundles, args.threads, args.seconds):
        row = [found.label, f"{found.bare.p50:.3f}"]
        for stats in (found.again, found.infer, found.verify):
            row += [f"{stats.p50:.3f}", *_describe_added(stats, found.bare)]
        rows.append(row)
    header = ["bundle", "bare"]
    for what in ("bare again", "infer", "verify"):
        header += [what, "adds", "%"]
    title = f"one image, {args.threads} threads, p50 in ms, in interleaved rounds"
    print_table(Table(header, rows, title=title), sys.stdout)
    _print_machine()
    return 0


def print_agreement(args: argparse.Namespace) -> int:
    """One row for each pair of bundles, then the images of which any two differ."""
    bundles = read_bundles(args.bundles, args.trusted)
    images = list_images(args.images)
    opinions = judge_images(bundles, images, args.threads)
    pairs = compare_pairs(opinions)
    title = f"{len(images)} images; by one rule: evidence and thresholds of the first for both"
    header = ["pair", "same verdict %", "LLR differs by", "by one rule: same %", "LLR differs by"]
    rows = [_describe_pair(pair) for pair in pairs]
    print_table(Table(header, rows, title=title), sys.stdout)
    differing = find_differing(pairs, lambda pair: pair.same)
    left = find_differing(pairs, lambda pair: pair.same_by_one_rule)
    print_line(f"{len(differing)} images differ in any pair, {len(left)} by one rule:")
    header = ["image", *(opinion.name for opinion in opinions), "by one rule"]
    listed = [
        [str(images[n].relative_to(args.images)), *_list_answers(opinions, n), _mark(n in left)]
        for n in differing
    ]
    print_table(Table(header, listed), sys.stdout)
    for opinion in opinions:
        point = opinion.rule.point
        print_line(
            f"{opinion.name}: fake from {point.fake_from:+.3f}, real below {point.real_below:+.3f}"
        )
    return 0


def _describe_pair(pair: Pair) -> list[str]:
    return [
        f"{pair.one.name}, {pair.other.name}",
        f"{100 * pair.same.mean():.2f}",
        f"{pair.llr_difference.max():.3f}",
        f"{100 * pair.same_by_one_rule.mean():.2f}",
        f"{pair.llr_difference_by_one_rule.max():.3f}",
    ]


def _list_answers(opinions: Sequence[Opinion], number: int) -> list[str]:
    return [f"{opinion.answer()[number]} {opinion.weigh()[number]:+.3f}" for opinion in opinions]


def _mark(differs: bool) -> str:
    return "differs" if differs else "same"


def _describe_added(stats: LatencyStats, bare: LatencyStats) -> tuple[str, str]:
    added = stats.p50 - bare.p50
    return f"{added:+.3f}", f"{100 * added / bare.p50:+.1f}"


def _print_machine() -> None:
    machine = describe_machine()
    threads = machine["usable_threads"]
    print_line(f"{machine['cpu']}, {threads} threads, load average {machine['load_average']}")


if __name__ == "__main__":
    guard(main)
