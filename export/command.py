"""`gazeclip export --target NAME`, or `all`: bundles from a run."""

from __future__ import annotations

import argparse

from export import registry
from export.quiet import quiet
from gazeclip.bundle.layout import PRECISIONS
from gazeclip.cli.options import add_stage_options, open_run
from gazeclip.console.lines import print_line
from gazeclip.console.progress import working
from gazeclip.errors import ConfigError, nearest
from gazeclip.scoring.gate import FIGURES
from gazeclip.system.packages import install_command
from quantize.nncf_setup import prepare_nncf


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the verb."""
    parser.description = "Export the student of a run as self-describing bundles."
    add_stage_options(parser)
    parser.add_argument(
        "--target",
        action="append",
        metavar="T",
        help=f"{', '.join(registry.TARGETS)} or all (repeatable; default: the recipe's)",
    )
    parser.add_argument(
        "--precision",
        action="append",
        metavar="P",
        help=f"{'|'.join(reversed(PRECISIONS))} (repeatable; default: the recipe's, "
        "int8 with --target)",
    )
    parser.add_argument(
        "--max-drop",
        action="append",
        default=[],
        metavar="FIGURE=VALUE",
        help=f"how much worse than the fp32 file the gate allows: {', '.join(FIGURES)} "
        "(repeatable; default: the recipe's)",
    )
    parser.add_argument(
        "--allow-undecided",
        action="store_true",
        help="accept a file of which val has too few images to tell (the gate's exit code is 3)",
    )
    parser.add_argument(
        "--list",
        action="store_true",
        help="show targets, precisions, engines and what is installed",
    )
    parser.set_defaults(command=export_run)


def export_run(args: argparse.Namespace) -> int:
    """Export the bundles that the options name, or list the targets.

    Raises:
        ConfigError: no such target or precision.
        GateError: the gate rejected a file; all are there.
    """
    if args.list:
        print_targets()
        return 0
    targets = _choose_targets(args.target or [])
    for precision in args.precision or []:
        if precision not in PRECISIONS:
            raise ConfigError(
                f"there is no precision '{precision}'", remedy=nearest(precision, PRECISIONS)
            )
    args.set += [f"gate.max_drop.{item}" for item in args.max_drop]
    if args.allow_undecided:
        args.set.append("gate.allow_undecided=true")
    with open_run(args, "export", "gate") as run:
        run.manifest("student")
        from export.gate import refuse_rejected_files
        from export.stage import Exporter, export_one
        from gazeclip.run.stages import bundle_stage

        exporter = Exporter(run)
        # What the report asks for; a target that was named is wanted as it ships.
        stage = exporter.context.recipe.export
        precisions = args.precision or (["int8"] if targets else list(stage.precisions))
        targets = targets or list(stage.targets)
        registry.refuse_impossible(targets, precisions)
        if "int8" in precisions:
            run.manifest("quantized")
        for precision in precisions:
            for target in targets:
                export_one(exporter, target, precision, force=args.force)
                print_line(str(run.folder(bundle_stage(target, precision))))
        wanted = [bundle_stage(target, each) for each in precisions for target in targets]
        refuse_rejected_files(run, wanted)
    return 0


def _choose_targets(named: list[str]) -> list[str]:
    known = [*registry.TARGETS, "all"]
    for target in named:
        if target not in known:
            raise ConfigError(
                f"there is no export target '{target}'", remedy=nearest(target, known)
            )
    return list(registry.TARGETS) if "all" in named else list(dict.fromkeys(named))


def print_targets() -> None:
    """The table of `--list`: every target, what it writes, who runs it, how to install it."""
    rows = [("target", "precisions", "engine", "state")]
    for name, target in registry.TARGETS.items():
        rows.append((name, ", ".join(target.precisions), target.engine, _describe_state(target)))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        cells = [text.ljust(width) for text, width in zip(row, widths, strict=False)]
        print_line("  ".join([*cells, row[3]]))


def _describe_state(target: registry.Target) -> str:
    """`installed` only if the packages can be imported, which takes the converters seconds."""
    if target.missing_packages():
        return f"not installed: {install_command(target.extra)}"
    with working("looking at the converters"), quiet(native=True):
        prepare_nncf()  # before OpenVINO and whatever imports it
        faults = target.find_import_faults()
    if not faults:
        return "installed"
    return f"broken: {faults[0].what}. {faults[0].remedy}"
