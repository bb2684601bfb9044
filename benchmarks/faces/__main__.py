"""Finding faces, measured.

    python -m benchmarks.faces photo --bundle DIR
    python -m benchmarks.faces recall [MANIFEST]
    python -m benchmarks.faces framing [MANIFEST] [--bundle DIR]
    python -m benchmarks.faces detail [MANIFEST] --bundle DIR
    python -m benchmarks.faces outcomes --bundle DIR
    python -m benchmarks.faces turned [MANIFEST]

Without a manifest the faces are drawn. Of a manifest the split val is read: nothing may be chosen
on test images.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from benchmarks.faces.detail import measure_detail
from benchmarks.faces.framing import try_sides
from benchmarks.faces.outcomes import answer_kinds
from benchmarks.faces.photo import STAGES, draw_photo, measure_stages
from benchmarks.faces.recall import EDGES, count_found
from benchmarks.faces.scenes import Scene, draw_background, make_scenes, read_crops
from benchmarks.faces.turned import EDGES as TURNS
from benchmarks.faces.turned import USABLE, Seen, count_turned, turn_drawn
from gazeclip.cli.guard import guard
from gazeclip.console.lines import print_line
from gazeclip.console.parser import CommandParser
from gazeclip.console.tables import Table, print_table
from gazeclip.images.crop_rule import LIFT
from runtimes import load
from runtimes.faces.detect import FaceDetector
from runtimes.faces.usable import OUTCOMES

RATIOS = (1.0, 1.25, 1.5, 2.0, 3.0)
DEGREES = (0, 15, 30, 45, 60, 75, 90)
SIDES = (1.25, 1.3, 1.35, 1.4, 1.45, 1.5, 1.55, 1.6)


def main(argv: list[str]) -> int:
    """Measure one thing and print it."""
    parser = CommandParser(prog="python -m benchmarks.faces", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="WHAT")
    photo = commands.add_parser("photo", help="stages of a 12-megapixel JPEG")
    photo.add_argument("--bundle", type=Path, required=True, metavar="DIR")
    photo.add_argument("--rounds", type=int, default=15, metavar="N")
    photo.add_argument("--sides", type=int, nargs="+", default=[300, 600, 1000, 1600])
    photo.set_defaults(command=print_photo)
    recall = commands.add_parser("recall", help="faces found and false ones")
    recall.add_argument("--pictures", type=int, default=80, metavar="N")
    recall.set_defaults(command=print_recall)
    framing = commands.add_parser("framing", help="the square around a face")
    framing.add_argument("--bundle", type=Path, metavar="DIR")
    framing.add_argument("--lift", type=float, default=LIFT)
    framing.set_defaults(command=print_framing)
    outcomes = commands.add_parser("outcomes", help="what is answered without a usable face")
    outcomes.add_argument("--bundle", type=Path, required=True, metavar="DIR")
    outcomes.set_defaults(command=print_outcomes)
    detail = commands.add_parser("detail", help="how many pixels of a crop are enough")
    detail.add_argument("--bundle", type=Path, required=True, metavar="DIR")
    detail.set_defaults(command=print_detail)
    turned = commands.add_parser("turned", help="faces that are turned to the side")
    turned.add_argument("--people", type=int, default=16, metavar="N", help="drawn, by angle")
    turned.set_defaults(command=print_turned)
    for command in (recall, framing, detail, turned):
        command.add_argument("manifest", type=Path, nargs="?")
        command.add_argument("--taxonomy", default="dfad")
    args = parser.parse_args(argv)
    return int(args.command(args))


def print_photo(args: argparse.Namespace) -> int:
    """One row for each side of the face's crop."""
    verifier = load(args.bundle, threads=1)
    rows = []
    for side in args.sides:
        stages = measure_stages(verifier, draw_photo(side), args.rounds)
        medians = [np.median(stages.cpu_ms[name]) for name in (*STAGES, "all")]
        fractions = ", ".join(f"1/{by}" for by in stages.reduced_by)
        row = [str(side), fractions, *(f"{value:.1f}" for value in medians)]
        rows.append([*row, f"{min(stages.cpu_ms['all']):.1f}", f"{np.median(stages.wall_ms):.1f}"])
    title = f"4032 x 3024, {verifier.engine.label}, {verifier.bundle.image_size} px, one thread, ms"
    header = ["crop px", "decoded", *STAGES, "all p50", "all min", "wall p50"]
    print_table(Table(header, rows, title=title, left=(1,)), sys.stdout)
    return 0


def print_recall(args: argparse.Namespace) -> int:
    """One row for each range of crop sides, then what was found in no crop."""
    detector = FaceDetector(threads=1)
    crops = read_crops(args.manifest, args.taxonomy, "val")
    counts = count_found(detector, make_scenes(crops, args.pictures, (EDGES[0], 400), seed=1))
    rng = np.random.default_rng(2)
    empty = (Scene(draw_background(rng, 1280, 960), []) for _ in range(args.pictures))
    alone = count_found(detector, empty)["beside"][0]
    rows = []
    for low in EDGES:
        there = counts["there"][low]
        found = counts["found"][low]
        share = f"{found / there:.3f}" if there else "-"
        rows.append([f"from {low}", str(there), str(found), share, str(counts["double"][low])])
    header = ["crop px", "faces", "found", "share", "further boxes"]
    print_table(Table(header, rows, title=f"{len(crops)} crops", left=(0,)), sys.stdout)
    beside = counts["beside"][0]
    print_line(f"in no crop: {beside} in {args.pictures} pictures; {alone} in as many empty ones")
    return 0


def print_framing(args: argparse.Namespace) -> int:
    """One row for each side, and the median that would have been right."""
    verifier = None if args.bundle is None else load(args.bundle, threads=1)
    crops = read_crops(args.manifest, args.taxonomy, "val")
    tried = try_sides(crops, SIDES, args.lift, FaceDetector(threads=1), verifier)
    rows = []
    for framing in tried.framings:
        low, middle = np.percentile(framing.overlaps, (10, 50))
        row = [f"{framing.side:.2f}", f"{middle:.3f}", f"{low:.3f}"]
        if framing.same:
            row += [f"{np.mean(framing.same):.3f}", f"{np.median(framing.llr_differences):.2f}"]
        rows.append(row)
    header = ["side", "IoU p50", "IoU p10", "same verdict", "LLR differs by"][: len(rows[0])]
    print_table(Table(header, rows, title=f"lift {args.lift}", left=()), sys.stdout)
    low, middle, high = np.percentile(tried.sides, (10, 50, 90))
    print_line(
        f"{len(tried.sides)} crops, {tried.missed} not found | true side p10 {low:.2f}, p50 "
        f"{middle:.2f}, p90 {high:.2f} | true lift p50 {np.median(tried.lifts):.3f}"
    )
    return 0


def print_detail(args: argparse.Namespace) -> int:
    """One row for each number of pixels."""
    verifier = load(args.bundle, threads=1)
    crops = read_crops(args.manifest, args.taxonomy, "val")
    rows = []
    for detail in measure_detail(crops, RATIOS, verifier):
        middle, high = np.percentile(detail.llr_differences, (50, 95))
        figures = [middle, high, max(detail.llr_differences), np.mean(detail.same)]
        row = [f"{detail.ratio:.2f}", str(detail.side), *(f"{value:.3f}" for value in figures)]
        rows.append(row)
    header = ["pixels / S", "crop px", "LLR differs p50", "p95", "max", "same verdict"]
    title = f"{len(crops)} crops in JPEGs, decoded at 1/2 and whole"
    print_table(Table(header, rows, title=title, left=()), sys.stdout)
    return 0


def print_turned(args: argparse.Namespace) -> int:
    """One row for each angle of drawn faces, or for each range of turns of photographs."""
    detector = FaceDetector(threads=1)
    if args.manifest is None:
        names = [f"{angle} degrees" for angle in DEGREES]
        found = turn_drawn(detector, DEGREES, args.people)
        title = f"{args.people} drawn people, turned"
    else:
        names = [*(f"from {turn}" for turn in TURNS), "not found"]
        crops = read_crops(args.manifest, args.taxonomy, "val")
        found = count_turned(detector, crops)
        title = f"{len(crops)} crops, by the nose's distance from the middle of the eyes"
    shown = [USABLE, *(name for name in OUTCOMES if any(name in seen.outcomes for seen in found))]
    rows = [_describe_seen(name, seen, shown) for name, seen in zip(names, found, strict=True)]
    header = ["turned", *shown, "turn p10", "p50", "p90"]
    print_table(Table(header, rows, title=title, left=(0,)), sys.stdout)
    return 0


def _describe_seen(name: str, seen: Seen, shown: list[str]) -> list[str]:
    figures = ["-"] * 3
    if seen.turns:
        figures = [f"{value:.2f}" for value in np.percentile(seen.turns, (10, 50, 90))]
    return [name, *(str(seen.outcomes[outcome]) for outcome in shown), *figures]


def print_outcomes(args: argparse.Namespace) -> int:
    """One row for each kind of photograph."""
    rows = [
        [answer.kind, answer.outcome, str(answer.exit_code), answer.said]
        for answer in answer_kinds(load(args.bundle, threads=1))
    ]
    header = ["photograph", "outcome", "exit code", "said"]
    print_table(Table(header, rows, left=(0, 1, 3)), sys.stdout)
    return 0


if __name__ == "__main__":
    guard(main)
