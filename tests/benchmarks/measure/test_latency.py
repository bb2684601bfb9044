"""Latency against a clock that the test owns, and ratios against the real one.

Order, warm-up, repetition and percentiles.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from benchmarks.measure.disturbance import Load, Snapshot
from benchmarks.measure.latency import LatencyConfig, measure_latency
from gazeclip.errors import ConfigError, StageError

MS = 1_000_000
QUIET = Load(0.0, 0.0, 0.0, 1.0)
BUSY = Load(0.4, 0.0, 0.0, 1.0)


@pytest.fixture(scope="module", autouse=True)
def small_heap() -> Iterator[None]:
    """Every measurement collects all garbage: not that of the whole session, again and again."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


class FakeClock:
    """Time that passes only when a fake subject says so; remembers who ran when."""

    def __init__(self) -> None:
        self.now = 0
        self.calls: list[str] = []

    def __call__(self) -> int:
        return self.now

    def subject(self, name: str, durations_ms: Callable[[int], float]) -> Callable[[], None]:
        count = 0

        def call() -> None:
            nonlocal count
            self.now += int(durations_ms(count) * MS)
            self.calls.append(name)
            count += 1

        return call


class FakeProbe:
    """Says of the n-th block what the test tells it to."""

    def __init__(self, verdict: Callable[[int], Load] = lambda block: QUIET) -> None:
        self.verdict, self.blocks = verdict, 0

    def snapshot(self) -> Snapshot:
        return Snapshot(0, 0)

    def load(self, before: Snapshot, after: Snapshot) -> Load:
        self.blocks += 1
        return self.verdict(self.blocks - 1)


def quick(**changes: float) -> LatencyConfig:
    return LatencyConfig(
        **{"rounds": 6, "budget_s": 0.6, "min_round_time_s": 0.0, "warmup_max_s": 1.0, **changes}
    )  # type: ignore[arg-type]


def blocks_of(calls: list[str]) -> list[str]:
    return [name for place, name in enumerate(calls) if place == 0 or calls[place - 1] != name]


def test_known_durations_are_recovered_exactly() -> None:
    clock = FakeClock()
    subjects = {"a": clock.subject("a", lambda n: 2.0), "b": clock.subject("b", lambda n: 30.0)}
    stats = measure_latency(subjects, quick(), threads=2, batch=8, clock=clock, probe=FakeProbe())
    assert list(stats) == ["a", "b"]
    assert (stats["a"].p50, stats["a"].min, stats["b"].p50) == (2.0, 2.0, 30.0)
    assert (stats["a"].threads, stats["a"].batch) == (2, 8)
    assert stats["a"].stable and not stats["a"].disturbed


def test_percentiles_are_those_of_single_calls() -> None:
    clock = FakeClock()
    # Warm-up calls are steady; from then on 1..100 ms over and over, so every percentile is known.
    stats = measure_latency(
        {"a": clock.subject("a", lambda n: 1.0 if n < 10 else 1.0 + (n - 10) % 100)},
        quick(rounds=1, budget_s=0.4, max_calls_per_round=400),
        clock=clock,
        probe=FakeProbe(),
    )["a"]
    # 400 calls after one unrecorded settling call: four full cycles, shifted by one.
    assert stats.calls == 400
    values = np.tile(np.arange(1, 101), 4)
    for q in (50, 90, 95, 99):
        assert getattr(stats, f"p{q}") == pytest.approx(np.percentile(values, q))
    assert stats.min == 1.0


@pytest.mark.parametrize(
    ("calls", "missing"),
    [(5, ["p90", "p95", "p99"]), (10, ["p95", "p99"]), (20, ["p99"]), (100, [])],
)
def test_tails_that_too_few_calls_cannot_show_are_null(calls: int, missing: list[str]) -> None:
    clock = FakeClock()
    config = quick(rounds=1, budget_s=0.4 * calls + 0.01)
    stats = measure_latency(
        {"slow": clock.subject("slow", lambda n: 400.0)}, config, clock=clock, probe=FakeProbe()
    )["slow"]
    assert stats.calls == calls
    assert [key for key in ("p50", "p90", "p95", "p99") if stats.to_dict()[key] is None] == missing


def test_rounds_interleave_all_subjects_in_changing_seeded_order() -> None:
    def order(seed: int) -> list[tuple[str, ...]]:
        clock = FakeClock()
        names = "abc"
        subjects = {name: clock.subject(name, lambda n: 10.0) for name in names}
        measure_latency(
            subjects, quick(rounds=12, budget_s=0.12, seed=seed), clock=clock, probe=FakeProbe()
        )
        after_warmup = clock.calls[sum(1 for _ in names) * 10 :]  # two windows of five calls each
        assert len(after_warmup) == 36  # one call per subject and round
        return [tuple(after_warmup[place : place + 3]) for place in range(0, 36, 3)]

    rounds = order(seed=0)
    assert all(sorted(one) == ["a", "b", "c"] for one in rounds)
    assert len(set(rounds)) > 1
    assert order(seed=0) == rounds
    assert order(seed=1) != rounds


def test_drift_hits_all_subjects_alike() -> None:
    """A machine that slows down by half must not change the ratio of two equal subjects."""
    clock = FakeClock()
    drifting = {
        name: clock.subject(name, lambda n: 10.0 + 0.05 * n) for name in ("first", "second")
    }
    stats = measure_latency(
        drifting, quick(rounds=20, budget_s=2.0), clock=clock, probe=FakeProbe()
    )
    assert stats["first"].p50 / stats["second"].p50 == pytest.approx(1.0, abs=0.02)


def test_warmup_goes_on_until_stable() -> None:
    clock = FakeClock()
    falling = clock.subject("a", lambda n: max(5.0, 50.0 - 3.0 * n))  # steady from call 15 on
    stats = measure_latency({"a": falling}, quick(), clock=clock, probe=FakeProbe())["a"]
    assert stats.stable
    assert (
        stats.warmup_calls >= 20
    )  # the older of the two windows may hold no falling time but its median
    assert stats.p50 == 5.0


def test_warmup_gives_up_in_time_and_says_so() -> None:
    clock = FakeClock()
    restless = clock.subject("a", lambda n: 100.0 * 1.2**n)
    stats = measure_latency(
        {"a": restless}, quick(warmup_max_s=2.0, rounds=2), clock=clock, probe=FakeProbe()
    )["a"]
    assert not stats.stable


def test_a_slow_subject_gets_fewer_calls_within_its_budget() -> None:
    clock = FakeClock()
    subjects = {
        "fast": clock.subject("fast", lambda n: 1.0),
        "slow": clock.subject("slow", lambda n: 250.0),
    }
    stats = measure_latency(subjects, quick(rounds=4, budget_s=1.0), clock=clock, probe=FakeProbe())
    assert stats["fast"].calls == 4 * 200  # the cap per round
    assert stats["slow"].calls == 4


def test_disturbed_rounds_are_measured_again_and_left_out() -> None:
    clock = FakeClock()
    probe = FakeProbe(lambda block: BUSY if block in (1, 2) else QUIET)
    # Block 1 and 2 are the second and third round of the only subject: 99 ms there, 10 ms
    # elsewhere.
    times = [10.0] * 10 + [10.0, 99.0, 99.0] + [10.0] * 50
    stats = measure_latency(
        {"a": clock.subject("a", lambda n: times[n])},
        quick(rounds=4, budget_s=0.04),
        clock=clock,
        probe=probe,
    )["a"]
    assert (stats.rounds, stats.rounds_repeated, stats.disturbed) == (4, 2, False)
    assert stats.p50 == 10.0
    assert stats.causes == ("waited for a CPU during 40% of the time",)


def test_which_rounds_count_does_not_depend_on_their_times() -> None:
    """A slow round on a quiet machine is part of the subject's latency."""
    clock = FakeClock()
    stats = measure_latency(
        {"a": clock.subject("a", lambda n: 10.0 if n != 11 else 500.0)},
        quick(rounds=10, budget_s=0.1),
        clock=clock,
        probe=FakeProbe(),
    )["a"]
    assert stats.calls == 10
    assert stats.p90 is not None and stats.p90 > 50


def test_a_machine_that_never_rests_is_marked() -> None:
    clock = FakeClock()
    config = quick(rounds=4, budget_s=0.04, max_repeats=3)
    stats = measure_latency(
        {"a": clock.subject("a", lambda n: 10.0)},
        config,
        clock=clock,
        probe=FakeProbe(lambda block: BUSY),
    )["a"]
    assert stats.disturbed
    assert (
        stats.rounds == 4 and stats.calls == 4
    )  # max_repeats + 1 rounds were tried, and all of them used


def test_garbage_collection_is_off_during_samples_and_restored() -> None:
    clock = FakeClock()
    seen: list[bool] = []
    inner = clock.subject("a", lambda n: 10.0)

    def call() -> None:
        seen.append(gc.isenabled())
        inner()

    assert gc.isenabled()
    measure_latency({"a": call}, quick(rounds=2, budget_s=0.02), clock=clock, probe=FakeProbe())
    assert gc.isenabled()
    assert seen[-2:] == [False, False]


def test_a_failing_subject_is_named_and_gc_restored() -> None:
    calls = iter(range(100))

    def fails() -> None:
        if next(calls) == 12:
            raise ValueError("engine gone")

    with pytest.raises(StageError, match="'broken' failed while being timed: engine gone"):
        measure_latency({"broken": fails}, quick(max_calls_per_round=20), probe=FakeProbe())
    assert gc.isenabled()


def test_the_real_clock_counts_milliseconds() -> None:
    stats = measure_latency(
        {"short": lambda: time.sleep(0.002), "long": lambda: time.sleep(0.010)},
        quick(rounds=5, budget_s=0.1, warmup_max_s=0.2),
    )
    # A sleep may overshoot by any amount on a busy machine and never undershoots.
    assert stats["short"].min >= 2.0
    assert stats["long"].min >= 10.0


def test_no_subjects_is_an_empty_result() -> None:
    assert measure_latency({}, quick(), probe=FakeProbe()) == {}


def test_settings_out_of_range_are_named_together() -> None:
    with pytest.raises(ConfigError, match=r"rounds = 0, budget_s = -1"):
        LatencyConfig(rounds=0, budget_s=-1)
