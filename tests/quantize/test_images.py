"""Which calibration images set the quantizers' ranges."""

from __future__ import annotations

import numpy as np

from quantize.images import take_in_turn


def test_classes_take_turns_and_none_is_lost() -> None:
    targets = np.array([0] * 8 + [1] * 2 + [2] * 3)
    keys = [(index, index % 2) for index in np.random.default_rng(0).permutation(13).tolist()]
    found = take_in_turn(keys, targets)
    assert sorted(found) == sorted(keys)
    classes = [int(targets[index]) for index, _ in found]
    assert sorted(classes[:3]) == sorted(classes[3:6]) == [0, 1, 2]
    assert sorted(classes[6:8]) == [0, 2] and classes[8:] == [0] * 5
    # Within a class the shuffled order stays.
    for target in range(3):
        mine = [key for key in found if targets[key[0]] == target]
        assert mine == [key for key in keys if targets[key[0]] == target]
