"""The command line of the runtimes: judge images, list engines, serve, the page."""

from __future__ import annotations

from gazeclip.console.parser import CommandParser
from runtimes.commands import app, engines, serve, verify


def main(argv: list[str]) -> int:
    """Run a command; of `verify` the exit code is that of `runtimes.answers.Tally`."""
    parser = CommandParser(prog="python -m runtimes", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    verify.add_options(commands.add_parser("verify", help="judge images", allow_abbrev=False))
    about = "list the engines and whether they can be used here"
    engines.add_options(commands.add_parser("list", help=about, allow_abbrev=False))
    serve.add_options(commands.add_parser("serve", help="judge over HTTP", allow_abbrev=False))
    about = "the verification page, for this machine"
    app.add_options(commands.add_parser("app", help=about, allow_abbrev=False))
    args = parser.parse_args(argv)
    return int(args.command(args))
