"""`python -m gazeclip`: run a recipe, prepare data, train the teacher, look at the installation."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from gazeclip.cli.guard import guard
from gazeclip.cli.options import add_stage_options, find_run, open_run
from gazeclip.console.progress import progress_callback, say
from gazeclip.studies.ablation.command import add_ablate
from gazeclip.studies.gaze_stats.command import add_options as add_gaze_stats
from gazeclip.studies.protocol.command import add_protocol


def main(argv: list[str]) -> int:
    """Dispatch to a command."""
    args = _parser().parse_args(argv)
    return int(args.command(args))


def _parser() -> argparse.ArgumentParser:
    about = "Deepfake detection and attribution, from GPU to device."
    parser = argparse.ArgumentParser(
        prog="python -m gazeclip", description=about, allow_abbrev=False
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="run a recipe, from data to report", allow_abbrev=False)
    run.add_argument("recipe", type=Path, help="e.g. recipes/demo.yaml")
    add_stage_options(run)
    run.set_defaults(command=_run)
    for stage, text in (
        ("backbone", "train the teacher's CNN of a run by itself"),
        ("teacher", "train the teacher of a run"),
        ("baseline", "train the plain backbone of a run"),
    ):
        command = commands.add_parser(stage, help=text, allow_abbrev=False)
        add_stage_options(command)
        command.set_defaults(command=lambda args, stage=stage: _stage(args, stage))
    _add_data(
        commands.add_parser("data", help="prepare, check and describe data", allow_abbrev=False)
    )
    add_gaze_stats(
        commands.add_parser(
            "gaze-stats",
            help="compare the gaze of real and forged faces, by generator",
            allow_abbrev=False,
        )
    )
    add_protocol(commands)
    add_ablate(commands)
    doctor = commands.add_parser(
        "doctor",
        help="what is installed, what is missing, what this machine can do",
        allow_abbrev=False,
    )
    doctor.add_argument("--json", action="store_true", help="print JSON")
    doctor.set_defaults(command=_doctor)
    return parser


def _add_data(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    prepare = actions.add_parser(
        "prepare",
        help="render the embedded faces or check the manifest of a run",
        allow_abbrev=False,
    )
    add_stage_options(prepare)
    prepare.set_defaults(command=lambda args: _stage(args, "data"))
    about = "check a manifest, count it, and look for shortcuts"
    check = actions.add_parser("check", help=about, allow_abbrev=False)
    check.add_argument("manifest", type=Path)
    check.add_argument("--taxonomy", default="dfad", help="preset or YAML file (default: dfad)")
    check.set_defaults(command=_check)
    manifest = actions.add_parser(
        "manifest",
        help="make a manifest from a folder with one subfolder per generator",
        allow_abbrev=False,
    )
    manifest.add_argument("folder", type=Path)
    manifest.add_argument("--taxonomy", default="dfad", help="preset or YAML file (default: dfad)")
    manifest.add_argument("--out", type=Path, help="default: FOLDER/manifest.csv")
    manifest.add_argument(
        "--identity",
        metavar="REGEX",
        help="group 1 of this pattern in a file's relative path is its identity",
    )
    manifest.add_argument("--seed", type=int, default=0)
    manifest.add_argument(
        "--force", action="store_true", help="replace a manifest that is there already"
    )
    manifest.set_defaults(command=_manifest)
    held = actions.add_parser(
        "hold-out",
        help="keep a family or generators from training, to test on them as unseen",
        allow_abbrev=False,
    )
    held.add_argument("manifest", type=Path)
    held.add_argument("--taxonomy", default="dfad", help="preset or YAML file (default: dfad)")
    held.add_argument(
        "--family",
        action="append",
        default=[],
        metavar="NAME",
        help="all generators of this family; may be repeated",
    )
    held.add_argument(
        "--generator",
        action="append",
        default=[],
        metavar="NAME",
        help="one generator; may be repeated",
    )
    held.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="gets manifest.csv and taxonomy.yaml"
    )
    held.set_defaults(command=_hold_out)
    probe = actions.add_parser(
        "probe", help="linear probe on the raw pixels of a run's embedded faces", allow_abbrev=False
    )
    probe.add_argument(
        "--run", type=Path, metavar="DIR", help="run folder (default: the most recent one)"
    )
    probe.set_defaults(command=_probe)


def _run(args: argparse.Namespace) -> int:
    from gazeclip.commands.pipeline import run_recipe

    run_recipe(args.recipe, args.set, args.run, args.force)
    return 0


def _stage(args: argparse.Namespace, name: str) -> int:
    with open_run(args, name) as run:
        if name != "data":
            run.manifest("data")
        from gazeclip.commands.pipeline import run_stage

        run_stage(run, name, args.force)
    return 0


def _doctor(args: argparse.Namespace) -> int:
    from gazeclip.commands import doctor

    return doctor.main(args.json)


def _check(args: argparse.Namespace) -> int:
    from gazeclip.console.tables import print_plain
    from gazeclip.data.manifest import read_manifest
    from gazeclip.data.shortcuts import find_shortcuts, shortcut_table, shortcut_warnings
    from gazeclip.taxonomy import Taxonomy

    with progress_callback("checking images") as update:
        manifest = read_manifest(
            args.manifest, Taxonomy.load(args.taxonomy), progress=update, shown=None
        )
    for split, counts in manifest.counts().items():
        print(
            f"{split:12} {sum(counts.values()):6}  "
            + ", ".join(f"{name} {n}" for name, n in counts.items())
        )
    shortcuts = find_shortcuts(manifest.samples)
    print()
    print_plain(shortcut_table(shortcuts), sys.stdout)
    for line in shortcut_warnings(shortcuts):
        say(f"warning: {line}")
    return 0


def _manifest(args: argparse.Namespace) -> int:
    from gazeclip.data.from_folder import write_manifest

    print(
        write_manifest(
            args.folder,
            args.taxonomy,
            args.out or args.folder / "manifest.csv",
            args.identity,
            args.seed,
            args.force,
        )
    )
    return 0


def _hold_out(args: argparse.Namespace) -> int:
    from gazeclip.data.hold_out import write_hold_out

    counts = write_hold_out(args.manifest, args.taxonomy, args.family, args.generator, args.out)
    for split, labels in counts.items():
        print(
            f"{split:12} {sum(labels.values()):6}  "
            + ", ".join(f"{name} {n}" for name, n in labels.items())
        )
    return 0


def _probe(args: argparse.Namespace) -> int:
    from gazeclip.faces.probe import linear_probe

    run = find_run(args.run)
    run.manifest("data")
    for name, value in linear_probe(run.folder("data")).items():
        print(f"{name} {value:.3f}")
    return 0


if __name__ == "__main__":
    guard(main)
