"""The verifier that a command's options name."""

from __future__ import annotations

import argparse
import logging
import warnings

from gazeclip.console.progress import say
from runtimes.loading import load
from runtimes.recent import recent_bundle
from runtimes.verifier import Verifier


def open_verifier(args: argparse.Namespace) -> Verifier:
    """The bundle of `add_engine_options` in its engine; the most recent one where none is named.

    Raises:
        GazeClipError: as of `runtimes.loading.load`, or there is no bundle.
    """
    folder = args.bundle
    if folder is None:
        folder = recent_bundle(args.engine)
        say(f"bundle: {folder} (the most recent; choose another with --bundle)")
    return load(
        folder,
        args.engine,
        args.threads,
        args.device,
        args.allow_rejected,
        args.trusted,
        args.text_bank,
        args.compute_units,
    )


def silence_pillow() -> None:
    """Pillow warns about metadata and sizes in its own words.

    What matters of it is an error or a warning of ours.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.")
    # Without a handler Python prints what Pillow logs of damaged files.
    logging.getLogger("PIL").addHandler(logging.NullHandler())
