"""`gazeclip verify`: judge images and write down each verdict as soon as it is there."""

from __future__ import annotations

import argparse
import contextlib
import logging
import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from gazeclip.bundle.contents import OperatingPoint
from gazeclip.console.progress import progress_callback, say
from gazeclip.errors import ConfigError
from gazeclip.system.place import command_line
from runtimes.answers import CLEAN, Tally
from runtimes.commands.forms import Form, open_form
from runtimes.commands.inputs import expand_images
from runtimes.commands.options import add_verify_options
from runtimes.doubts import describe_doubts
from runtimes.recent import recent_bundle
from runtimes.remarks import Remarks
from runtimes.verifier import Outcome, Verifier, load

Report = Callable[[int, int | None], None]


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `gazeclip verify`."""
    add_verify_options(parser)
    parser.set_defaults(command=verify_images)


def verify_images(args: argparse.Namespace) -> int:
    """Judge what the options name and print the verdicts; the exit code of `Tally`.

    Raises:
        GazeClipError: nothing named, or a bundle, engine or threshold that cannot be used.
    """
    _silence_pillow()
    if not args.images and not args.self_test:
        remedy = f"Run: {command_line('verify', 'IMAGE...')}"
        raise ConfigError("no images named", remedy=remedy)
    verifier, point = _load_verifier(args)
    if not args.images:
        return CLEAN
    paths, failures = expand_images(args.images)
    form = open_form(args, verifier, point)
    tally = Tally(args.crop)
    remarks = Remarks(args.frames)

    def tell(source: str, outcome: Outcome) -> None:
        tally.add(outcome)
        form.add(source, outcome)
        for line in remarks.describe(source, outcome):
            say(line)

    with _show_progress(form) as report:
        for number, source, outcome in _judge(args, verifier, paths):
            tell(source, outcome)
            report(number + 1, len(paths))
    for source, failure in failures:
        tell(source, failure)
    form.close(tally)
    return tally.exit_code()


def _silence_pillow() -> None:
    """Pillow warns about metadata and sizes in its own words.

    What matters of it is an error or a warning of ours.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.")
    # Without a handler Python prints what Pillow logs of damaged files.
    logging.getLogger("PIL").addHandler(logging.NullHandler())


def _load_verifier(args: argparse.Namespace) -> tuple[Verifier, OperatingPoint]:
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
    return verifier, point


def _show_progress(form: Form) -> AbstractContextManager[Report]:
    """A bar, but none between the lines of a form that writes to the same terminal."""
    if form.is_streamed and sys.stdout.isatty():
        return contextlib.nullcontext(lambda done, total: None)
    return progress_callback("judging", unit="images")


def _judge(
    args: argparse.Namespace, verifier: Verifier, paths: list[Path]
) -> Iterator[tuple[int, str, Outcome]]:
    """Each outcome with the number and name of its source; only those of one batch are held."""
    waiting: deque[tuple[int, str]] = deque()

    def hand_over() -> Iterator[Path]:
        for number, path in enumerate(paths):
            waiting.append((number, str(path)))
            yield path

    outcomes = verifier.numbered_outcomes(
        hand_over(), args.threshold, args.batch, args.prior, args.crop, args.frames
    )
    for number, outcome in outcomes:
        while waiting[0][0] < number:
            waiting.popleft()
        yield number, waiting[0][1], outcome
