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
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from distill.bank_files import open_bundle_bank
from distill.bank_images import make_row
from distill.bank_text import add_by_name
from gazeclip.bundle.text_bank import TextBankFile
from gazeclip.cli.guard import guard
from gazeclip.cli.options import RECENT_RUN, find_run
from gazeclip.console.parser import CommandParser
from gazeclip.console.progress import progress_callback
from gazeclip.console.tables import MISSING, Table, print_table
from gazeclip.errors import ConfigError
from gazeclip.files.atomic import write_json
from gazeclip.run.context import Context
from gazeclip.scoring.metrics import bootstrap_counts, percentile_interval
from gazeclip.stages.load import load_teacher
from gazeclip.taxonomy import Taxonomy
from gazeclip.teacher.model import GazeCLIP
from runtimes.batches import infer_in_batches
from runtimes.verifier import Verifier, load

IMAGES = 10
WEIGHTS = (1.0, 1.2)
UNIT = "unit length"  # what a prototype does that is not scaled
BATCH = 32
DRAWS = 1000  # of the bootstrap
HEAD = (
    "class",
    "row made",
    "its images: top-1",
    "by its trained row",
    "others before",
    "others after",
)


@dataclass(frozen=True)
class Faces:
    """Embeddings `(N, D)` of labelled images, `labels (N,)` and who is seen, `persons (N,)`."""

    embeddings: np.ndarray
    labels: np.ndarray
    persons: np.ndarray

    def take(self, mask: np.ndarray) -> Faces:
        """Those of a mask `(N,)`."""
        return Faces(self.embeddings[mask], self.labels[mask], self.persons[mask])


@dataclass(frozen=True)
class Data:
    """What a class is scored on.

    Attributes:
        pool: its images that the ten are drawn from.
        own: its images to be scored; those of persons among the ten are left out.
        others: images of the classes that are in the bank.
        targets: their rows, `(N,)`.
    """

    pool: Faces
    own: Faces
    others: Faces
    targets: np.ndarray
    rounds: int
    seed: int = 0


@dataclass(frozen=True)
class Share:
    """A share of images, its 95% interval, and of how many images and draws of ten it is."""

    value: float
    interval: tuple[float, float] | None
    n: int
    rounds: int = 1


@dataclass(frozen=True)
class Row:
    """One class, added in one way: shares of images whose best row is the right one.

    Attributes:
        made: `text, N levels`, or `images`, with the weight.
        own: of the class's images.
        trained: of the class's images by the row that it was trained with; None: it has none.
        before: of the other classes' images, without the new row.
        after: the same with it.
    """

    name: str
    made: str
    own: Share
    trained: Share | None
    before: Share
    after: Share


def find_best(embeddings: np.ndarray, bank: np.ndarray) -> np.ndarray:
    """The number of each image's best row, `(N,)`."""
    best: np.ndarray = (embeddings @ bank.T).argmax(axis=1)
    return best


def weigh_rounds(hits: Sequence[np.ndarray], persons: Sequence[np.ndarray], seed: int) -> Share:
    """The mean share over rounds, each of other images.

    Every draw of the bootstrap takes one round at random and resamples its persons, so that the
    interval holds what the choice of the ten does as well.
    """
    rng = np.random.default_rng(seed)
    values = []
    for draw in range(DRAWS):
        chosen = int(rng.integers(len(hits)))
        (counts,) = bootstrap_counts(len(hits[chosen]), 1, seed + draw, persons[chosen])
        values.append(float((hits[chosen] * counts).sum() / counts.sum()))
    mean = float(np.mean([hit.mean() for hit in hits]))
    return Share(mean, percentile_interval(values), len(hits[0]), len(hits))


def score_row(name: str, made: str, row: np.ndarray, bank: np.ndarray, data: Data) -> Row:
    """A class with one row that is the same in every round."""
    longer = np.vstack([bank, row])
    own = find_best(data.own.embeddings, longer) == len(bank)
    after = find_best(data.others.embeddings, longer) == data.targets
    before = find_best(data.others.embeddings, bank) == data.targets
    persons = data.others.persons
    return Row(
        name,
        made,
        weigh_rounds([own], [data.own.persons], data.seed),
        None,
        weigh_rounds([before], [persons], data.seed),
        weigh_rounds([after], [persons], data.seed),
    )


def score_images(
    name: str, bank: np.ndarray, data: Data, weight: float | None, place: int | None = None
) -> Row:
    """A class whose row is made of ten images, drawn anew in each round.

    Args:
        weight: of `make_row`; None: a row of unit length.
        place: the row that is replaced; None: one is added.
    """
    known = bank if place is None else np.delete(bank, place, axis=0)  # what the ten compare with
    rng = np.random.default_rng(data.seed)
    own = []
    after = []
    persons = []
    for _ in range(data.rounds):
        ten = rng.permutation(len(data.pool.labels))[:IMAGES]
        row = make_row(data.pool.embeddings[ten], known, weight or 1.0)
        if weight is None:
            row = row / np.linalg.norm(row)
        rows = np.vstack([bank, row]) if place is None else bank.copy()
        if place is not None:
            rows[place] = row
        rest = data.own.take(~np.isin(data.own.persons, data.pool.persons[ten]))
        own.append(find_best(rest.embeddings, rows) == (len(bank) if place is None else place))
        persons.append(rest.persons)
        after.append(find_best(data.others.embeddings, rows) == data.targets)
    others = [data.others.persons]
    before = weigh_rounds(
        [find_best(data.others.embeddings, bank) == data.targets], others, data.seed
    )
    trained = None
    if place is not None:
        hits = find_best(data.own.embeddings, bank) == place
        trained = weigh_rounds([hits], [data.own.persons], data.seed)
    made = f"{IMAGES} images, {UNIT if weight is None else f'weight {weight:g}'}"
    scored = weigh_rounds(own, persons, data.seed)
    costs = weigh_rounds(after, others * data.rounds, data.seed)
    return Row(name, made, scored, trained, before, costs)


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


def measure(context: Context, verifier: Verifier, rounds: int) -> list[Row]:
    """All rows: the unseen generators, then the trained classes.

    Raises:
        ConfigError: the run has no images of unseen generators.
    """
    bank = open_bundle_bank(verifier.bundle)
    names = [entry.name for entry in bank.classes]
    test = read_faces(context, verifier, "test")
    unseen = read_faces(context, verifier, "test_unseen")
    calibration = read_faces(context, verifier, "calibration")
    place = {name: number for number, name in enumerate(names)}
    targets = np.array([place[label] for label in test.labels])
    added = [name for name in dict.fromkeys(unseen.labels.tolist()) if name not in place]
    if not added:
        raise ConfigError("split test_unseen has no unseen generator", remedy="Use another run")
    teacher = load_teacher(context)
    rows = []
    for name in added:
        own = unseen.take(unseen.labels == name)
        data = Data(own, own, test, targets, rounds)
        made, row = add_text_row(teacher, context.taxonomy, bank, name)
        if row is not None:
            rows.append(score_row(name, made, row, bank.embeddings, data))
        for weight in (*WEIGHTS, None):
            rows.append(score_images(name, bank.embeddings, data, weight))
    for name in names[1:]:
        mine = test.labels == name
        pool = calibration.take(calibration.labels == name)
        data = Data(pool, test.take(mine), test.take(~mine), targets[~mine], rounds)
        rows.append(score_images(name, bank.embeddings, data, WEIGHTS[0], place[name]))
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
    """`--run`, `--bundle`, `--rounds`, `--out`."""
    parser.add_argument("--run", type=Path, metavar="DIR", help=RECENT_RUN)
    parser.add_argument(
        "--bundle", type=Path, metavar="DIR", help="whose model embeds (default: the run's ONNX)"
    )
    parser.add_argument(
        "--rounds", type=int, default=20, metavar="N", help="draws of ten images (default: 20)"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write all figures as JSON")
    parser.add_argument("--debug", action="store_true", help="show a traceback on errors")


def describe(rows: Sequence[Row], bundle: Mapping[str, Any], rounds: int) -> dict[str, Any]:
    """All figures as JSON values."""
    made_by = {key: bundle[key] for key in ("target", "precision", "digest")}
    figures = [asdict(row) for row in rows]
    return {"bundle": made_by, "images": IMAGES, "rounds": rounds, "rows": figures}


def main(argv: list[str]) -> int:
    """Measure, print the table and write the figures."""
    parser = CommandParser(prog="python -m benchmarks.text_bank", description=__doc__)
    add_options(parser)
    args = parser.parse_args(argv)
    if args.rounds < 1:
        raise ConfigError(f"{args.rounds} rounds are too few", remedy="Use at least 1")
    run = find_run(args.run)
    verifier = load(args.bundle or run.folder("export/onnx"), allow_rejected=True)
    rows = measure(Context(run), verifier, args.rounds)
    print_table(build_table(rows), sys.stdout)
    if args.out is not None:
        write_json(args.out, describe(rows, verifier.bundle.meta, args.rounds))
    return 0


if __name__ == "__main__":
    guard(main)
