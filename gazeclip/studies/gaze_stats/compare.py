"""Every generator of a manifest against its real images: the figures of the report."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gazeclip.data.rows import Sample
from gazeclip.errors import ManifestError
from gazeclip.studies.gaze_stats import statistics
from gazeclip.taxonomy import REAL, Generator, Taxonomy

ANGLES = ("pitch", "yaw")
MIN_IMAGES = 10  # fewer, and a spread is not worth testing
# Per group in the pairwise tests, whose cost grows with the square; drawn by seed, and said in the
# report.
MAX_PEOPLE = 1000
BOOTSTRAPS = 2000


@dataclass(frozen=True)
class Group:
    """The images of one generator, or the real ones.

    `gaze (N, 2)` pitch and yaw, `people (N,)`, and in `single` indices of one image per person.
    """

    name: str
    gaze: np.ndarray
    people: np.ndarray
    samples: Sequence[Sample]
    single: np.ndarray = field(repr=False)

    @property
    def one_per_person(self) -> np.ndarray:
        """Gaze `(M, 2)` of at most `MAX_PEOPLE` people: what may be permuted."""
        return self.gaze[self.single]

    @property
    def is_testable(self) -> bool:
        """Whether there are enough images, of enough people, for a test."""
        return len(self.single) >= MIN_IMAGES

    @property
    def images_by_person(self) -> dict[str, list[int]]:
        """Person -> indices of the images."""
        found: dict[str, list[int]] = {}
        for index, person in enumerate(self.people):
            found.setdefault(str(person), []).append(index)
        return found


def random_for(seed: int, *purpose: str) -> np.random.Generator:
    """A random generator of its own for each group and test.

    No figure then depends on which others are computed.
    """
    return np.random.default_rng([seed, *(zlib.crc32(word.encode()) for word in purpose)])


def check_groups(samples: Sequence[Sample]) -> None:
    """Refuse, before anything is measured, what cannot be compared.

    Raises:
        ManifestError: too few real images, or nothing to compare them with.
    """
    real = {sample.identity or str(sample.path) for sample in samples if sample.label == REAL}
    if not real:
        raise ManifestError(
            "there is no real image to compare with",
            remedy="Give the manifest images labelled 'real', or choose other --splits",
        )
    if len(real) < MIN_IMAGES:
        raise ManifestError(
            f"real images of {len(real)} different people are too few to compare with",
            remedy=f"At least {MIN_IMAGES} are needed; choose more --splits",
        )
    if all(sample.label == REAL for sample in samples):
        raise ManifestError(
            "there are only real images",
            remedy="Give the manifest forged images, or choose other --splits",
        )


def group_by_label(
    samples: Sequence[Sample], angles: np.ndarray, taxonomy: Taxonomy, seed: int
) -> dict[str, Group]:
    """Groups in taxonomy order, `real` first. An image without identity is a person of its own."""
    groups = {}
    labels = np.array([sample.label for sample in samples])
    people = np.array([sample.identity or f"file {sample.path}" for sample in samples])
    for generator in taxonomy.generators:
        chosen = np.flatnonzero(labels == generator.name)
        if not len(chosen):
            continue
        single = statistics.one_per_cluster(
            people[chosen], random_for(seed, generator.name, "people")
        )
        if len(single) > MAX_PEOPLE:
            rng = random_for(seed, generator.name, "cap")
            single = np.sort(rng.choice(single, MAX_PEOPLE, replace=False))
        groups[generator.name] = Group(
            generator.name,
            angles[chosen],
            people[chosen],
            [samples[index] for index in chosen],
            single,
        )
    return groups


def compare_groups(
    groups: Mapping[str, Group],
    taxonomy: Taxonomy,
    permutations: int,
    seed: int,
    track: Callable[[Sequence[Group]], Iterable[Group]] = iter,
) -> dict[str, Any]:
    """`{"real": ..., "null": ..., "generators": [...]}`: spreads with intervals, and tests.

    p-values are corrected over generators.

    Args:
        groups: what `group_by_label` gave.
        permutations: per test.
        track: shows progress over the generators.
    """
    real = groups[REAL]
    stds = {angle: _bootstrap_stds(real, axis, seed) for axis, angle in enumerate(ANGLES)}
    forged = [group for name, group in groups.items() if name != REAL]
    rows = [
        _describe_generator(group, real, taxonomy.get(group.name), stds, permutations, seed)
        for group in track(forged)
    ]
    # One family for each question: is there any difference, is there one of shape, one of spread.
    correct_p_values(rows, [("energy", "p"), ("energy_centred", "p")])
    correct_p_values(rows, [("pitch", "spread_p"), ("yaw", "spread_p")], together=True)
    half = len(real.single) // 2
    halves = statistics.split_null(
        real.one_per_person, half, permutations, random_for(seed, "halves")
    )
    return {
        "real": _describe_group(real, stds),
        "null": {
            "size": half,
            "median": float(np.median(halves)),
            "q95": float(np.quantile(halves, 0.95)),
            "max": float(halves.max()),
        },
        "generators": rows,
    }


def correct_p_values(
    rows: Sequence[Mapping[str, Any]], places: Sequence[tuple[str, str]], together: bool = False
) -> None:
    """Add Holm's correction of each `row[part][key]` as `<key>_holm`.

    Args:
        places: `(part, key)` of each p-value; rows without one are left as they are.
        together: over rows and places at once, not over the rows place by place.
    """
    families = [list(places)] if together else [[place] for place in places]
    for family in families:
        found = []
        for row in rows:
            for part, key in family:
                if row.get(part) and row[part].get(key) is not None:
                    found.append((row[part], key))
        corrected = statistics.correct_holm([figures[key] for figures, key in found])
        for (figures, key), value in zip(found, corrected, strict=True):
            figures[f"{key}_holm"] = value


def _bootstrap_stds(group: Group, axis: int, seed: int) -> np.ndarray:
    return statistics.cluster_stds(
        group.gaze[:, axis], group.people, BOOTSTRAPS, random_for(seed, group.name, ANGLES[axis])
    )


def _describe_group(group: Group, stds: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Counts, and mean and spread per angle in radians."""
    row: dict[str, Any] = {
        "name": group.name,
        "n": len(group.gaze),
        "people": len(set(group.people.tolist())),
        "tested": len(group.single),
    }
    for axis, angle in enumerate(ANGLES):
        values = group.gaze[:, axis]
        row[angle] = {
            "mean": float(values.mean()),
            "std": float(values.std()),
            "std_interval": statistics.percentile_interval(stds[angle]),
            "robust_std": statistics.robust_std(values),
        }
    return row


def _describe_generator(
    group: Group,
    real: Group,
    generator: Generator,
    real_stds: Mapping[str, np.ndarray],
    permutations: int,
    seed: int,
) -> dict[str, Any]:
    stds = {angle: _bootstrap_stds(group, axis, seed) for axis, angle in enumerate(ANGLES)}
    row = _describe_group(group, stds)
    row.update(
        title=generator.title,
        category=generator.category,
        family=generator.family,
        seen=generator.seen,
    )
    for axis, angle in enumerate(ANGLES):
        theirs = group.gaze[:, axis]
        ours = real.gaze[:, axis]
        row[angle]["ratio"] = statistics.divide_spreads(float(theirs.std()), float(ours.std()))
        row[angle]["ratio_interval"] = statistics.ratio_interval(stds[angle], real_stds[angle])
        row[angle]["robust_ratio"] = statistics.divide_spreads(
            statistics.robust_std(theirs), statistics.robust_std(ours)
        )
    if group.is_testable:
        _test_generator(row, group, real, permutations, seed)
    else:
        row["note"] = f"fewer than {MIN_IMAGES} images (of different people): not tested"
    return row


def _test_generator(
    row: dict[str, Any], group: Group, real: Group, permutations: int, seed: int
) -> None:
    """Add `energy`, `energy_centred` and per angle the test of spreads to a generator's row."""
    x = group.one_per_person
    y = real.one_per_person
    test = statistics.energy_test(x, y, permutations, random_for(seed, group.name, "energy"))
    # What the same distance comes to where nothing differs: as many real images against the rest.
    size = min(len(x), len(y) // 2)
    null = statistics.split_null(y, size, permutations, random_for(seed, group.name, "null"))
    row["energy"] = {
        "distance": test.statistic,
        "p": test.p,
        "real_against_real_q95": float(np.quantile(null, 0.95)),
        "null_size": size,
    }
    test = statistics.centred_energy_test(
        x, y, permutations, random_for(seed, group.name, "centred")
    )
    row["energy_centred"] = {"distance": test.statistic, "p": test.p}
    for axis, angle in enumerate(ANGLES):
        theirs = x[:, axis]
        ours = y[:, axis]
        rng = random_for(seed, group.name, "spread", angle)
        test = statistics.spread_test(theirs, ours, permutations, rng)
        row[angle]["spread_f"] = test.statistic
        row[angle]["spread_p"] = test.p
        narrower = statistics.mean_deviation(theirs) < statistics.mean_deviation(ours)
        row[angle]["narrower"] = narrower
