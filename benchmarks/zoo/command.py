"""`gazeclip zoo`: the students that are held to work, and what each of their exports costs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.zoo.listing import build_matrix, build_overview
from benchmarks.zoo.outcome import find_surprise
from benchmarks.zoo.record import (
    SHIPPED,
    Record,
    describe_session,
    is_ok,
    read_record,
)
from export.batch import Pair
from export.choose import ALL, choose_precisions, choose_targets, pair_up
from gazeclip.console.lines import print_json, print_line
from gazeclip.console.progress import say, working
from gazeclip.console.tables import print_markdown, print_table
from gazeclip.errors import ConfigError, StageError
from gazeclip.networks.zoo import ZooStudent, find_students, name_cell, read_zoo
from gazeclip.system.place import command_line


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the verb."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="students (default: all)")
    parser.add_argument(
        "--measure",
        action="store_true",
        help="export every student named, to every target in every precision named, and compare "
        "and time the files; the students are random ones, taught for some seconds, unless "
        "--weights names others",
    )
    parser.add_argument(
        "--target", action="append", default=[], metavar="T", help="repeatable (default: all)"
    )
    parser.add_argument(
        "--precision", action="append", default=[], metavar="P", help="repeatable (default: all)"
    )
    parser.add_argument(
        "--weights",
        default="none",
        metavar="W",
        help="with --measure, of the backbones: none (random), package, timm or a file; "
        "any but random ones stay as they are",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="with --measure")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE.json",
        help="with --measure: where the figures go, after each cell; cells that work "
        "there already and have their times, with the same weights, versions and machine, are not "
        "measured again",
    )
    parser.add_argument(
        "--figures",
        type=Path,
        default=SHIPPED,
        metavar="FILE.json",
        help="what the listing shows (default: the figures that come with the program)",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print the figures as JSON")
    form.add_argument("--markdown", action="store_true", help="print the tables as Markdown")
    parser.add_argument("--debug", action="store_true", help="show a traceback on errors")
    parser.set_defaults(command=run)


def run(args: argparse.Namespace) -> int:
    """List or measure.

    Raises:
        ConfigError: no such student, target or precision, or options that exclude each other.
        ArtifactError: --figures names no record.
        StageError: an export failed that was measured.
    """
    students = find_students(args.names, read_zoo())
    targets = choose_targets(args.target, choose_targets([ALL], []))
    pairs = pair_up(targets, choose_precisions(args.precision, [ALL]))
    if args.measure:
        record = _measure(args, students, pairs)
    elif args.out is not None:
        raise ConfigError(
            "--out is where --measure writes",
            remedy="Add --measure, or name what is to be shown with --figures",
        )
    else:
        record = read_record(args.figures)
    _print_record(args, students, pairs, record)
    if args.measure:
        refuse_failures(students, pairs, record)
    return 0


def _measure(
    args: argparse.Namespace, students: Sequence[ZooStudent], pairs: Sequence[Pair]
) -> Record:
    # Imported here: a listing needs neither torch nor any converter.
    from benchmarks.zoo.measure import measure_student

    known = args.out is not None and args.out.exists()
    record = read_record(args.out) if known else Record()
    session = describe_session(args.weights, args.seed)
    begun = False

    def keep(line: str) -> None:
        if args.out is not None:
            record.save(args.out)
        say(f"zoo: {line}")

    for entry in students:
        name = entry.name
        size = entry.size
        missing = [
            pair for pair in pairs if not record.is_current(name, size, name_cell(*pair), session)
        ]
        if not missing:
            continue
        if not begun:
            record.begin_session(session)
            begun = True
        with working(f"measuring {entry.name}"):
            measure_student(record, entry, missing, args.weights, args.seed, keep)
    return record


def _print_record(
    args: argparse.Namespace,
    students: Sequence[ZooStudent],
    pairs: Sequence[Pair],
    record: Record,
) -> None:
    if args.json:
        print_json({"sessions": record.sessions, "students": record.students})
        return
    tables = [build_overview(students, record)]
    if args.names or args.measure or args.target or args.precision or args.markdown:
        tables += [build_matrix(student, record, pairs) for student in students]
    for table in tables:
        if args.markdown:
            print_line(f"### {table.title}" if table.title else table.note)
            print_line()
            print_markdown(table)
            print_line()
        else:
            print_table(table, sys.stdout)


def refuse_failures(students: Sequence[ZooStudent], pairs: Sequence[Pair], record: Record) -> None:
    """Raise if an export failed, or did what the zoo's file does not say.

    Raises:
        StageError: every one in a line: which operation, in which layer.
    """
    faults = []
    for student in students:
        for target, precision in pairs:
            cell = record.find_cell(student.name, name_cell(target, precision))
            if cell is None:
                continue
            surprise = find_surprise(student, target, precision, cell)
            if surprise:
                faults.append(surprise)
            elif not is_ok(cell):
                faults.append(f"{student.name} cannot be {target} {precision}: {cell['why']}")
    if len(faults) == 1:
        raise StageError(faults[0], remedy=f"See: {command_line('zoo')}")
    if faults:
        raise StageError(f"{len(faults)} exports:\n  - " + "\n  - ".join(faults))
