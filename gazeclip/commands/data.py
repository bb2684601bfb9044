"""`gazeclip data ACTION`: prepare, check and describe data."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from gazeclip.cli.options import RECENT_RUN, add_stage_options, find_run
from gazeclip.commands.stage import run_single_stage
from gazeclip.console.lines import print_line
from gazeclip.console.progress import progress_callback, say
from gazeclip.images.crop_rule import CROPS, FACE


def add_options(parser: argparse.ArgumentParser) -> None:
    """The actions of the command, each with its own options."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    _add_prepare(actions)
    _add_check(actions)
    _add_manifest(actions)
    _add_hold_out(actions)
    _add_probe(actions)


def _add_action(actions: Any, name: str, about: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(
        name, help=about, description=f"{about[0].upper()}{about[1:]}.", allow_abbrev=False
    )
    return parser


def _add_taxonomy_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--taxonomy", default="dfad", help="preset or YAML file (default: dfad)")


def _add_prepare(actions: Any) -> None:
    about = "render the procedural faces or check the manifest of a run"
    parser = _add_action(actions, "prepare", about)
    add_stage_options(parser)
    parser.set_defaults(command=partial(run_single_stage, name="data"))


def _add_check(actions: Any) -> None:
    parser = _add_action(actions, "check", "check a manifest, count it, and look for shortcuts")
    parser.add_argument("manifest", type=Path)
    _add_taxonomy_option(parser)
    parser.set_defaults(command=check_manifest)


def _add_manifest(actions: Any) -> None:
    about = "make a manifest from a folder with one subfolder per generator"
    parser = _add_action(actions, "manifest", about)
    parser.add_argument("folder", type=Path)
    _add_taxonomy_option(parser)
    parser.add_argument("--out", type=Path, help="default: FOLDER/manifest.csv")
    parser.add_argument(
        "--identity",
        metavar="REGEX",
        help="group 1 of this pattern in a file's relative path is its identity",
    )
    parser.add_argument(
        "--crop",
        choices=CROPS,
        help="how the images were cut: upright squares around one face, or whole pictures",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--force", action="store_true", help="replace a manifest that is there already"
    )
    parser.set_defaults(command=make_manifest)


def _add_hold_out(actions: Any) -> None:
    about = "keep a family or generators from training, to test on them as unseen"
    parser = _add_action(actions, "hold-out", about)
    parser.add_argument("manifest", type=Path)
    _add_taxonomy_option(parser)
    for option, what in (
        ("--family", "all generators of this family"),
        ("--generator", "one generator"),
    ):
        parser.add_argument(
            option, action="append", default=[], metavar="NAME", help=f"{what}; may be repeated"
        )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="gets manifest.csv and taxonomy.yaml"
    )
    parser.set_defaults(command=hold_out)


def _add_probe(actions: Any) -> None:
    about = "linear probe on the raw pixels of a run's procedural faces"
    parser = _add_action(actions, "probe", about)
    parser.add_argument("--run", type=Path, metavar="DIR", help=RECENT_RUN)
    parser.set_defaults(command=probe_pixels)


def check_manifest(args: argparse.Namespace) -> int:
    """Check every row and image, print the counts, warn of shortcuts, unknown persons, crops."""
    from gazeclip.console.tables import print_plain
    from gazeclip.data.manifest import identity_warnings, read_manifest
    from gazeclip.data.shortcuts import find_shortcuts, shortcut_table, shortcut_warnings
    from gazeclip.taxonomy import Taxonomy
    from runtimes.commands.framing import say_framing

    taxonomy = Taxonomy.load(args.taxonomy)
    with progress_callback("checking images") as update:
        manifest = read_manifest(args.manifest, taxonomy, progress=update, shown=None)
    _print_counts(manifest.counts())
    shortcuts = find_shortcuts(manifest.samples)
    print_line()
    print_plain(shortcut_table(shortcuts), sys.stdout)
    if manifest.crop == FACE:
        say_framing([sample.path for sample in manifest.samples])
    for line in [*identity_warnings(manifest.samples), *shortcut_warnings(shortcuts)]:
        say(f"warning: {line}")
    return 0


def make_manifest(args: argparse.Namespace) -> int:
    """Write the manifest of a folder and print where, and how the faces in it are cut."""
    from gazeclip.data.from_folder import write_manifest
    from gazeclip.data.rows import image_paths
    from runtimes.commands.framing import say_framing

    out = args.out or args.folder / "manifest.csv"
    written = write_manifest(
        args.folder, args.taxonomy, out, args.identity, args.seed, args.force, args.crop
    )
    if args.crop == FACE:
        say_framing(image_paths(written))
    print_line(str(written))
    return 0


def hold_out(args: argparse.Namespace) -> int:
    """Write the manifest and taxonomy in which generators are unseen, and print the counts."""
    from gazeclip.data.hold_out import write_hold_out

    counts = write_hold_out(args.manifest, args.taxonomy, args.family, args.generator, args.out)
    _print_counts(counts)
    return 0


def probe_pixels(args: argparse.Namespace) -> int:
    """Print what a linear probe makes of the raw pixels."""
    from gazeclip.faces.probe import linear_probe

    run = find_run(args.run)
    run.manifest("data")
    for name, value in linear_probe(run.folder("data")).items():
        print_line(f"{name} {value:.3f}")
    return 0


def _print_counts(counts: Mapping[str, Mapping[str, int]]) -> None:
    """One line a split: its images, and of which labels."""
    for split, labels in counts.items():
        parts = ", ".join(f"{name} {number}" for name, number in labels.items())
        print_line(f"{split:12} {sum(labels.values()):6}  {parts}")
