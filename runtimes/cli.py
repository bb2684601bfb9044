"""The command line of the runtimes: judge images, list engines."""

from __future__ import annotations

import argparse
import logging
import sys
import warnings
from pathlib import Path

from gazeclip.bundle.contents import OperatingPoint
from gazeclip.bundle.layout import SHIPPED_POINT
from gazeclip.console.lines import print_json, print_line
from gazeclip.console.parser import CommandParser
from gazeclip.console.progress import progress, say
from gazeclip.errors import ConfigError, ImageError
from gazeclip.images.formats import NO_IMAGES_REMEDY
from gazeclip.images.walk import find_images
from gazeclip.system.place import command_line
from runtimes.answers import CLEAN, Judged, describe_outcomes, exit_code
from runtimes.doubts import describe_doubts
from runtimes.engines.registry import ENGINES, engine_status
from runtimes.recent import recent_bundle
from runtimes.remarks import describe_remarks
from runtimes.render import write_csv, write_table
from runtimes.sources import CROPS, FACE, WHOLE
from runtimes.verifier import Verifier, load


def main(argv: list[str]) -> int:
    """Run a command; of `verify` the exit code is that of `exit_code`."""
    parser = CommandParser(prog="python -m runtimes", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    add_verify_options(commands.add_parser("verify", help="judge images", allow_abbrev=False))
    about = "list the engines and whether they can be used here"
    add_engines_options(commands.add_parser("list", help=about, allow_abbrev=False))
    args = parser.parse_args(argv)
    return int(args.command(args))


def add_engines_options(parser: argparse.ArgumentParser) -> None:
    """The options of `gazeclip engines`: none."""
    parser.set_defaults(command=print_engines)


def add_verify_options(parser: argparse.ArgumentParser) -> None:
    """The options of `gazeclip verify`."""
    parser.description = (
        "Judge images of faces. Exit code 0: all real, 1: at least one fake, 4: none fake but at "
        "least one photograph without a usable face (--crop face), 3: none of these but at least "
        "one inconclusive, 2: an error, 70: a fault of the program; after 2 and 70 nothing is "
        "known about the images that were not judged."
    )
    parser.set_defaults(command=verify_images)
    parser.add_argument(
        "images", nargs="*", type=Path, metavar="IMAGE", help="image files, or folders of them"
    )
    parser.add_argument(
        "--bundle",
        type=Path,
        metavar="DIR",
        help="exported bundle (default: the most recent run's)",
    )
    parser.add_argument(
        "--engine", help=f"one of {', '.join(ENGINES)} (default: the one made for the bundle)"
    )
    parser.add_argument("--device", help="device of the engine, such as CPU or GPU (default: CPU)")
    parser.add_argument(
        "--threshold",
        default=SHIPPED_POINT,
        help="fpr1, fpr0.1, or a fake probability from which on an image is fake and below which "
        f"it is real (default: {SHIPPED_POINT})",
    )
    parser.add_argument(
        "--prior",
        type=float,
        default=0.5,
        metavar="P",
        help="how probable a forgery is before an image is seen; fake probabilities depend on it, "
        "verdicts at a named threshold do not (default: 0.5)",
    )
    parser.add_argument(
        "--crop",
        choices=CROPS,
        default=WHOLE,
        help="whole: images are face crops; face: find the faces in photographs and judge each "
        f"(default: {WHOLE})",
    )
    parser.add_argument(
        "--batch", type=int, default=8, metavar="N", help="images per inference (default: 8)"
    )
    parser.add_argument(
        "--frames",
        type=parse_frames,
        default=1,
        metavar="N",
        help="judge the first N frames of an animation or pages of a file, or all (default: 1)",
    )
    parser.add_argument(
        "--threads", type=int, metavar="N", help="threads (default: what this process may use)"
    )
    parser.add_argument(
        "--self-test", action="store_true", help="first compare the golden images with this engine"
    )
    parser.add_argument("--embedding", action="store_true", help="include the embedding in --json")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON object")
    form.add_argument("--csv", action="store_true", help="print one row per image")


def parse_frames(text: str) -> int | None:
    """The option `--frames`: a number of at least 1, or `all` (None)."""
    if text == "all":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is neither a number of at least 1 nor 'all'")
    return int(text)


def print_engines(_: argparse.Namespace) -> int:
    """Print every engine and why it cannot be used here, if it cannot."""
    for name, reason in engine_status().items():
        print_line(f"{name:12} {'available' if reason is None else reason}")
    return CLEAN


def verify_images(args: argparse.Namespace) -> int:
    """Judge what the options name and print the verdicts; `exit_code` of them.

    Raises:
        GazeClipError: nothing named, or a bundle, engine or threshold that cannot be used.
    """
    # Pillow warns about metadata and sizes in its own words; what matters is an error or a warning
    # of ours.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    # Without a handler Python prints what Pillow logs of damaged files.
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    if not args.images and not args.self_test:
        remedy = f"Run: {command_line('verify', 'IMAGE...')}"
        raise ConfigError("no images named", remedy=remedy)
    folder = args.bundle
    if folder is None:
        folder = recent_bundle(args.engine)
        say(f"bundle: {folder} (the most recent; choose another with --bundle)")
    verifier = load(folder, args.engine, args.threads, args.device)
    point = verifier.bundle.operating_point(args.threshold, args.prior)
    for warning in describe_doubts(point, verifier.bundle.evidence):
        say(f"warning: {warning}")
    if args.self_test:
        differences = verifier.self_test()
        told = ", ".join(f"{name} {value:.2g}" for name, value in differences.items())
        say(f"self-test passed: {told}")
    if not args.images:
        return CLEAN
    paths, failures = expand_images(args.images)
    outcomes = verifier.numbered_outcomes(
        progress(paths, "judging", total=len(paths)),
        args.threshold,
        args.batch,
        args.prior,
        args.crop,
        args.frames,
    )
    judged: Judged = [(str(paths[number]), outcome) for number, outcome in outcomes]
    judged += failures
    _show_outcomes(args, verifier, point, judged)
    return exit_code(judged)


def _show_outcomes(
    args: argparse.Namespace, verifier: Verifier, point: OperatingPoint, judged: Judged
) -> None:
    if args.json:
        print_json(describe_outcomes(verifier, point, judged, args.crop, args.embedding))
    elif args.csv:
        write_csv(sys.stdout, judged)
    else:
        write_table(sys.stdout, judged, with_faces=args.crop == FACE)
    for line in describe_remarks(judged, args.frames):
        say(line)


def expand_images(photos: list[Path]) -> tuple[list[Path], Judged]:
    """Files as named, and of folders all images below them.

    What a folder leaves out is said on standard error.

    Returns:
        The images in order, and an `ImageError` for each folder without images and for all that
        could not be read, so that neither is passed over in silence.
    """
    paths: list[Path] = []
    failures: Judged = []
    for photo in photos:
        try:
            is_folder = photo.is_dir()
        except OSError as error:  # a name that is too long, a folder above it that may not be read
            what = f"{photo} cannot be read ({error.strerror})"
            unusable = ImageError(what, remedy="Correct its name or permissions")
            failures.append((str(photo), unusable))
            continue
        if is_folder:
            images, unread = _expand_folder(photo)
            paths += images
            failures += unread
        else:
            paths.append(photo)
    return paths, failures


def _expand_folder(folder: Path) -> tuple[list[Path], Judged]:
    walk = find_images(folder)
    failures: Judged = []
    left_out = walk.left_out()
    if left_out:
        say(f"{folder}: left out {left_out}")
    for path, reason in walk.unreadable:
        what = f"{path} cannot be read ({reason})"
        remedy = "Correct its permissions or its link, or leave it out"
        failures.append((str(path), ImageError(what, remedy=remedy)))
    if not walk.images and not walk.unreadable:
        nothing = ImageError(f"{folder} has no images", remedy=NO_IMAGES_REMEDY)
        failures.append((str(folder), nothing))
    return walk.images, failures
