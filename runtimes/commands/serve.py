"""`gazeclip serve`: verdicts over HTTP."""

from __future__ import annotations

import argparse
import math
from dataclasses import replace
from pathlib import Path

from gazeclip.bundle.layout import SHIPPED_POINT
from gazeclip.console.progress import say
from gazeclip.errors import raise_first
from gazeclip.images.crop_rule import CROPS, WHOLE
from gazeclip.system.packages import require
from runtimes.commands.opening import open_verifier, silence_pillow
from runtimes.commands.options import add_engine_options, parse_port
from runtimes.doubts import describe_doubts
from runtimes.serve.limits import MEGA, Limits
from runtimes.serve.settings import Settings
from runtimes.serve.strangers import is_host_name
from runtimes.serve.token import VARIABLE, read_token, require_token
from runtimes.verifier import Verifier

PACKAGES = ("fastapi", "uvicorn", "prometheus_client")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.description = (
        "Judge images over HTTP: POST /verify. No image is written to the disk or logged. Without "
        "a token it listens to this machine only. SIGTERM ends it once all that was accepted is "
        "answered; the exit code is then 0, and 70 if time ran out before."
    )
    parser.set_defaults(command=serve_bundle)
    add_engine_options(parser)
    _add_network_options(parser)
    _add_limit_options(parser)
    _add_judging_options(parser)


def _add_network_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="address (default: 127.0.0.1)")
    parser.add_argument(
        "--port",
        type=parse_port,
        default=8000,
        metavar="N",
        help="0: any that is free (default: 8000)",
    )
    parser.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help=f"the token that requests must carry; or set {VARIABLE}. Needed beyond this machine",
    )
    parser.add_argument(
        "--allow-host",
        type=parse_host,
        action="append",
        default=[],
        metavar="NAME",
        help="without a token: also answer requests that ask for this host, such as a proxy's; may "
        "be repeated (default: localhost, addresses of loopback, and what --host names)",
    )


def _add_limit_options(parser: argparse.ArgumentParser) -> None:
    limits = Limits()
    for name, kind, default, about in (
        ("--max-mb", parse_amount, limits.body_bytes / MEGA, "megabytes of a request"),
        ("--max-megapixels", parse_amount, limits.pixels / MEGA, "megapixels of an image"),
        ("--max-files", int, limits.files, "files of a request"),
        ("--max-faces", int, limits.faces, "faces of a request"),
        ("--timeout", parse_amount, limits.seconds, "seconds until a request is there and begun"),
        ("--batch", int, limits.batch, "images per inference, at most"),
        ("--queue", int, limits.inside, "requests at once; more are answered 429"),
    ):
        parser.add_argument(
            name, type=kind, default=default, metavar="N", help=f"{about} (default: {default:g})"
        )


def _add_judging_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--threshold",
        default=SHIPPED_POINT,
        help=f"of requests that name none, as of `verify` (default: {SHIPPED_POINT})",
    )
    parser.add_argument(
        "--prior", type=float, default=0.5, metavar="P", help="likewise (default: 0.5)"
    )
    about = "likewise (default: as the bundle's training images were cut)"
    parser.add_argument("--crop", choices=CROPS, help=about)


def parse_host(text: str) -> str:
    """A name or an address, without a port."""
    if not is_host_name(text):
        raise argparse.ArgumentTypeError(f"'{text}' is no host: give a name without a port")
    return text


def parse_amount(text: str) -> float:
    """A number above 0 that is finite."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"'{text}' is no number above 0")
    return value


def serve_bundle(args: argparse.Namespace) -> int:
    """Serve until a signal comes; 0 where all that was accepted was answered.

    Raises:
        GazeClipError: an option, the bundle, its engine or its self-test, the token or the address.
    """
    for package in PACKAGES:
        require(package, "serve")
    from runtimes.serve.app import create_app
    from runtimes.serve.process import open_socket, serve

    settings = read_settings(args)
    with open_socket(args.host, args.port) as bound:
        require_token(bound.getsockname()[0], settings.token)
        verifier = _load_verifier(args)
        settings = replace(settings, crop=args.crop or verifier.default_crop)
        return serve(create_app(verifier, settings), bound)


def read_settings(args: argparse.Namespace) -> Settings:
    """What the options decide.

    Raises:
        ConfigError: a limit that cannot be kept, or a token that is none.
    """
    body_bytes = int(args.max_mb * MEGA)
    limits = Limits(
        body_bytes=body_bytes,
        pixels=int(args.max_megapixels * MEGA),
        files=args.max_files,
        faces=args.max_faces,
        seconds=args.timeout,
        batch=args.batch,
        inside=args.queue,
        held_bytes=max(body_bytes, Limits.held_bytes),
    )
    raise_first(limits.find_faults())
    token = read_token(args.token_file)
    hosts = (args.host, *args.allow_host)
    return Settings(limits, token, hosts, args.crop or WHOLE, args.threshold, args.prior)


def _load_verifier(args: argparse.Namespace) -> Verifier:
    """The bundle in its engine, its self-test passed."""
    silence_pillow()
    verifier = open_verifier(args)
    rule = verifier.judge.make_rule(args.threshold, args.prior)
    for warning in describe_doubts(rule.point, verifier.bundle.evidence):
        say(f"warning: {warning}")
    verifier.choose_reader(args.crop)  # a missing detector is found now, not by the first request
    verifier.self_test()
    say(f"self-test passed: {verifier.engine.label}, {verifier.bundle.precision}")
    return verifier
