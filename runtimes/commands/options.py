"""The options of `gazeclip verify`, and what other commands have in common with it."""

from __future__ import annotations

import argparse
from pathlib import Path

from gazeclip.bundle.layout import SHIPPED_POINT
from gazeclip.errors import ConfigError
from gazeclip.images.crop_rule import CROPS
from runtimes.commands.beside import add_provenance_options
from runtimes.commands.trusted import add_trusted_option
from runtimes.commands.units import add_units_option
from runtimes.engines.registry import ENGINES
from runtimes.video.options import add_film_options

_MAX_PORT = 65535
_ABOUT = (
    "Judge images and films of faces. Exit code 0: all real, 1: at least one fake, 4: none fake "
    "but at least one photograph or film without a usable face (--crop face), 3: none of these but "
    "at least one inconclusive, 2: an error, 70: a fault of the program; after 2 and 70 nothing is "
    "known about the images that were not judged."
)


def add_verify_options(parser: argparse.ArgumentParser) -> None:
    """Everything but the command itself."""
    parser.description = _ABOUT
    _add_inputs(parser)
    add_film_options(parser)
    _add_engine(parser)
    _add_decision(parser)
    _add_output(parser)
    add_provenance_options(parser)


def _add_inputs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "images",
        nargs="*",
        metavar="IMAGE",
        help="image files, films, folders of them, or - for an image on standard input",
    )
    parser.add_argument(
        "--files-from",
        action="append",
        default=[],
        metavar="FILE",
        help="also judge what a list names, one file or folder a line; - reads it from standard "
        "input; may be repeated",
    )
    parser.add_argument(
        "-0",
        "--null",
        action="store_true",
        help="names in lists end in NUL, as `find -print0` writes them",
    )
    parser.add_argument(
        "--watch",
        type=Path,
        metavar="DIR",
        help="then judge each image that comes into a folder, once it is complete, until Ctrl-C",
    )
    parser.add_argument(
        "--crop",
        choices=CROPS,
        help="face: find the faces in photographs and judge each; whole: judge images as they are, "
        "such as face crops (default: as the bundle's training images were cut)",
    )
    parser.add_argument(
        "--frames",
        type=parse_frames,
        default=1,
        metavar="N",
        help="judge the first N frames of an animation or pages of a file, or all (default: 1)",
    )


def add_engine_options(parser: argparse.ArgumentParser) -> None:
    """Which bundle judges, and what runs it."""
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
    add_units_option(parser)
    parser.add_argument(
        "--threads", type=int, metavar="N", help="threads (default: what this process may use)"
    )
    parser.add_argument(
        "--allow-rejected",
        action="store_true",
        help="run a bundle although the forensic gate rejected it when it was exported",
    )
    parser.add_argument(
        "--text-bank",
        type=Path,
        metavar="FILE",
        help="classes to attribute to instead of the bundle's own, for a bundle that was exported "
        "with --text-bank external",
    )
    add_trusted_option(parser)


def _add_engine(parser: argparse.ArgumentParser) -> None:
    add_engine_options(parser)
    parser.add_argument(
        "--batch", type=int, default=8, metavar="N", help="images per inference (default: 8)"
    )
    parser.add_argument(
        "--self-test", action="store_true", help="first compare the golden images with this engine"
    )


def _add_decision(parser: argparse.ArgumentParser) -> None:
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


def _add_output(parser: argparse.ArgumentParser) -> None:
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON object")
    form.add_argument(
        "--jsonl", action="store_true", help="print one JSON object per verdict, each on a line"
    )
    form.add_argument("--csv", action="store_true", help="print one row per verdict")
    parser.add_argument(
        "--save",
        type=Path,
        metavar="DIR",
        help="also save a copy of each picture with boxes and verdicts drawn in; never over a file",
    )
    parser.add_argument(
        "--embedding", action="store_true", help="include the embedding in --json and --jsonl"
    )


def refuse_idle_options(args: argparse.Namespace) -> None:
    """Raise if an option was given that does nothing without another one.

    Raises:
        ConfigError: the embedding, in a form that has no place for it.
    """
    if args.embedding and not (args.json or args.jsonl):
        remedy = "Add --json or --jsonl, or leave it out"
        raise ConfigError("--embedding without --json or --jsonl", remedy=remedy)


def parse_frames(text: str) -> int | None:
    """The option `--frames`: a number of at least 1, or `all` (None)."""
    if text == "all":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is neither a number of at least 1 nor 'all'")
    return int(text)


def parse_port(text: str) -> int:
    """A port, 0 included."""
    if not text.isascii() or not text.isdigit() or int(text) > _MAX_PORT:
        raise argparse.ArgumentTypeError(f"'{text}' is no port (0 to {_MAX_PORT})")
    return int(text)
