"""What attribution gives a class that a text bank gained without a training.

    python -m benchmarks.text_bank --run runs/demo

The generators of split `test_unseen` were never seen by teacher or student. Each is added to the
bank by its name and from ten of its images, drawn anew in every round, and attribution is scored on
the images of persons who were not among the ten. What it costs the classes that were there is
scored on split `test`. The trained classes stand beside them: the row of each is taken out, and
made of ten images of the calibration split instead; the student was trained on those classes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.text_bank_scores import IMAGES, Data, Faces, Row, Share, score_images, score_row
from distill.bank_files import open_bundle_bank, refuse_other_teacher
from distill.bank_text import add_by_name, open_run_bank
from gazeclip.bundle.text_bank import TextBankFile
from gazeclip.cli.guard import guard
from gazeclip.cli.options import RECENT_RUN, find_run
from gazeclip.console.parser import CommandParser
from gazeclip.console.progress import progress_callback
from gazeclip.console.tables import MISSING, Table, print_table
from gazeclip.errors import ConfigError
from gazeclip.files.atomic import write_json
from gazeclip.run.context import Context
from gazeclip.stages.load import load_teacher
from gazeclip.taxonomy import Taxonomy
from gazeclip.teacher.model import GazeCLIP
from runtimes.batches import infer_in_batches
from runtimes.loading import load
from runtimes.verifier import Verifier

WEIGHTS = (1.0, 1.2)
BATCH = 32
SPLITS = ("test", "test_unseen", "calibration")
HEAD = (
    "class",
    "row made",
    "its images: top-1",
    "by its trained row",
    "others before",
    "others after",
)


def add_text_row(
    teacher: GazeCLIP, taxonomy: Taxonomy, bank: TextBankFile, name: str
) -> tuple[str, np.ndarray | None]:
    """How the row was made and the row `(D,)`: by as many levels as the teacher can read.

    Without a row, why there is none.
    """
    reason = ""
    for levels in range(teacher.lre.levels, 0, -1):
        try:
            longer = add_by_name(teacher, taxonomy, bank, taxonomy.get(name), levels)
        except ConfigError as error:
            reason = reason or error.message
            continue
        return f"text, {levels} of {teacher.lre.levels} levels", longer.embeddings[-1]
    return reason, None


def read_faces(context: Context, verifier: Verifier, split: str) -> Faces:
    """A split's embeddings by the bundle's model."""
    samples = context.manifest.split(split)
    pixels = context.read_pixels(split)
    with progress_callback(f"embedding {split}") as update:
        outputs = infer_in_batches(verifier.infer, pixels, BATCH, update)
    persons = np.array([sample.person for sample in samples])
    return Faces(outputs["embedding"], np.array(context.manifest.labels(split)), persons)


def choose_unseen(counts: Mapping[str, Mapping[str, int]], known: Sequence[str]) -> list[str]:
    """The generators of split `test_unseen` that no row is of.

    Args:
        counts: split -> label -> number of images.
        known: the classes of the bank.

    Raises:
        ConfigError: there is none, or another split has no images.
    """
    for split in SPLITS:
        if not counts.get(split):
            raise ConfigError(f"split {split} has no images", remedy="Use another run")
    added = [name for name in counts["test_unseen"] if name not in known]
    if not added:
        raise ConfigError("split test_unseen has no unseen generator", remedy="Use another run")
    return added


def measure(context: Context, verifier: Verifier, rounds: int) -> list[Row]:
    """All rows: the unseen generators, then the trained classes.

    Raises:
        ConfigError: the run has no images of unseen generators.
        ArtifactError: the bundle is of another teacher than the run's.
    """
    bundle = verifier.bundle
    bank = open_bundle_bank(bundle)
    teacher = open_run_bank(context).teacher
    refuse_other_teacher(bundle.folder, bank, teacher, f"run {context.run.root}")
    names = [entry.name for entry in bank.classes]
    added = choose_unseen(context.manifest.counts(), names)
    test, unseen, calibration = (read_faces(context, verifier, split) for split in SPLITS)
    targets = np.array([names.index(label) for label in test.labels])
    found = []
    for name in added:
        own = unseen.take(unseen.labels == name)
        found.append((name, Data(own, own, test, targets, rounds)))
    rows = measure_unseen(context, bank, found)
    for place, name in enumerate(names[1:], start=1):
        mine = test.labels == name
        pool = calibration.take(calibration.labels == name)
        data = Data(pool, test.take(mine), test.take(~mine), targets[~mine], rounds)
        rows.append(score_images(name, bank.embeddings, data, WEIGHTS[0], place))
    return rows


def measure_unseen(
    context: Context, bank: TextBankFile, found: Sequence[tuple[str, Data]]
) -> list[Row]:
    """Rows of classes that the bank gains, each by its name and from ten images."""
    teacher = load_teacher(context)
    rows = []
    for name, data in found:
        made, row = add_text_row(teacher, context.taxonomy, bank, name)
        if row is not None:
            rows.append(score_row(name, made, row, bank.embeddings, data))
        for weight in (*WEIGHTS, None):
            rows.append(score_images(name, bank.embeddings, data, weight))
    return rows


def _format(share: Share | None) -> str:
    if share is None:
        return MISSING
    if share.interval is None:
        return f"{share.value:.3f}"
    low, high = share.interval
    return f"{share.value:.3f} [{low:.3f}, {high:.3f}]"


def build_table(rows: Sequence[Row]) -> Table:
    """The rows as texts."""
    cells = []
    for row in rows:
        shares = (row.own, row.trained, row.before, row.after)
        cells.append((row.name, row.made, *map(_format, shares)))
    return Table(HEAD, cells, left=(0, 1))


def add_options(parser: argparse.ArgumentParser) -> None:
    """`--run`, `--rounds`, `--out`."""
    parser.add_argument("--run", type=Path, metavar="DIR", help=RECENT_RUN)
    parser.add_argument(
        "--rounds", type=int, default=20, metavar="N", help="draws of ten images (default: 20)"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write all figures as JSON")
    parser.add_argument("--debug", action="store_true", help="show a traceback on errors")


def refuse_rounds(rounds: int) -> None:
    """Refuse too few of them.

    Raises:
        ConfigError: there is none.
    """
    if rounds < 1:
        raise ConfigError(f"{rounds} rounds are too few", remedy="Use at least 1")


def describe(rows: Sequence[Row], bundle: Mapping[str, Any], rounds: int) -> dict[str, Any]:
    """All figures as JSON values."""
    made_by = {key: bundle[key] for key in ("target", "precision", "digest")}
    figures = [asdict(row) for row in rows]
    return {"bundle": made_by, "images": IMAGES, "rounds": rounds, "rows": figures}


def main(argv: list[str]) -> int:
    """Measure, print the table and write the figures."""
    parser = CommandParser(prog="python -m benchmarks.text_bank", description=__doc__)
    add_options(parser)
    parser.add_argument(
        "--bundle", type=Path, metavar="DIR", help="whose model embeds (default: the run's ONNX)"
    )
    args = parser.parse_args(argv)
    refuse_rounds(args.rounds)
    run = find_run(args.run)
    verifier = load(args.bundle or run.folder("export/onnx"), allow_rejected=True)
    rows = measure(Context(run), verifier, args.rounds)
    print_table(build_table(rows), sys.stdout)
    if args.out is not None:
        write_json(args.out, describe(rows, verifier.bundle.meta, args.rounds))
    return 0


if __name__ == "__main__":
    guard(main)
