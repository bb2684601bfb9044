"""`gazeclip app`: the verification page, built around a bundle and served to this machine."""

from __future__ import annotations

import argparse
import webbrowser
from pathlib import Path

from gazeclip.console.progress import say
from gazeclip.errors import ConfigError
from gazeclip.system.place import command_line, shorten_path
from runtimes.answers import CLEAN
from runtimes.app.build import BUILT, INDEX, SOURCE, build_page
from runtimes.app.server import LOOPBACK, open_server
from runtimes.commands.options import parse_port
from runtimes.commands.trusted import add_trusted_option
from runtimes.recent import recent_bundle

_ENGINE = "onnxruntime"  # whose files the page runs


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.description = (
        "Serve the verification page to this machine. Images are judged in the browser and never "
        "leave it. With --build the page is built first, which needs Node.js."
    )
    parser.set_defaults(command=run_app)
    parser.add_argument(
        "--build", action="store_true", help="build the page around a bundle, and do not serve it"
    )
    parser.add_argument(
        "--bundle",
        type=Path,
        metavar="DIR",
        help="with --build: an ONNX bundle (default: the most recent run's)",
    )
    parser.add_argument(
        "--port",
        type=parse_port,
        default=8080,
        metavar="N",
        help="0: any that is free (default: 8080)",
    )
    add_trusted_option(parser, "with --build: ")
    parser.add_argument("--open", action="store_true", help="open the page in the browser")


def run_app(args: argparse.Namespace) -> int:
    """Build the page, or serve it until Ctrl-C.

    Raises:
        GazeClipError: the bundle, npm or the port; or the page was not built.
    """
    if args.build:
        page = build_page(args.bundle or recent_bundle(_ENGINE), trusted=args.trusted)
        say(f"built {shorten_path(page)}; serve it: {command_line('app')}")
        return CLEAN
    if args.bundle is not None or args.trusted is not None:
        option = "--trusted" if args.bundle is None else "--bundle"
        what = "the page holds the bundle that it was built around"
        raise ConfigError(what, remedy=f"Give {option} together with --build")
    serve_page(find_page(), args.port, args.open)
    return CLEAN


def find_page(source: Path = SOURCE) -> Path:
    """The built page's folder.

    Raises:
        ConfigError: it was not built.
    """
    page = source / BUILT
    if not (page / INDEX).is_file():
        remedy = f"Run: {command_line('app', '--build')} (in a checkout: make web)"
        raise ConfigError(f"the page was not built ({shorten_path(page)})", remedy=remedy)
    return page


def serve_page(page: Path, port: int, show: bool) -> None:
    """Answer until Ctrl-C.

    Args:
        show: open the page in the browser.
    """
    with open_server(page, port) as server:
        address = f"http://{LOOPBACK}:{server.server_address[1]}/"
        say(f"listening on {address} (end with Ctrl-C)")
        if show:
            webbrowser.open(address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say("ended")
