"""Subject by subject and figure by figure: two values, their difference, and how sure it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.compare.figures import FIGURES, POINTS, Figure
from benchmarks.compare.reading import (
    Source,
    find_image_difference,
    find_machine_differences,
    read_labels,
)
from benchmarks.measure.paired import compare_aucs, resample_difference, resample_shares
from benchmarks.measure.subject import TORCH
from benchmarks.report.plots import short_label
from benchmarks.report.score_file import name_key
from benchmarks.report.tables import SPLIT_TITLES

ROUNDS = 1000
SEED = 0
ANSWER_LETTERS = {"tpr": "f", "fpr": "f", "miss": "r", "unsure": "i"}


@dataclass(frozen=True)
class Difference:
    """One figure of one subject in both reports.

    `a`, `b`: None where not measured. `interval`: 95%, of b - a, in fractions; None where images
    cannot be paired. `p`: of DeLong's test. `obstacle`: why the two must not be compared.
    """

    figure: Figure
    a: float | None
    b: float | None
    interval: tuple[float, float] | None = None
    p: float | None = None
    obstacle: str | None = None


@dataclass(frozen=True)
class Pair:
    """One subject in both reports; `differences` by figure.

    `exported`: a bundle, which conditions apply to. `flipped`: images of all splits that are
    answered otherwise, of `images`; None where they cannot be paired.
    """

    label: str
    exported: bool
    differences: Mapping[str, Difference]
    flipped: int | None = None
    images: int = 0


@dataclass(frozen=True)
class Comparison:
    """All subjects that both have, and the exported ones that only one has."""

    pairs: tuple[Pair, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    machine: tuple[str, ...]


def compare_sources(a: Source, b: Source) -> Comparison:
    """Every figure of every subject that both reports have."""
    first = a.list_subjects()
    second = b.list_subjects()
    machine = tuple(find_machine_differences(a, b))
    images = {split: find_image_difference(a, b, split) for split in SPLIT_TITLES}
    pairs = []
    for key, entry in first.items():
        if key in second:
            pairs.append(_compare_subject(a, b, key, (entry, second[key]), machine, images))
    return Comparison(
        tuple(pairs),
        tuple(_name_subject(key, entry) for key, entry in first.items() if key not in second),
        tuple(_name_subject(key, entry) for key, entry in second.items() if key not in first),
        machine,
    )


def _name_subject(key: tuple[str, ...], entry: Mapping[str, Any]) -> str:
    """Its kind, and its name where that is needed to tell it from others."""
    label = short_label(entry)
    return label if key == name_key(entry) else f"{label} ({entry['name']})"


def _compare_subject(
    a: Source,
    b: Source,
    key: tuple[str, ...],
    entries: tuple[Mapping[str, Any], Mapping[str, Any]],
    machine: tuple[str, ...],
    images: Mapping[str, str | None],
) -> Pair:
    found: dict[str, Difference] = {}
    for figure in FIGURES.values():
        obstacle = None
        if figure.kind == "latency":
            obstacle = _find_latency_obstacle(entries, machine)
        elif figure.split is not None:
            obstacle = images[figure.split]
        found[figure.key] = Difference(
            figure, figure.read(entries[0]), figure.read(entries[1]), obstacle=obstacle
        )
    flipped = 0
    count = 0
    for split, obstacle in images.items():
        both = (a.find_scores(key, split), b.find_scores(key, split))
        if obstacle is None and both[0] is not None and both[1] is not None:
            labels = read_labels(a, split)
            found |= _add_intervals(found, split, labels, both[0], both[1])
            pairs = zip(both[0]["answers"], both[1]["answers"], strict=True)
            flipped += sum(first != second for first, second in pairs)
            count += len(labels[0])
    exported = entries[0]["framework"] != TORCH
    return Pair(_name_subject(key, entries[0]), exported, found, flipped if count else None, count)


def _find_latency_obstacle(
    entries: tuple[Mapping[str, Any], Mapping[str, Any]], machine: tuple[str, ...]
) -> str | None:
    """Why two latencies say nothing beside each other."""
    if machine:
        return f"measured on different machines: {'; '.join(machine)}"
    first, second = (entry["latency_ms"] for entry in entries)
    for key in ("threads", "batch"):
        if first[key] != second[key]:
            return f"measured with {key} {first[key]} and {second[key]}"
    which = [name for name, one in (("first", first), ("second", second)) if one.get("disturbed")]
    if which:
        return f"other work disturbed the measurement of the {' and the '.join(which)}"
    return None


def _add_intervals(
    found: Mapping[str, Difference],
    split: str,
    labels: tuple[np.ndarray, np.ndarray | None],
    a: Mapping[str, Any],
    b: Mapping[str, Any],
) -> dict[str, Difference]:
    """The differences of a split that images can be paired for, with their intervals."""
    fake, persons = labels
    by_kind = {
        one.figure.kind: one
        for one in found.values()
        if one.figure.split == split and one.a is not None and one.b is not None
    }
    result = {}
    options: dict[str, Any] = {"clusters": persons, "rounds": ROUNDS, "seed": SEED}
    if "auc" in by_kind:
        rank_a = np.array(a["rank"], dtype=np.float64)
        rank_b = np.array(b["rank"], dtype=np.float64)
        test = compare_aucs(fake, rank_a, rank_b)
        interval = resample_difference(fake, rank_a, rank_b, **options)
        p = None if test is None else test.p
        result[by_kind["auc"].figure.key] = _with_interval(by_kind["auc"], interval, p)
    everything = np.ones(len(fake), dtype=bool)
    for rows, kinds in (
        (fake, ("tpr", "miss")),
        (~fake, ("fpr",)),
        (everything, ("unsure", "acc")),
    ):
        wanted = [kind for kind in kinds if kind in by_kind]
        changes = [_read_hits(b, kind) - _read_hits(a, kind) for kind in wanted]
        intervals = resample_shares(rows, changes, **options) if wanted else []
        for kind, interval in zip(wanted, intervals, strict=True):
            result[by_kind[kind].figure.key] = _with_interval(by_kind[kind], interval)
    return result


def _read_hits(scores: Mapping[str, Any], kind: str) -> np.ndarray:
    """1 for each image that counts for a share, else 0, `(N,)`."""
    if kind == "acc":
        return np.array([float(hit) for hit in scores["correct"]])
    letter = ANSWER_LETTERS[kind]
    return np.array([float(answer == letter) for answer in scores["answers"]])


def _with_interval(
    one: Difference, interval: tuple[float, float] | None, p: float | None = None
) -> Difference:
    return Difference(one.figure, one.a, one.b, interval, p, one.obstacle)


def describe_change(one: Difference) -> str:
    """The difference in the figure's first unit, with its interval; empty where not comparable."""
    if one.a is None or one.b is None or one.obstacle is not None:
        return ""
    figure = one.figure
    if figure.kind in ("latency", "size"):
        return f"{figure.change(one.a, one.b, 'x'):.2f}x"
    scale = 100.0 if figure.units[0] == POINTS else 1.0
    decimals = 1 if scale == 100.0 else 3
    text = f"{scale * (one.b - one.a):+.{decimals}f} {figure.units[0]}"
    if one.interval is not None:
        low, high = (scale * bound for bound in one.interval)
        text += f" [{low:+.{decimals}f}, {high:+.{decimals}f}]"
    return text
