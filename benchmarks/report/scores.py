"""scores.json: what every subject says of every image, so that two reports can be compared.

Kept out of report.json, which people read. No picture, path or name is in it: an image is the first
half of its file's SHA-256, a person a number.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure.accuracy import LEVELS
from benchmarks.measure.judge import Judged
from benchmarks.report.score_file import IDENTITY, SCHEMA
from gazeclip.files.hashes import sha256
from gazeclip.run.context import Context
from gazeclip.scoring.outputs import attribute

DIGEST = 32  # characters of a SHA-256
DECIMALS = 6  # of an LLR


def build_scores(context: Context, judged: Sequence[Judged]) -> dict[str, Any]:
    """The contents of scores.json.

    `splits` has the `images`, `labels` and `persons` of each split, the last null where nobody is
    named; `subjects` have `rank` (LLR without its limits), `answers` (first letters) and `correct`
    (1 where the generator was named) for each of them.
    """
    splits = {}
    for split, outputs in judged[0].outputs.items():
        clusters = outputs.clusters
        persons = None
        if clusters is not None:
            persons = np.unique(clusters, return_inverse=True)[1].tolist()
        splits[split] = {
            "images": [_shorten_digest(sample.path) for sample in context.manifest.split(split)],
            "labels": list(outputs.labels),
            "persons": persons,
        }
    subjects = [_describe_scores(context, item) for item in judged]
    return {"schema": SCHEMA, "splits": splits, "subjects": subjects}


def _describe_scores(context: Context, item: Judged) -> dict[str, Any]:
    subject = item.subject
    found: dict[str, Any] = {"name": subject.name}
    found |= {key: getattr(subject, key) for key in IDENTITY}
    found["splits"] = {}
    for split, outputs in item.outputs.items():
        named = attribute(
            outputs.class_probability(subject.temperature),
            outputs.labels,
            context.classes,
            context.taxonomy,
            LEVELS[split],
        )
        found["splits"][split] = {
            "rank": [round(float(llr), DECIMALS) for llr in item.rule.rank(outputs)],
            "answers": "".join(answer[0] for answer in item.rule.answer(outputs)),
            "correct": "".join("01"[int(hit)] for hit in named.true == named.predicted),
        }
    return found


def _shorten_digest(path: Path) -> str:
    return sha256(path)[:DIGEST]
