"""Measure a run's teacher with each part off: the contents of the JSON file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from gazeclip.data.rows import Sample
from gazeclip.run.context import Context
from gazeclip.scoring.metrics import softmax
from gazeclip.scoring.outputs import SplitOutputs
from gazeclip.stages.load import load_teacher
from gazeclip.studies.ablation.differences import Figure
from gazeclip.studies.judge import label_outputs
from gazeclip.studies.parts.figures import (
    Answers,
    Faces,
    compare_with_whole,
    compute_figures,
    name_answers,
)
from gazeclip.studies.parts.judge import judge_split
from gazeclip.studies.parts.rows import ABSENT, Row, plan_rows
from gazeclip.studies.parts.verdict import judge_row
from gazeclip.teacher.model import GazeCLIP

UNSEEN = "test_unseen"


def measure_parts(context: Context, splits: Sequence[str], rounds: int) -> dict[str, Any]:
    """Gates, and per row its figures and differences on every split.

    Args:
        rounds: of the bootstrap.

    Raises:
        StageError: no teacher, one made from other data, or a split without images.
    """
    made_from = {name: context.run.output_hash(name) for name in ("teacher", "data")}
    model = load_teacher(context)
    gates = read_named_gates(model)
    with torch.inference_mode():
        rows = plan_rows(model)
    judged = {split: _judge_rows(context, model, rows, split) for split in splits}
    return {
        "run": context.run.name,
        "teacher": model.describe(),
        "made_from": made_from,
        "rounds": rounds,
        "gates": gates,
        "images": {split: len(faces.labels) for split, (faces, _) in judged.items()},
        "levels": {split: faces.level for split, (faces, _) in judged.items()},
        "rows": list(_summarise_rows(rows, judged, rounds)),
    }


def _judge_rows(
    context: Context, model: GazeCLIP, rows: Sequence[Row], split: str
) -> tuple[Faces, dict[str, Answers]]:
    """The split's faces, and the answers of every row that this teacher has."""
    settings = [setting for row in rows for setting in row.settings]
    found = judge_split(context, model, split, settings)
    faces = describe_faces(context.manifest.split(split), split, found)
    answers = {}
    start = 0
    for row in rows:
        mine = slice(start, start + len(row.settings))
        start = mine.stop
        if row.settings:
            answers[row.name] = name_answers(
                found["fake_logit"][mine],
                found["logits"][mine],
                faces,
                context.taxonomy,
                context.classes,
            )
    return faces, answers


def describe_faces(samples: Sequence[Sample], split: str, found: Mapping[str, np.ndarray]) -> Faces:
    """Labels and persons of a split's images.

    Raises:
        StageError: an output of the whole teacher, the first setting, is no number.
    """
    whole = {name: values[0] for name, values in found.items()}
    outputs: SplitOutputs = label_outputs(samples, whole)
    level: Any = "category+family" if split == UNSEEN else "class"
    return Faces(outputs.is_fake, outputs.labels, outputs.clusters, level)


def _summarise_rows(
    rows: Sequence[Row], judged: Mapping[str, tuple[Faces, dict[str, Answers]]], rounds: int
) -> Iterator[dict[str, Any]]:
    whole = rows[0]
    for row in rows:
        if not row.settings:
            yield {"part": row.name, "in_teacher": row.absent != ABSENT, "words": row.absent}
            continue
        summary: dict[str, Any] = {"part": row.name, "in_teacher": True, "words": ""}
        summary["settings"] = len(row.settings)
        summary["figures"] = {
            split: compute_figures(answers[row.name], faces)
            for split, (faces, answers) in judged.items()
        }
        if row is not whole:
            summary |= _compare_row(row.name, whole.name, judged, rounds)
        yield summary


def _compare_row(
    name: str, whole: str, judged: Mapping[str, tuple[Faces, dict[str, Answers]]], rounds: int
) -> dict[str, Any]:
    """Differences to the whole on every split, and what they say in words."""
    differences = {}
    is_identical = True
    for split, (faces, answers) in judged.items():
        differences[split] = compare_with_whole(answers[name], answers[whole], faces, rounds)
        is_identical = is_identical and answers[name].equals(answers[whole])
    verdict = judge_row(differences, is_identical)
    kept = {}
    for split, found in differences.items():
        kept[split] = {key: _keep_difference(figure) for key, figure in found.items()}
    return {
        "differences": kept,
        "identical": is_identical,
        "words": verdict.word,
        "helps": [list(key) for key in verdict.helps],
        "harms": [list(key) for key in verdict.harms],
    }


def _keep_difference(figure: Figure | None) -> dict[str, Any] | None:
    """Without the spread over seeds: here is one training."""
    return None if figure is None else {key: figure[key] for key in ("mean", "interval")}


def read_named_gates(model: GazeCLIP) -> dict[str, list[float]]:
    """Where the gates stand: `gamma`, `beta` per text block, `level_mix` after the softmax.

    Those that the teacher does not have are missing.
    """
    gates: dict[str, list[float]] = {}
    for name, values in model.read_gates().items():
        if name.endswith("level_weights"):
            gates["level_mix"] = softmax(np.array(values)).tolist()
        else:
            gates.setdefault(name.rsplit(".", 1)[-1], []).extend(values)
    return gates
