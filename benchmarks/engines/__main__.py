"""What engines cost beside each other.

    python -m benchmarks.engines start BUNDLE... --image FILE
    python -m benchmarks.engines overhead BUNDLE...

`start`: a fresh process to its first verdict, by stage. `overhead`: what is added to the time of
the engine's library.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

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
    for command in (start, overhead):
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
        for stats in (found.infer, found.verify):
            row += [f"{stats.p50:.3f}", *_describe_added(stats, found.bare)]
        rows.append(row)
    header = ["bundle", "bare", "infer", "adds", "%", "verify", "adds", "%"]
    title = f"one image, {args.threads} threads, p50 in ms, in interleaved rounds"
    print_table(Table(header, rows, title=title), sys.stdout)
    _print_machine()
    return 0


def _describe_added(stats: LatencyStats, bare: LatencyStats) -> tuple[str, str]:
    added = stats.p50 - bare.p50
    return f"{added:+.3f}", f"{100 * added / bare.p50:+.1f}"


def _print_machine() -> None:
    machine = describe_machine()
    threads = machine["usable_threads"]
    print_line(f"{machine['cpu']}, {threads} threads, load average {machine['load_average']}")


if __name__ == "__main__":
    guard(main)
