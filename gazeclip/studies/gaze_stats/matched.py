"""Forgeries against the very photographs they were made from.

That takes the choice of photographs out of the comparison. A face swap counts as the person whose
photograph it altered (its target), so `identity` leads to that photograph. What remains different
is the forging: the swapped face on the same head, in the same crop.
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
    correct_p_values,
    random_for,
)
from gazeclip.taxonomy import REAL, Taxonomy

# Categories made from a photograph of the same identity; others share a name at most.
ALTERED = ("face_swap", "attribute_manipulation")
NO_PHOTOGRAPH = -1  # in place of an index


@dataclass(frozen=True)
class Pairs:
    """One angle of forgeries and of the photographs behind them, `(N,)` each.

    `people (N,)` names who is seen, `single` holds indices of one pair per person.
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
    """One entry per altering generator with enough pairs.

    Per angle the spread of the chosen photographs and of the forgeries.

    Args:
        source: group 1 of this pattern in a forgery's file name is the file stem of the photograph
            that gave the face.
    """
    real = groups[REAL]
    entries = []
    for name, group in groups.items():
        if taxonomy.get(name).category not in ALTERED:
            continue
        targets = find_targets(group, real, seed)
        entry = _compare_pairs(group, real, targets, permutations, seed)
        if entry is None:
            continue
        if source is not None:
            _add_source(entry, group, real, targets, source)
        entries.append(entry)
    correct_p_values(entries, [("energy", "p")])
    correct_p_values(entries, [("pitch", "forging_p"), ("yaw", "forging_p")], together=True)
    correct_p_values(entries, [("pitch", "selection_p"), ("yaw", "selection_p")], together=True)
    return entries


def find_targets(group: Group, real: Group, seed: int) -> np.ndarray:
    """For each forgery the index of a real photograph of the same person, or `NO_PHOTOGRAPH`.

    Of several one is drawn. Their mean would not do: it spreads less than any of them.
    """
    rng = random_for(seed, group.name, "targets")
    photographs = real.images_by_person
    indices = []
    for person in group.people.tolist():
        if person in photographs:
            indices.append(int(rng.choice(photographs[person])))
        else:
            indices.append(NO_PHOTOGRAPH)
    return np.array(indices)


def find_sources(group: Group, real: Group, pattern: str) -> np.ndarray:
    """For each forgery the index of the real photograph that gave the face, or `NO_PHOTOGRAPH`.

    The pattern finds that photograph's file stem in the forgery's file name.

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
    found = []
    for sample in group.samples:
        match = compiled.search(sample.path.name)
        found.append(stems.get(match.group(1), NO_PHOTOGRAPH) if match else NO_PHOTOGRAPH)
    indices = np.array(found)
    if (indices == NO_PHOTOGRAPH).all():
        raise ConfigError(
            f"--source '{pattern}' finds no real photograph for '{group.name}'",
            remedy="It must give a real image's file stem",
        )
    return indices


def _compare_pairs(
    group: Group, real: Group, targets: np.ndarray, permutations: int, seed: int
) -> dict[str, Any] | None:
    paired = np.flatnonzero(targets != NO_PHOTOGRAPH)
    people = group.people[paired]
    single = statistics.one_per_cluster(people, random_for(seed, group.name, "pairs"))
    if len(single) < MIN_IMAGES:
        return None
    forged = group.gaze[paired]
    photographs = real.gaze[targets[paired]]
    # The photographs that were not altered: all of them would hold the altered ones as well.
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
    """How the spread changes by selection and by forging.

    Selection: from all real photographs `everybody` to those that were altered. Forging: from those
    to the forgeries.
    """
    x = pair.forged
    y = pair.photographs
    # The same people are resampled in both, so that what they share drops out of the ratio.
    state = int(rng.integers(2**31))
    boot = [
        statistics.cluster_stds(values, pair.people, BOOTSTRAPS, np.random.default_rng(state))
        for values in (x, y)
    ]
    differences = statistics.cluster_means(x - y, pair.people, BOOTSTRAPS, rng)
    forging = statistics.paired_spread_test(x[pair.single], y[pair.single], permutations, rng)
    selection = None
    if len(rest) >= MIN_IMAGES:
        selection = statistics.spread_test(y[pair.single], rest, permutations, rng).p
    return {
        "all_real_std": float(everybody.std()),
        "photographs_std": float(y.std()),
        "forged_std": float(x.std()),
        "selection_ratio": statistics.divide_spreads(float(y.std()), float(everybody.std())),
        "selection_p": selection,
        "forging_ratio": statistics.divide_spreads(float(x.std()), float(y.std())),
        "forging_ratio_interval": statistics.ratio_interval(*boot),
        "forging_p": forging.p,
        "mean_difference": float((x - y).mean()),
        "mean_difference_interval": statistics.percentile_interval(differences),
        "rms_difference": float(np.sqrt(((x - y) ** 2).mean())),
        "target_correlation": _correlate(x, y),
    }


def _add_source(
    entry: dict[str, Any], group: Group, real: Group, targets: np.ndarray, pattern: str
) -> None:
    """How much of a swap's gaze is the target's and how much the source's.

    Correlation with each, and least squares on both: where target and source look the same way, a
    correlation with one of them may be the other's.
    """
    sources = find_sources(group, real, pattern)
    both = np.flatnonzero((targets != NO_PHOTOGRAPH) & (sources != NO_PHOTOGRAPH))
    entry["with_source"] = len(both)
    if len(both) < MIN_IMAGES:
        return
    for axis, angle in enumerate(ANGLES):
        forged = group.gaze[both, axis]
        target = real.gaze[targets[both], axis]
        source = real.gaze[sources[both], axis]
        design = np.stack((np.ones(len(both)), target, source), axis=1)  # `(pairs, 3)`
        weights = np.linalg.lstsq(design, forged, rcond=None)[0]
        entry[angle]["source_correlation"] = _correlate(forged, source)
        entry[angle]["source_std"] = float(source.std())
        entry[angle]["target_weight"] = float(weights[1])
        entry[angle]["source_weight"] = float(weights[2])


def _correlate(x: np.ndarray, y: np.ndarray) -> float | None:
    if min(x.std(), y.std()) < statistics.NOTHING:
        return None
    return float(np.corrcoef(x, y)[0, 1])
