"""Latency of callables side by side: warmed up, in interleaved rounds, repeated if disturbed."""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from benchmarks.measure.disturbance import Load, Snapshot, SystemProbe
from gazeclip.errors import ConfigError, StageError
from gazeclip.system.place import command_line

NS_PER_MS = 1_000_000
PERCENTILES = (50, 90, 95, 99)
SETTLE_ABOVE = 5  # calls a round; fewer are of a subject too slow to notice a cold cache


class TimingError(StageError):
    """A subject failed while being timed; `subject` is its name."""

    subject = ""


class Probe(Protocol):
    """What tells whether a round was disturbed.

    `benchmarks.measure.disturbance.SystemProbe` in real measurements.
    """

    def snapshot(self) -> Snapshot: ...

    def load(self, before: Snapshot, after: Snapshot) -> Load: ...


@dataclass(frozen=True)
class LatencyConfig:
    """How long and how carefully to measure.

    A subject gets at most `budget_s`, so a slow one gets fewer calls.
    """

    rounds: int = 10
    budget_s: float = 4.0
    min_round_time_s: float = 0.1
    max_calls_per_round: int = 200
    warmup_max_s: float = 3.0
    warmup_window: int = 5
    warmup_tolerance: float = 0.05
    max_repeats: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        checks = {
            "rounds": self.rounds >= 1,
            "budget_s": self.budget_s > 0,
            "min_round_time_s": self.min_round_time_s >= 0,
            "max_calls_per_round": self.max_calls_per_round >= 1,
            "warmup_max_s": self.warmup_max_s >= 0,
            "warmup_window": self.warmup_window >= 1,
            "warmup_tolerance": self.warmup_tolerance > 0,
            "max_repeats": self.max_repeats >= 0,
        }
        faults = [f"{name} = {getattr(self, name)}" for name, good in checks.items() if not good]
        if faults:
            raise ConfigError(
                f"latency settings out of range: {', '.join(faults)}", remedy="Use positive values"
            )


@dataclass(frozen=True)
class LatencyStats:
    """Times of single calls in milliseconds, over all rounds that count.

    A percentile is None where too few calls were made to have one call beyond it (p99 takes 100
    calls). `stable`: the warm-up came to rest. `disturbed`: too few rounds were undisturbed, so
    disturbed ones are included.
    """

    p50: float
    p90: float | None
    p95: float | None
    p99: float | None
    min: float
    threads: int | None
    batch: int
    calls: int
    rounds: int
    rounds_repeated: int
    warmup_calls: int
    stable: bool
    disturbed: bool
    causes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The form of `latency_ms` in report.json."""
        return {**self.__dict__, "causes": list(self.causes)}


@dataclass
class _Plan:
    call: Callable[[], object]
    calls: int = 1
    settle: bool = False
    warmup_calls: int = 0
    stable: bool = False


@dataclass
class _Round:
    samples: dict[str, list[int]] = field(default_factory=dict)
    causes: tuple[str, ...] = ()


def measure_latency(
    subjects: Mapping[str, Callable[[], object]],
    config: LatencyConfig | None = None,
    *,
    threads: int | None = None,
    batch: int = 1,
    clock: Callable[[], int] = time.perf_counter_ns,
    probe: Probe | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, LatencyStats]:
    """Time every subject; each call of a subject is one sample.

    All subjects are warmed up first. Then every round visits all of them in a new random order, so
    that a machine that slows down or heats up does so for all alike. A round during which other
    work ran on the CPUs is measured again, whatever times it gave: which rounds count never depends
    on the times themselves.

    Args:
        subjects: name -> callable doing one inference, already set to `threads` threads and holding
            its input; what it returns is ignored.
        threads: recorded only; None if the engine does not tell.
        batch: images per call, recorded only.
        clock: nanoseconds; `probe`: both replaceable for tests.
        progress: called with (steps done, steps in all) as the work goes on.

    Returns:
        name -> figures, in the order of `subjects`.

    Raises:
        TimingError: a subject fails.
    """
    config = config or LatencyConfig()
    watch: Probe = probe or SystemProbe()
    rng = random.Random(config.seed)
    tell = progress or (lambda done, total: None)
    steps = len(subjects) + config.rounds
    plans: dict[str, _Plan] = {}
    for name, call in subjects.items():
        tell(len(plans), steps)
        plans[name] = _warm_up(name, call, config, clock)
    gc.collect()  # all there is, once: with the engines loaded it takes a fifth of a second
    kept: list[_Round] = []
    spoiled: list[_Round] = []
    while plans and len(kept) < config.rounds and len(spoiled) <= config.max_repeats:
        tell(len(plans) + len(kept), steps)
        done = _one_round(plans, rng, clock, watch)
        (spoiled if done.causes else kept).append(done)
    # Few clean rounds are worth less than all rounds with a warning.
    disturbed = len(kept) < max(1, (config.rounds + 1) // 2)
    used = kept + spoiled if disturbed else kept
    stats = {}
    for name, plan in plans.items():
        blocks = [one.samples[name] for one in used]
        stats[name] = _summarise_times(plan, blocks, spoiled, disturbed, threads, batch)
    return stats


def _warm_up(
    name: str, call: Callable[[], object], config: LatencyConfig, clock: Callable[[], int]
) -> _Plan:
    """Call until the medians of two windows in a row agree or time is up; then plan a round."""
    plan = _Plan(call)
    times: list[int] = []
    window = config.warmup_window
    start = clock()
    while True:
        before = clock()
        _call_guarded(name, call)
        times.append(clock() - before)
        if len(times) >= 2 * window:
            first = np.median(times[-2 * window : -window])
            second = np.median(times[-window:])
            plan.stable = bool(abs(first - second) <= config.warmup_tolerance * max(first, second))
        if plan.stable or clock() - start >= config.warmup_max_s * 1e9:
            break
    plan.warmup_calls = len(times)
    # Only the last window: the first calls, which load and compile, say nothing of the later ones.
    typical = max(1.0, float(np.median(times[-window:])))
    share = max(config.budget_s / config.rounds, config.min_round_time_s) * 1e9
    plan.calls = int(np.clip(share // typical, 1, config.max_calls_per_round))
    # The first call after another subject pays for its cold caches: left out where a call is short
    # enough to notice.
    plan.settle = plan.calls > SETTLE_ABOVE
    return plan


def _one_round(
    plans: Mapping[str, _Plan], rng: random.Random, clock: Callable[[], int], probe: Probe
) -> _Round:
    order = list(plans)
    rng.shuffle(order)  # who comes after whom changes, so that no one always follows the slowest
    done = _Round()
    with _quiet_gc():
        # Over the whole round: one subject's share is too short for counters that tick in 10 ms.
        before = probe.snapshot()
        for name in order:
            plan = plans[name]
            if plan.settle:
                _call_guarded(name, plan.call)
            done.samples[name] = _take_samples(name, plan, clock)
        done.causes = probe.load(before, probe.snapshot()).causes
    return done


def _take_samples(name: str, plan: _Plan, clock: Callable[[], int]) -> list[int]:
    times = []
    call = plan.call  # nothing is looked up while the clock runs
    try:
        for _ in range(plan.calls):
            before = clock()
            call()
            times.append(clock() - before)
    except Exception as error:
        raise _build_failure(name, error) from error
    return times


def _call_guarded(name: str, call: Callable[[], object]) -> None:
    try:
        call()
    except Exception as error:
        raise _build_failure(name, error) from error


def _build_failure(name: str, error: Exception) -> TimingError:
    failure = TimingError(
        f"'{name}' failed while being timed: {error}",
        remedy=f"Run `{command_line('verify')}` on it first",
    )
    failure.subject = name
    return failure


@contextmanager
def _quiet_gc() -> Iterator[None]:
    """Collect what is new now and not during the samples.

    A collection inside one would be counted as inference.
    """
    was_enabled = gc.isenabled()
    gc.collect(1)
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _summarise_times(
    plan: _Plan,
    blocks: list[list[int]],
    spoiled: list[_Round],
    disturbed: bool,
    threads: int | None,
    batch: int,
) -> LatencyStats:
    times = np.concatenate([np.asarray(block, dtype=np.float64) for block in blocks]) / NS_PER_MS
    p50, *upper = (_read_percentile(times, q) for q in PERCENTILES)
    return LatencyStats(
        p50=float(np.median(times)) if p50 is None else p50,
        p90=upper[0],
        p95=upper[1],
        p99=upper[2],
        min=float(times.min()),
        threads=threads,
        batch=batch,
        calls=len(times),
        rounds=len(blocks),
        rounds_repeated=len(spoiled),
        warmup_calls=plan.warmup_calls,
        stable=plan.stable,
        disturbed=disturbed,
        causes=tuple(dict.fromkeys(cause for one in spoiled for cause in one.causes))[:4],
    )


def _read_percentile(times: np.ndarray, q: int) -> float | None:
    """None if not even one call is expected beyond it: an extrapolated tail is not measured."""
    if len(times) * (100 - q) < 100:
        return None
    return float(np.percentile(times, q))
