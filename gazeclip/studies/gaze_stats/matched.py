"""Forgeries against the very photographs they were made from, which takes the choice of photographs
out of the comparison.

A face swap counts as the person whose photograph it altered (its target), so `identity` leads to
that photograph. What
remains different is the forging: the swapped face on the same head, in the same crop.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gazeclip.errors import ConfigError
from gazeclip.studies.gaze_stats import statistics
from gazeclip.studies.gaze_stats.compare import (
    ANGLES,
    BOOTSTRAPS,
    MIN_IMAGES,
    Group,
    correct,
    random_for,
)
from gazeclip.taxonomy import REAL, Taxonomy

ALTERED = (
    "face_swap",
    "attribute_manipulation",
)  # made from a photograph of the same identity; others share a name at most


@dataclass(frozen=True)
class Pairs:
    """One angle of forgeries and of the photographs behind them, `(N,)` each, and indices of one
    pair per person.
    """

    forged: np.ndarray
    photographs: np.ndarray
    people: np.ndarray
    single: np.ndarray


def compare_matched(
    groups: Mapping[str, Group],
    taxonomy: Taxonomy,
    source: str | None,
    permutations: int,
    seed: int,
) -> list[dict[str, Any]]:
    """One entry per altering generator with enough pairs: per angle the spread of the chosen
    photographs and of the forgeries.

    Args:
        source: group 1 of this pattern in a forgery's file name is the file stem of the photograph
            that gave the face.
    """
    entries = []
    for name, group in groups.items():
        if taxonomy.get(name).category in ALTERED:
            targets = target_indices(group, groups[REAL], seed)
            entry = _compare(group, groups[REAL], targets, permutations, seed)
            if entry is not None:
                if source is not None:
                    _add_source(entry, group, groups[REAL], targets, source)
                entries.append(entry)
    correct(entries, [("energy", "p")])
    correct(entries, [("pitch", "forging_p"), ("yaw", "forging_p")], together=True)
    correct(entries, [("pitch", "selection_p"), ("yaw", "selection_p")], together=True)
    return entries


def target_indices(group: Group, real: Group, seed: int) -> np.ndarray:
    """For each forgery the index of a real photograph of the same person, -1 where there is none;
    of several one is drawn.

    Their mean would not do: it spreads less than any of them.
    """
    rng = random_for(seed, group.name, "targets")
    photographs = real.positions
    return np.array(
        [
            int(rng.choice(photographs[person])) if person in photographs else -1
            for person in group.people.tolist()
        ]
    )


def source_indices(group: Group, real: Group, pattern: str) -> np.ndarray:
    """For each forgery the index of the real photograph whose file stem the pattern finds in its
    file name, or -1.

    Raises:
        ConfigError: not a pattern with a group, or it finds nothing at all.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ConfigError(
            f"--source '{pattern}' is no regular expression ({error})",
            remedy="Example: --source '__([0-9]+)'",
        ) from error
    if compiled.groups < 1:
        raise ConfigError(
            f"--source '{pattern}' has no group",
            remedy="Put the part that names the photograph in brackets: '__([0-9]+)'",
        )
    stems = {sample.path.stem: index for index, sample in enumerate(real.samples)}
    found = [compiled.search(sample.path.name) for sample in group.samples]
    indices = np.array([stems.get(match.group(1), -1) if match else -1 for match in found])
    if (indices < 0).all():
        raise ConfigError(
            f"--source '{pattern}' finds no real photograph for '{group.name}'",
            remedy="It must give a real image's file stem",
        )
    return indices


def _compare(
    group: Group, real: Group, targets: np.ndarray, permutations: int, seed: int
) -> dict[str, Any] | None:
    paired = np.flatnonzero(targets >= 0)
    people = group.people[paired]
    single = statistics.one_per_cluster(people, random_for(seed, group.name, "pairs"))
    if len(single) < MIN_IMAGES:
        return None
    forged, photographs = group.gaze[paired], real.gaze[targets[paired]]
    others = np.setdiff1d(real.single, targets[paired])
    entry: dict[str, Any] = {
        "name": group.name,
        "pairs": len(paired),
        "people": len(single),
        "other_photographs": len(others),
    }
    test = statistics.paired_energy_test(
        forged[single], photographs[single], permutations, random_for(seed, group.name, "matched")
    )
    entry["energy"] = {"distance": test.statistic, "p": test.p}
    for axis, angle in enumerate(ANGLES):
        rng = random_for(seed, group.name, "matched", angle)
        pair = Pairs(forged[:, axis], photographs[:, axis], people, single)
        entry[angle] = _compare_angle(
            pair, real.gaze[:, axis], real.gaze[others, axis], permutations, rng
        )
    return entry


def _compare_angle(
    pair: Pairs,
    everybody: np.ndarray,
    rest: np.ndarray,
    permutations: int,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """From all real photographs `everybody` to those that were altered (selection), and from those
    to the forgeries (forging).
    """
    x, y = pair.forged, pair.photographs
    state = int(rng.integers(2**31))  # the same people are resampled in both
    boot = [
        statistics.cluster_stds(values, pair.people, BOOTSTRAPS, np.random.default_rng(state))
        for values in (x, y)
    ]
    differences = statistics.cluster_means(x - y, pair.people, BOOTSTRAPS, rng)
    forging = statistics.paired_spread_test(x[pair.single], y[pair.single], permutations, rng)
    selection = (
        statistics.spread_test(y[pair.single], rest, permutations, rng).p
        if len(rest) >= MIN_IMAGES
        else None
    )
    return {
        "all_real_std": float(everybody.std()),
        "photographs_std": float(y.std()),
        "forged_std": float(x.std()),
        "selection_ratio": statistics.ratio(float(y.std()), float(everybody.std())),
        "selection_p": selection,
        "forging_ratio": statistics.ratio(float(x.std()), float(y.std())),
        "forging_ratio_interval": statistics.ratio_interval(*boot),
        "forging_p": forging.p,
        "mean_difference": float((x - y).mean()),
        "mean_difference_interval": statistics.interval(differences),
        "rms_difference": float(np.sqrt(((x - y) ** 2).mean())),
        "target_correlation": _correlation(x, y),
    }


def _add_source(
    entry: dict[str, Any], group: Group, real: Group, targets: np.ndarray, pattern: str
) -> None:
    """How much of a swap's gaze is the target's and how much the source's: correlation, and least
    squares on both.
    """
    sources = source_indices(group, real, pattern)
    both = np.flatnonzero((targets >= 0) & (sources >= 0))
    entry["with_source"] = len(both)
    if len(both) < MIN_IMAGES:
        return
    for axis, angle in enumerate(ANGLES):
        forged, target, source = (
            group.gaze[both, axis],
            real.gaze[targets[both], axis],
            real.gaze[sources[both], axis],
        )
        design = np.stack((np.ones(len(both)), target, source), axis=1)
        weights = np.linalg.lstsq(design, forged, rcond=None)[0]
        entry[angle]["source_correlation"] = _correlation(forged, source)
        entry[angle]["source_std"] = float(source.std())
        entry[angle]["target_weight"], entry[angle]["source_weight"] = (
            float(weights[1]),
            float(weights[2]),
        )


def _correlation(x: np.ndarray, y: np.ndarray) -> float | None:
    if min(x.std(), y.std()) < statistics.NOTHING:
        return None
    return float(np.corrcoef(x, y)[0, 1])
