"""`gazeclip bundle check BUNDLE...`: what `export.golden_check` finds, as tables or JSON."""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gazeclip.bundle.gate import explain_rejection, is_rejected, refuse_rejected_ones
from gazeclip.console.lines import print_json
from gazeclip.console.progress import say, working
from gazeclip.console.tables import Styled, Table, print_table
from gazeclip.errors import BundleError
from runtimes.commands.trusted import add_trusted_option
from runtimes.commands.units import add_units_option

if TYPE_CHECKING:
    from export.golden_check import Comparison, GoldenCheck

_HEADER = ("computed by", "compared with", "output", "largest difference", "bound", "state")


def add_check_options(parser: argparse.ArgumentParser) -> None:
    """All but the bundles."""
    parser.add_argument("--engine", metavar="NAME", help="default: the one made for each bundle")
    add_units_option(parser)
    add_trusted_option(parser)
    add_rejected_option(parser, "pass")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(command=check_bundles)


def add_rejected_option(parser: argparse.ArgumentParser, what: str) -> None:
    """`--allow-rejected`, of every action that vouches for a bundle.

    Args:
        what: the action does to bundles, such as `sign`.
    """
    parser.add_argument(
        "--allow-rejected",
        action="store_true",
        help=f"also {what} a bundle that the forensic gate rejected when it was exported",
    )


def check_bundles(args: argparse.Namespace) -> int:
    """Check each bundle that the options name, and print what was compared.

    Raises:
        BundleError: an output lies beyond its bound; all were compared.
        GateError: none does, and the gate rejected a bundle when it was exported.
        GazeClipError: a bundle is not whole, or cannot be computed here.
    """
    from export.golden_check import check_bundle  # NumPy and the engines, which signing needs not

    checks = []
    try:
        for folder in args.bundles:
            with working(f"checking {folder}"):
                check = check_bundle(folder, args.engine, args.compute_units, args.trusted)
            checks.append(check)
            for remark in check.remarks:
                say(f"{folder}: {remark}")
            if not args.json:
                print_table(_build_table(check), sys.stdout)
    finally:
        if args.json:  # also where a later bundle ends it: what is known of the others is not lost
            print_json({"bundles": [_describe(check) for check in checks]})
    refuse_missed(checks)
    if not args.allow_rejected:
        found = [check.bundle for check in checks if is_rejected(check.bundle.meta)]
        refuse_rejected_ones([(bundle.folder, bundle.meta) for bundle in found])
    return 0


def refuse_missed(checks: list[GoldenCheck]) -> None:
    """Raise if an output of a bundle lies beyond its bound.

    Raises:
        BundleError: naming bundles and outputs.
    """
    faults = []
    for check in checks:
        missed = ", ".join(_describe_miss(item) for item in check.list_missed())
        if missed:
            faults.append(f"{check.bundle.folder}: {missed}")
    if faults:
        raise BundleError(
            "; ".join(faults), remedy="Do not use it here; export it again or choose another engine"
        )


def _describe_miss(item: Comparison) -> str:
    return (
        f"{item.output} of {item.by} off the {item.against} by {item.difference:.3g} "
        f"(allowed {item.bound:.3g})"
    )


def _build_table(check: GoldenCheck) -> Table:
    rows = []
    for item in check.comparisons:
        state = Styled("ok", "green") if item.within else Styled("missed", "bold red")
        figures = (f"{item.difference:.3g}", f"{item.bound:.3g}")
        rows.append((item.by, item.against, item.output, *figures, state))
    bundle = check.bundle
    title = f"{bundle.folder} ({bundle.target} {bundle.precision})"
    return Table(_HEADER, rows, title=title, left=(0, 1, 2, 5))


def _describe(check: GoldenCheck) -> dict[str, Any]:
    bundle = check.bundle
    rows = []
    for item in check.comparisons:
        difference = item.difference if math.isfinite(item.difference) else None  # JSON has no NaN
        rows.append({**asdict(item), "difference": difference, "within": item.within})
    return {
        "folder": str(Path(bundle.folder)),
        "target": bundle.target,
        "precision": bundle.precision,
        "digest": bundle.digest,
        "within": not check.list_missed(),
        "rejected": explain_rejection(bundle.meta) if is_rejected(bundle.meta) else None,
        "comparisons": rows,
        "remarks": list(check.remarks),
    }
