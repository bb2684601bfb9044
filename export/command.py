"""`gazeclip export --target NAME`, or `all`: bundles from a run."""

from __future__ import annotations

import argparse
import contextlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from export import registry
from export.batch import Pair, build_table, export_each, refuse_failures
from export.choose import ALL, choose_precisions, choose_targets, pair_up
from export.coreml_options import add_coreml_options, read_coreml_options, refuse_coreml_options
from export.gate import TWIN, GateOptions, parse_max_drop, refuse_rejected_files
from export.quiet import quiet
from gazeclip.bundle.layout import PRECISIONS, Precision
from gazeclip.cli.options import add_stage_options, open_run
from gazeclip.console.lines import print_line
from gazeclip.console.progress import say, working
from gazeclip.console.tables import print_table
from gazeclip.errors import ConfigError
from gazeclip.run.folder import Run
from gazeclip.run.lock import lock_run
from gazeclip.run.stages import SHIPPED, bundle_stage
from gazeclip.scoring.drops import FIGURES
from gazeclip.system.packages import install_command
from quantize.nncf_setup import prepare_nncf

if TYPE_CHECKING:
    from export.exporter import Exporter

TAXONOMY = "dfad"
# Of a recipe, what an export reads. Manifest, taxonomy and image size come with the checkpoint.
SETTINGS = ("export.", "gate.", "data.crop")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the verb."""
    parser.description = "Export the student of a run as self-describing bundles."
    add_stage_options(parser)
    _add_places(parser)
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
        help=f"{'|'.join(reversed(PRECISIONS))}, or all that each target can write (repeatable; "
        "default: the recipe's, int8 with --target)",
    )
    parser.add_argument(
        "--text-bank",
        choices=("baked", "external"),
        help="external: the model takes the rows of its classes as an input, so that an app "
        "changes them without another model (default: the recipe's)",
    )
    add_coreml_options(parser)
    parser.add_argument(
        "--max-drop",
        action="append",
        default=[],
        type=parse_max_drop,
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


def _add_places(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="write the bundles here, as DIR/TARGET[-PRECISION] (default: into the run)",
    )
    parser.add_argument(
        "--checkpoint",
        type=Path,
        metavar="DIR",
        help="export a student's folder (model.safetensors, config.json) that has no run; needs "
        "--manifest and --out",
    )
    parser.add_argument(
        "--manifest",
        type=Path,
        metavar="FILE",
        help="with --checkpoint: the manifest that the student was trained by; thresholds are "
        "fitted on its split calibration, and files are compared on its split val",
    )
    parser.add_argument(
        "--taxonomy",
        metavar="NAME",
        help=f"with --checkpoint: preset or YAML file of the manifest (default: {TAXONOMY})",
    )
    parser.add_argument(
        "--quantized",
        type=Path,
        metavar="DIR",
        help="with --checkpoint: the folder of its quantized encoder, for int8",
    )
    parser.add_argument(
        "--bank",
        type=Path,
        metavar="PATH",
        help="with --checkpoint: the text bank that the student was distilled with, a run's folder "
        "text_bank or a file; it says which teacher's banks --text-bank external takes",
    )


def export_run(args: argparse.Namespace) -> int:
    """Export the bundles that the options name, or list the targets.

    Raises:
        ConfigError: no such target or precision, or options that do not go together.
        StageError: an export failed; all others are there.
        GateError: the gate rejected a file; all are there.
    """
    if args.list:
        print_targets()
        return 0
    choose_targets(args.target or [], ())  # typing errors are told before anything is read
    choose_precisions(args.precision or [], ())
    refuse_stray_options(args)
    options = GateOptions(tuple(args.max_drop), args.allow_undecided)
    if args.checkpoint is not None:
        with lock_run(Run(args.out)):
            export_checkpoint(args, options)
        return 0
    with open_run(args, "export") as run:
        run.manifest("student")
        from export.exporter import Exporter
        from export.places import RedirectedRun

        place = run if args.out is None else RedirectedRun(run.root, args.out)
        exporter = Exporter(
            place,
            gate_options=options,
            text_bank=args.text_bank,
            coreml_asked=read_coreml_options(args),
        )
        # What the report asks for; a target that was named is wanted as it ships.
        stage = exporter.context.recipe.export
        precisions = [SHIPPED] if args.target else list(stage.precisions)
        wanted = pair_up(
            choose_targets(args.target or [], stage.targets),
            choose_precisions(args.precision or [], precisions),
        )
        if any(precision == "int8" for _, precision in wanted):
            run.manifest("quantized")
        with contextlib.nullcontext() if args.out is None else lock_run(Run(args.out)):
            export_wanted(exporter, wanted, args.force)
    return 0


def refuse_stray_options(args: argparse.Namespace) -> None:
    """Refuse options that need `--checkpoint`, and what that needs and does not have.

    Raises:
        ConfigError: naming what is missing or does nothing.
    """
    if args.checkpoint is None:
        for name in ("manifest", "taxonomy", "quantized", "bank"):
            if getattr(args, name) is not None:
                what = f"--{name} without --checkpoint: a run knows its own"
                raise ConfigError(what, remedy="Leave it out, or name a student's folder")
        return
    if args.run is not None:
        what = "--run and --checkpoint name two students"
        raise ConfigError(what, remedy="Leave one of them out")
    if args.out is None:
        what = "--checkpoint has no run folder that bundles could be written to"
        raise ConfigError(what, remedy="Name a folder for them with --out")
    if args.manifest is None:
        raise ConfigError(
            "a bundle needs evidence, thresholds and a parity check, and --checkpoint alone has "
            "no images for them",
            remedy="Name the manifest that the student was trained by with --manifest; its splits "
            "calibration and val are read",
        )
    if args.quantized is None and "int8" in (args.precision or []):
        raise ConfigError(
            "int8 needs a quantized encoder, and --checkpoint has the float student only",
            remedy="Name its folder with --quantized, or choose --precision fp32 or fp16",
        )


def export_checkpoint(args: argparse.Namespace, options: GateOptions) -> None:
    """Export a student that has no run; see `export_run`."""
    for item in args.set:
        if not item.startswith(SETTINGS):
            known = ", ".join(f"{start}*" for start in SETTINGS)
            raise ConfigError(f"--set {item} is not of an export", remedy=f"Here: {known}")
    from export.checkpoint import Given, open_checkpoint

    taxonomy = args.taxonomy or TAXONOMY
    given = Given(args.checkpoint, args.quantized, args.manifest, taxonomy, args.bank)
    lacking = () if args.quantized is not None else (SHIPPED,)
    wanted = pair_up(
        choose_targets(args.target or [], list(registry.TARGETS)),
        choose_precisions(args.precision or [], ["fp32"] if lacking else [SHIPPED]),
        lacking,
    )
    if lacking and (not args.precision or ALL in args.precision):
        say("export: int8 is left out: it needs a quantized encoder (--quantized)")
    opened = open_checkpoint(given, args.out, args.set, args.text_bank)
    exporter = replace(opened, gate_options=options, coreml_asked=read_coreml_options(args))
    export_wanted(exporter, wanted, args.force)


def export_wanted(exporter: Exporter, wanted: list[Pair], force: bool) -> None:
    """Export all, and print where they lie and a table of what became of them.

    Raises:
        ConfigError: a Core ML option that cannot be, before anything is exported.
        StageError: one failed, of several; all others are there.
        GateError: the gate rejected a file; all are there.
    """
    from export.places import refuse_foreign_folders
    from export.stage import export_one

    run = exporter.run
    refuse_coreml_options(exporter.coreml_asked, exporter.coreml, wanted)
    refuse_foreign_folders(run, list_touched(wanted))

    def export(target: str, precision: Precision) -> None:
        export_one(exporter, target, precision, force=force)
        print_line(str(run.folder(bundle_stage(target, precision))))

    def read_record(target: str, precision: Precision) -> dict[str, Any]:
        return run.manifest(bundle_stage(target, precision))

    outcomes = export_each(wanted, export, read_record)
    print_table(build_table(outcomes), sys.stdout)
    refuse_failures(outcomes)
    refuse_rejected_files(run, [bundle_stage(*pair) for pair in wanted])


def list_touched(wanted: list[Pair]) -> list[str]:
    """Stages whose folders may be replaced: those that are wanted, and their fp32 twins."""
    names = [bundle_stage(*pair) for pair in wanted]
    twins = [bundle_stage(target, TWIN) for target, _ in wanted]
    return list(dict.fromkeys([*names, *twins]))


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
