"""Pairs of forgery and photograph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gazeclip.errors import ConfigError
from gazeclip.studies.gaze_stats import matched
from tests.gazeclip.studies.gaze_stats.manifests import (
    TAXONOMY,
    groups_of,
    labelled,
)


def test_pairs_take_the_choice_of_photographs_out(tmp_path: Path) -> None:
    groups = groups_of(labelled(tmp_path, swap_shift=0.1))
    assert (
        len(groups["landmark_swap_poisson"].single) == 20
    )  # two swaps of one person are not two people
    (entry,) = matched.compare_matched(groups, TAXONOMY, "__([0-9]+)", 199, 0)
    swaps, real = groups["landmark_swap_poisson"], groups["real"]
    own = np.array(
        [real.gaze[[s.identity for s in real.samples].index(s.identity)] for s in swaps.samples]
    )
    assert entry["pairs"] == 40 and entry["people"] == 20 and entry["other_photographs"] == 20
    assert entry["yaw"]["mean_difference"] == pytest.approx((swaps.gaze - own)[:, 1].mean())
    assert entry["yaw"]["photographs_std"] == pytest.approx(own[:, 1].std())
    assert (
        entry["yaw"]["forging_ratio"] == pytest.approx(1.0, abs=0.1)
        and entry["yaw"]["forging_p"] > 0.05
    )
    assert entry["energy"]["p"] < 0.05  # the shift is seen here
    assert entry["yaw"]["target_correlation"] > 0.99 > entry["yaw"]["source_correlation"]
    assert entry["yaw"]["target_weight"] == pytest.approx(1.0, abs=0.05) and entry["yaw"][
        "source_weight"
    ] == pytest.approx(0.0, abs=0.05)


@pytest.mark.parametrize("pattern", ["__([0-9]+", "__[0-9]+", "none([0-9]+)"])
def test_a_source_pattern_must_find_photographs(pattern: str, tmp_path: Path) -> None:
    groups = groups_of(labelled(tmp_path))
    with pytest.raises(ConfigError, match="--source"):
        matched.compare_matched(groups, TAXONOMY, pattern, 100, 0)
