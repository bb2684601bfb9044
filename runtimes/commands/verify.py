"""`gazeclip verify`: judge images and write down each verdict as soon as it is there."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator

from gazeclip.bundle.contents import OperatingPoint
from gazeclip.cli.guard import EXIT_INTERRUPTED
from gazeclip.console.progress import say
from gazeclip.errors import ConfigError, GazeClipError
from gazeclip.images.source import ImageSource
from gazeclip.system.place import command_line
from runtimes.annotate.copies import Copies
from runtimes.answers import CLEAN, Tally
from runtimes.commands.beside import Beside
from runtimes.commands.forms import open_form
from runtimes.commands.inputs import Inputs, refuse_copies_within
from runtimes.commands.opening import open_verifier, silence_pillow
from runtimes.commands.options import add_verify_options, refuse_idle_options
from runtimes.commands.session import Session
from runtimes.commands.watch import Watch, stop_on_signals
from runtimes.doubts import describe_doubts
from runtimes.remarks import Remarks
from runtimes.verifier import Asked, Outcome, Verifier
from runtimes.video.sample import Sampling


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `gazeclip verify`."""
    add_verify_options(parser)
    parser.set_defaults(command=verify_images)


def verify_images(args: argparse.Namespace) -> int:
    """Judge what the options name and print the verdicts; the exit code of `Tally`.

    Raises:
        GazeClipError: nothing named, or a bundle, engine or threshold that cannot be used.
    """
    silence_pillow()
    inputs = Inputs(args.images, args.files_from, args.null, args.save)
    if args.watch is not None:
        refuse_copies_within(args.watch, args.save)
    elif not inputs and not args.self_test:
        remedy = f"Run: {command_line('verify', 'IMAGE...')}"
        raise ConfigError("no images named", remedy=remedy)
    refuse_idle_options(args)
    beside = Beside.from_options(args)
    verifier, point = _load_verifier(args)
    if args.watch is None and not inputs:
        return CLEAN
    verifier.choose_reader(args.crop)  # what finds faces may be missing: told before any output
    session = _open_session(args, verifier, point, beside)
    if args.watch is not None:
        with stop_on_signals() as stop:
            watch = Watch(args.watch)
            session.work_off(inputs, stop, watch)
            session.follow(watch, stop)
        return session.close()
    try:
        session.work_off(inputs)
    except KeyboardInterrupt:
        say(f"interrupted after {session.tally.total()} results; the rest was not judged")
        return EXIT_INTERRUPTED
    except GazeClipError:
        session.break_off()
        raise
    return session.close()


def _open_session(
    args: argparse.Namespace, verifier: Verifier, point: OperatingPoint, beside: Beside
) -> Session:
    sampling = Sampling(args.every, args.max_frames)

    def judge(sources: Iterable[ImageSource]) -> Iterator[tuple[int, Outcome]]:
        asked = Asked(args.threshold, args.batch, args.prior, args.crop, args.frames, sampling)
        return verifier.numbered_outcomes(beside.watch(sources), asked)

    form = open_form(args, verifier, point, beside)
    copies = None if args.save is None else Copies(args.save)
    return Session(judge, form, Tally(args.crop), Remarks(args.frames), copies)


def _load_verifier(args: argparse.Namespace) -> tuple[Verifier, OperatingPoint]:
    verifier = open_verifier(args)
    args.crop = args.crop or verifier.default_crop
    point = verifier.bundle.operating_point(args.threshold, args.prior)
    for warning in describe_doubts(point, verifier.bundle.evidence):
        say(f"warning: {warning}")
    if args.self_test:
        differences = verifier.self_test()
        told = ", ".join(f"{name} {value:.2g}" for name, value in differences.items())
        say(f"self-test passed: {told}")
    return verifier, point
