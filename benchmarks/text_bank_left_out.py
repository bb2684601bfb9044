"""What attribution gives a trained generator that is left out, and then added to the text bank.

    python -m benchmarks.text_bank_left_out swap_gan --run runs/demo

Beside the run its twin is made, `runs/demo-without-swap_gan`: the same recipe, seed and images, but
for the generator's, which leave train, val and calibration and move from test to test_unseen. All
that learns is trained anew. Then the class is added by its name and from ten images, as
`benchmarks.text_bank` does, and the run's own student, which was trained with the class, judges the
same images. What is done already is not done again, so that a stopped command goes on.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.text_bank import (
    add_options,
    add_text_row,
    build_table,
    describe,
    measure_unseen,
    read_faces,
    refuse_rounds,
)
from benchmarks.text_bank_scores import TRAINED, Data, Faces, Row, count_best, score_trained
from distill.bank_files import open_bundle_bank, refuse_other_teacher
from distill.bank_text import open_run_bank
from gazeclip.bundle.layout import Precision
from gazeclip.cli.guard import guard
from gazeclip.cli.options import find_run
from gazeclip.commands.pipeline import run_stage
from gazeclip.commands.preflight import preflight_teacher
from gazeclip.console.lines import print_line
from gazeclip.console.parser import CommandParser
from gazeclip.console.progress import say
from gazeclip.console.tables import print_table
from gazeclip.data.hold_out import write_hold_out
from gazeclip.errors import ConfigError, nearest
from gazeclip.files.atomic import write_json
from gazeclip.images.crop_rule import WHOLE
from gazeclip.recipe.load import save_recipe
from gazeclip.recipe.stages import DataConfig, Recipe
from gazeclip.run.context import Context
from gazeclip.run.folder import RECIPE, Run
from gazeclip.run.lock import lock_run
from gazeclip.run.stages import bundle_stage
from gazeclip.stages.load import load_teacher
from gazeclip.taxonomy import REAL
from runtimes.loading import load
from runtimes.verifier import Verifier

LEARNED = ("data", "backbone", "teacher", "text_bank", "cache", "student")
# Both students in float: what is asked is what a student learned, not what eight bits keep of it.
TARGET = "onnx"
PRECISION: Precision = "fp32"
HELD_OUT = "held_out"  # in the twin's folder: its manifest and taxonomy
ABSENT = "no row"  # how an image's best row was chosen


@dataclass(frozen=True)
class Measured:
    """What was found of the class that was left out.

    Attributes:
        rows: by its name, by ten images, and last by the student that was trained with it.
        taken_for: by how a row was made: how many of the class's images go to which class.
    """

    rows: list[Row]
    taken_for: dict[str, dict[str, int]]


def plan_twin(context: Context, name: str, folder: Path) -> Recipe:
    """The recipe of a run without one generator, whose manifest and taxonomy are written.

    Args:
        folder: of the twin.

    Raises:
        ConfigError: the run was not trained on such a generator.
    """
    trained = [label for label in context.classes if label != REAL]
    if name not in trained:
        what = f"{context.run.root} was not trained on the generator '{name}'"
        raise ConfigError(what, remedy=nearest(name, trained))
    recipe = context.recipe
    held = folder / HELD_OUT
    write_hold_out(context.manifest.path, recipe.data.taxonomy, (), (name,), held)
    return replace(
        recipe,
        name=f"{recipe.name}-without-{name}",
        data=_point_at(recipe.data, context, held),
    )


def _point_at(data: DataConfig, context: Context, held: Path) -> DataConfig:
    """The run's data without the generator. A manifest of drawn faces says nothing of their cut."""
    manifest = str((held / "manifest.csv").absolute())
    taxonomy = str((held / "taxonomy.yaml").absolute())
    changed = replace(data, manifest=manifest, taxonomy=taxonomy)
    rule = context.crop
    if rule is None:
        return changed
    if rule.kind == WHOLE:
        return replace(changed, crop="whole")
    return replace(changed, crop="face", crop_side=rule.side, crop_lift=rule.lift)


def train_twin(context: Context, name: str) -> Run:
    """The run's twin beside it, trained and exported as far as it is not.

    Raises:
        ConfigError: as of `plan_twin`, or the recipe cannot be trained here.
        StageError: another process is working on it, or parity was missed.
    """
    from export.exporter import Exporter  # torch; after faults of the options are told
    from export.stage import export_one

    root = context.run.root
    twin = Run(root.parent / f"{context.run.name}-without-{name}")
    recipe = plan_twin(context, name, twin.root)
    preflight_teacher(recipe)
    say(f"run: {twin.root}")
    try:
        with lock_run(twin):
            save_recipe(recipe, twin.root / RECIPE)
            for stage in LEARNED:
                run_stage(twin, stage)
            export_one(Exporter(twin, text_bank="external"), TARGET, PRECISION)
    finally:
        # Stages mark the twin; commands without --run mean this one.
        context.run.mark_recent()
    return twin


def measure_left_out(
    context: Context, verifier: Verifier, with_it: Verifier, name: str, rounds: int
) -> Measured:
    """What attribution gives the class that was left out, and what it costs the others.

    Args:
        context: of the run that was trained without it.
        verifier: its bundle.
        with_it: the bundle that was trained with it.
    """
    bank = open_bundle_bank(verifier.bundle)
    names = [entry.name for entry in bank.classes]
    test = read_faces(context, verifier, "test")
    own = _take_label(read_faces(context, verifier, "test_unseen"), name)
    data = Data(own, own, test, _find_rows(test.labels, names), rounds)
    rows = measure_unseen(context, bank, [(name, data)])
    taken_for = {ABSENT: count_best(own.embeddings, bank.embeddings, names)}
    made, row = add_text_row(load_teacher(context), context.taxonomy, bank, name)
    if row is not None:
        longer = np.vstack([bank.embeddings, row])
        taken_for[made] = count_best(own.embeddings, longer, [*names, name])
    trained, taken_for[TRAINED] = judge_trained(context, with_it, name, rounds)
    return Measured([*rows, trained], taken_for)


def judge_trained(
    context: Context, verifier: Verifier, name: str, rounds: int
) -> tuple[Row, dict[str, int]]:
    """The student that was trained with the class, on the images of the run without it."""
    bank = open_bundle_bank(verifier.bundle)
    names = [entry.name for entry in bank.classes]
    others = read_faces(context, verifier, "test")
    own = _take_label(read_faces(context, verifier, "test_unseen"), name)
    data = Data(own, own, others, _find_rows(others.labels, names), rounds)
    row = score_trained(name, bank.embeddings, data, names.index(name))
    return row, count_best(own.embeddings, bank.embeddings, names)


def _take_label(faces: Faces, name: str) -> Faces:
    return faces.take(faces.labels == name)


def _find_rows(labels: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """The number of each label's row, `(N,)`."""
    return np.array([names.index(label) for label in labels])


def open_trained(context: Context) -> Verifier:
    """The run's own bundle, whose teacher is that which the run has now.

    Raises:
        StageError: it has not been exported, with the command that does.
        ArtifactError: it is of another teacher.
    """
    run = context.run
    stage = bundle_stage(TARGET, PRECISION)
    run.manifest(stage)
    verifier = load(run.folder(stage), allow_rejected=True)
    bank = open_bundle_bank(verifier.bundle)
    teacher = open_run_bank(context).teacher
    refuse_other_teacher(verifier.bundle.folder, bank, teacher, f"run {run.root}")
    return verifier


def describe_left_out(
    found: Measured, verifier: Verifier, with_it: Verifier, name: str, rounds: int
) -> dict[str, Any]:
    """All figures as JSON values."""
    facts = describe(found.rows, verifier.bundle.meta, rounds)
    trained = describe((), with_it.bundle.meta, rounds)["bundle"]
    return {**facts, "left_out": name, "trained_with_it": trained, "taken_for": found.taken_for}


def print_taken_for(taken_for: dict[str, dict[str, int]]) -> None:
    """One line for each way in which a row was made."""
    for made, counts in taken_for.items():
        parts = ", ".join(f"{label} {count}" for label, count in counts.items())
        print_line(f"{made}: its images are taken for {parts}")


def main(argv: list[str]) -> int:
    """Train the twin, measure, print the table and write the figures."""
    parser = CommandParser(prog="python -m benchmarks.text_bank_left_out", description=__doc__)
    parser.add_argument("name", metavar="GENERATOR", help="one that the run was trained on")
    add_options(parser)
    args = parser.parse_args(argv)
    refuse_rounds(args.rounds)
    context = Context(find_run(args.run))
    with_it = open_trained(context)
    twin = train_twin(context, args.name)
    verifier = load(twin.folder(bundle_stage(TARGET, PRECISION)))
    found = measure_left_out(Context(twin), verifier, with_it, args.name, args.rounds)
    print_table(build_table(found.rows), sys.stdout)
    print_taken_for(found.taken_for)
    if args.out is not None:
        write_json(args.out, describe_left_out(found, verifier, with_it, args.name, args.rounds))
    return 0


if __name__ == "__main__":
    guard(main)
