"""`gazeclip bundle ACTION`: keys, signatures, differences and answers of finished bundles.

No torch and no converter is imported, but by `check` for a reference evaluator: whoever receives a
bundle runs it too.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from export.check_command import add_check_options, add_rejected_option
from gazeclip.bundle.bundle import Bundle
from gazeclip.bundle.check import refuse
from gazeclip.bundle.diff import Difference, compare_bundles
from gazeclip.bundle.gate import explain_rejection, is_rejected, refuse_rejected_ones
from gazeclip.bundle.keys import PRIVATE, PUBLIC, make_keys, read_private_key
from gazeclip.bundle.layout import ORIGIN
from gazeclip.bundle.origin import find_origin_faults
from gazeclip.bundle.signature import Signature, check_claim, read_signature, sign_bundle
from gazeclip.bundle.trust import VARIABLE, find_pinned_key, load_trusted
from gazeclip.console.lines import print_json, print_line
from gazeclip.console.progress import say
from gazeclip.console.tables import MISSING, Table, print_table
from gazeclip.errors import ConfigError, MissingDependencyError
from gazeclip.files.atomic import read_json

_NAME_KEY = f"Name its maker's key with --trusted or {VARIABLE}"
SAME = 0
DIFFERENT = 1


def add_options(parser: argparse.ArgumentParser) -> None:
    """The actions of the command, each with its own options."""
    parser.description = "Sign, check and compare finished bundles."
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    _add_keygen(actions)
    _add_sign(actions)
    _add_verify(actions)
    _add_diff(actions)
    _add_check(actions)


def _add_action(actions: Any, name: str, about: str, *aliases: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(
        name,
        aliases=aliases,
        help=about,
        description=f"{about[0].upper()}{about[1:]}.",
        allow_abbrev=False,
    )
    parser.add_argument("--debug", action="store_true", help="show a traceback on errors")
    return parser


def _add_keygen(actions: Any) -> None:
    parser = _add_action(actions, "keygen", "make an Ed25519 key pair for signatures")
    parser.add_argument(
        "name",
        type=Path,
        metavar="NAME",
        help=f"writes NAME{PRIVATE}, to be kept secret, and NAME{PUBLIC}; neither is overwritten",
    )
    parser.set_defaults(command=make_key_files)


def _add_sign(actions: Any) -> None:
    parser = _add_action(actions, "sign", "sign whole bundles")
    _add_bundles(parser)
    parser.add_argument(
        "--key", type=Path, required=True, metavar=f"NAME{PRIVATE}", help="the private key"
    )
    parser.add_argument("--force", action="store_true", help="replace the signature of another key")
    add_rejected_option(parser, "sign")
    parser.set_defaults(command=sign_bundles)


def _add_verify(actions: Any) -> None:
    about = "check every hash of bundles, and who has signed them"
    parser = _add_action(actions, "verify", about, "verify-bundle")
    _add_bundles(parser)
    parser.add_argument(
        "--trusted",
        type=Path,
        metavar=f"NAME{PUBLIC}",
        help="the public key that must have signed them (default: the one that "
        f"{VARIABLE} names, if any)",
    )
    parser.add_argument(
        "--require-signature",
        action="store_true",
        help="end with an error where no key is named, so that nothing unsigned ever passes",
    )
    add_rejected_option(parser, "pass")
    parser.set_defaults(command=verify_bundles)


def _add_diff(actions: Any) -> None:
    about = "say what two bundles differ in; exit code 0: nothing, 1: something"
    parser = _add_action(actions, "diff", about)
    parser.add_argument("first", type=Path, metavar="A", help="bundle folder")
    parser.add_argument("second", type=Path, metavar="B", help="bundle folder")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(command=show_differences)


def _add_check(actions: Any) -> None:
    about = "compare what bundles answer on this machine with their golden outputs"
    parser = _add_action(actions, "check", about)
    _add_bundles(parser)
    add_check_options(parser)


def _add_bundles(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundles", nargs="+", type=Path, metavar="BUNDLE", help="bundle folders")


def make_key_files(args: argparse.Namespace) -> int:
    """Write a key pair; its id goes to standard output."""
    key_id = make_keys(args.name)
    say(f"written: {args.name}{PRIVATE} (keep it secret) and {args.name}{PUBLIC} (give it away)")
    print_line(key_id)
    return 0


def sign_bundles(args: argparse.Namespace) -> int:
    """Sign each bundle that the options name; the first that is refused ends it.

    Raises:
        BundleError: a bundle is not whole.
        ConfigError: another key has signed it.
        GateError: the gate rejected it when it was exported.
    """
    key = read_private_key(args.key)
    for folder in args.bundles:
        signature = sign_bundle(folder, key, args.force, args.allow_rejected)
        print_line(f"{folder}: signed with the key {signature.key_id}")
    return 0


def verify_bundles(args: argparse.Namespace) -> int:
    """Check each bundle that the options name; the first that is refused ends it.

    Raises:
        BundleError: a bundle is not whole, its signature is of other contents or was not made with
            the key that it claims, or the pinned key has not signed it.
        ConfigError: a signature is required, and no key is pinned that could have made it.
        GateError: all of that is right, and the gate rejected one when it was exported.
    """
    pinned = find_pinned_key(args.trusted)
    if args.require_signature and pinned is None:
        what = "a signature is required, and no key is named whose it must be"
        raise ConfigError(what, remedy=_NAME_KEY)
    rejected = []
    for folder in args.bundles:
        bundle = load_trusted(folder, pinned)
        refuse(folder, _find_origin_faults(bundle))
        print_line(f"{folder}: {_describe_state(bundle, pinned)}{_describe_gate(bundle)}")
        if is_rejected(bundle.meta):
            rejected.append((folder, bundle.meta))
    if not args.allow_rejected:
        refuse_rejected_ones(rejected)
    return 0


def _describe_gate(bundle: Bundle) -> str:
    """What is added to a state that would else read as fit for use."""
    if not is_rejected(bundle.meta):
        return ""
    return f"; REJECTED by the gate: {explain_rejection(bundle.meta)}"


def _find_origin_faults(bundle: Bundle) -> list[str]:
    """Bundles of earlier versions have no statement; whole ones of this version always do."""
    if ORIGIN not in bundle.meta["files"]:
        return []
    return find_origin_faults(read_json(bundle.folder / ORIGIN), bundle.meta)


def _describe_state(bundle: Bundle, pinned: Path | None) -> str:
    signature = read_signature(bundle.folder)
    whole = f"whole ({bundle.target} {bundle.precision}, {bundle.digest})"
    if signature is None:
        return f"{whole}, not signed"
    if pinned is None:
        made = _describe_claim(bundle, signature)
        unknown = f"the key {signature.key_id}, and nobody says here whose that is"
        return f"{whole}; {made} {unknown}. {_NAME_KEY}"
    return f"{whole}, signed with the trusted key {signature.key_id}"


def _describe_claim(bundle: Bundle, signature: Signature) -> str:
    """How far a signature of nobody knows whom was checked."""
    try:
        return "signed with" if check_claim(bundle, signature) else "it claims"
    except MissingDependencyError:
        return "not checked, as cryptography is not installed, it claims"


def show_differences(args: argparse.Namespace) -> int:
    """Print what two bundles differ in; 0 where they are the same, else 1.

    Raises:
        BundleError: one of them is not whole.
    """
    first = Bundle.load(args.first)
    second = Bundle.load(args.second)
    found = compare_bundles(first, second)
    if args.json:
        print_json({"same": not found, "differences": [asdict(item) for item in found]})
    elif found:
        rows = [(item.part, item.name, *map(_format, _pair(item))) for item in found]
        print_table(Table(("part", "what", "A", "B"), rows, left=(0, 1)), sys.stdout)
    else:
        print_line(f"the same: {first.digest}")
    return DIFFERENT if found else SAME


def _pair(item: Difference) -> tuple[Any, Any]:
    return item.first, item.second


def _format(value: Any) -> str:
    if value is None:
        return MISSING
    return f"{value:.6g}" if isinstance(value, float) else str(value)
