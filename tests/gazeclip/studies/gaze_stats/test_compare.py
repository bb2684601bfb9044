"""Groups of faces, by person."""

from __future__ import annotations

from pathlib import Path

import pytest

from gazeclip.studies.gaze_stats import compare
from tests.gazeclip.studies.gaze_stats.manifests import (
    TAXONOMY,
    energy_distance,
    groups_of,
    labelled,
)


def test_tests_take_one_image_per_person(tmp_path: Path) -> None:
    groups = groups_of(labelled(tmp_path))
    rows = {
        row["name"]: row for row in compare.compare_groups(groups, TAXONOMY, 199, 0)["generators"]
    }
    swaps, real = groups["landmark_swap_poisson"], groups["real"]
    assert (rows[swaps.name]["n"], rows[swaps.name]["people"], rows[swaps.name]["tested"]) == (
        40,
        20,
        20,
    )
    assert len(set(swaps.people[swaps.single])) == 20 == len(swaps.one_per_person)
    expected = energy_distance(swaps.gaze[swaps.single], real.gaze[real.single])
    assert rows[swaps.name]["energy"]["distance"] == pytest.approx(expected, rel=1e-9)
