"""Calls over several threads: their order, their faults, and that they are several."""

from __future__ import annotations

import threading

import pytest

from gazeclip.system import pool
from gazeclip.system.pool import map_in_threads


@pytest.mark.parametrize("threads", [1, 3])
def test_results_come_in_the_order_of_the_items(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "_AHEAD", 4)
    items = range(11)
    assert list(map_in_threads(lambda item: item * item, items, threads)) == [
        item * item for item in items
    ]
    assert list(map_in_threads(str, [], threads)) == []


def test_calls_run_beside_each_other() -> None:
    meeting = threading.Barrier(2, timeout=10)

    def meet(_: int) -> int:
        return meeting.wait()

    assert sorted(map_in_threads(meet, [0, 1], 2)) == [0, 1]


@pytest.mark.parametrize("threads", [1, 3])
def test_the_first_fault_is_raised_after_the_results_before_it(threads: int) -> None:
    def divide(item: int) -> float:
        return 6 / item

    found = map_in_threads(divide, [3, 2, 0, 1], threads)
    assert [next(found), next(found)] == [2, 3]
    with pytest.raises(ZeroDivisionError):
        next(found)
