"""The robustness grid: every subject on the test images under every disturbance and strength.

Nothing is ever tuned on it: subjects answer by the rule that ships. Pictures are decoded one at a
time, and what waits for the engines is bounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.measure.degrade import Cell, list_cells
from benchmarks.measure.judge import SPLITS
from benchmarks.measure.subject import Subject
from gazeclip.console.progress import progress_callback
from gazeclip.data.manifest import Manifest
from gazeclip.data.rows import Sample
from gazeclip.images.preprocess import PixelContract, load_image
from gazeclip.scoring import metrics
from gazeclip.scoring.outputs import SplitOutputs
from gazeclip.scoring.thresholds import FAKE, rate_interval
from gazeclip.studies.judge import label_outputs
from gazeclip.taxonomy import REAL

BUFFER_BYTES = 128_000_000  # of disturbed pixels that wait for the engines
KEPT = ("fake_logit", "logits")


def measure_grid(
    manifest: Manifest, contract: PixelContract, subjects: Sequence[Subject], limit: int, seed: int
) -> dict[str, Any]:
    """The `robustness` of report.json: `cells`, and of every subject and split the figures.

    Args:
        limit: images of each split, half of them real and the others spread over the generators;
            0 for all.
    """
    cells = list(list_cells())
    found: dict[str, Any] = {
        "cells": [
            {"family": cell.family.key, "level": cell.level, "title": cell.title} for cell in cells
        ],
        "limit": limit,
        "seed": seed,
        "subjects": [_describe_identity(subject) for subject in subjects],
    }
    for split in SPLITS:
        samples = manifest.split(split)
        if not samples:
            continue
        rows = choose_rows([sample.label for sample in samples], limit, seed)
        title = f"robustness on {split}"
        outputs = judge_cells(samples, rows, cells, subjects, contract, seed, title)
        for entry, subject, of_cells in zip(found["subjects"], subjects, outputs, strict=True):
            entry["splits"][split] = summarise_cells(subject, of_cells)
    return found


def choose_rows(labels: Sequence[str], limit: int, seed: int) -> list[int]:
    """Numbers of the chosen images in their order; all where `limit` is 0 or too large.

    Half are real. Within real and forged ones the labels take turns, each in an order of its own.
    """
    if not limit or limit >= len(labels):
        return list(range(len(labels)))
    rng = np.random.default_rng(seed)
    of_label: dict[str, list[int]] = {}
    for row in rng.permutation(len(labels)):
        of_label.setdefault(labels[row], []).append(int(row))
    real = of_label.pop(REAL, [])
    forged = _take_turns([of_label[label] for label in sorted(of_label)])
    n_real = min(len(real), max(limit // 2, limit - len(forged)))
    return sorted(real[:n_real] + forged[: limit - n_real])


def _take_turns(queues: Sequence[list[int]]) -> list[int]:
    """One of each queue, then the second of each, and so on."""
    longest = max(map(len, queues), default=0)
    return [queue[turn] for turn in range(longest) for queue in queues if turn < len(queue)]


def judge_cells(
    samples: Sequence[Sample],
    rows: Sequence[int],
    cells: Sequence[Cell],
    subjects: Sequence[Subject],
    contract: PixelContract,
    seed: int,
    title: str,
) -> list[list[SplitOutputs]]:
    """Of every subject its outputs on the clean images, and then on those of every cell."""
    side = contract.size
    versions = len(cells) + 1
    at_once = max(1, BUFFER_BYTES // (versions * side * side * 3))
    parts: list[list[dict[str, np.ndarray]]] = [[] for _ in subjects]
    with progress_callback(title) as update:
        for start in range(0, len(rows), at_once):
            chunk = rows[start : start + at_once]
            # (images, versions, S, S, 3)
            pixels = np.empty((len(chunk), versions, side, side, 3), dtype=np.uint8)
            for place, row in enumerate(chunk):
                pixels[place] = disturb_image(samples[row], row, cells, contract, seed)
                update(start + place, len(rows))
            flat = pixels.reshape(-1, side, side, 3)
            for subject, found in zip(subjects, parts, strict=True):
                outputs = subject.predict(flat)
                shape = (len(chunk), versions, -1)
                found.append({key: outputs[key].reshape(shape) for key in KEPT})
    chosen = [samples[row] for row in rows]
    result = []
    for found in parts:
        whole = {key: np.concatenate([part[key] for part in found]) for key in KEPT}
        result.append(
            [
                label_outputs(chosen, {key: array[:, version] for key, array in whole.items()})
                for version in range(versions)
            ]
        )
    return result


def disturb_image(
    sample: Sample, row: int, cells: Sequence[Cell], contract: PixelContract, seed: int
) -> np.ndarray:
    """One picture clean and under every cell, as models take it: uint8 `(1 + cells, S, S, 3)`."""
    image = load_image(sample.path, draft_size=contract.size)
    found = [contract.apply(image)]
    found += [contract.apply(cell.degrade(image, seed, row)) for cell in cells]
    return np.stack(found)


def summarise_cells(subject: Subject, outputs: Sequence[SplitOutputs]) -> dict[str, Any]:
    """`clean`, and `cells` in the order of the grid; see `measure_cell`."""
    rule = subject.require_rule()
    clean = rule.answer(outputs[0])
    figures = []
    for one in outputs:
        figures.append(measure_cell(one.is_fake, rule.rank(one), rule.answer(one), clean))
    return {"clean": figures[0], "cells": figures[1:]}


def measure_cell(
    fake: np.ndarray, rank: np.ndarray, answers: np.ndarray, clean: np.ndarray
) -> dict[str, Any]:
    """Figures of one cell from `(N,)` each; None where there is no such image.

    `tpr`, `fpr`: forged and real images called fake, with 95% intervals of Clopper and Pearson.
    `balanced`: mean of `tpr` and the share of real images not called fake. `flips`: answered
    otherwise than the clean image.
    """
    called = answers == FAKE
    n_fake = int(fake.sum())
    n_real = len(fake) - n_fake
    tpr = float(called[fake].mean()) if n_fake else None
    fpr = float(called[~fake].mean()) if n_real else None
    return {
        "n": len(fake),
        "n_real": n_real,
        "auc": metrics.roc_auc(fake, rank),
        "tpr": tpr,
        "tpr_interval": _as_list(rate_interval(int(called[fake].sum()), n_fake)),
        "fpr": fpr,
        "fpr_interval": _as_list(rate_interval(int(called[~fake].sum()), n_real)),
        "balanced": None if tpr is None or fpr is None else (tpr + 1.0 - fpr) / 2.0,
        "flips": float((answers != clean).mean()) if len(fake) else None,
    }


def _describe_identity(subject: Subject) -> dict[str, Any]:
    keys = ("name", "role", "framework", "engine", "precision")
    return {**{key: getattr(subject, key) for key in keys}, "splits": {}}


def _as_list(interval: tuple[float, float] | None) -> list[float] | None:
    return None if interval is None else list(interval)
