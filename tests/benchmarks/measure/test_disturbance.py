"""Disturbance: the arithmetic on hand-made counters, and a real competitor for the CPU."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.measure.disturbance import Snapshot, SystemProbe, load_between

SECOND = 1_000_000_000
START = Snapshot(wall=0, own_cpu=0, wait=0, busy=0, steal=0)


@pytest.mark.parametrize(
    ("after", "causes"),
    [
        (Snapshot(SECOND, SECOND, wait=0, busy=SECOND, steal=0), []),
        (
            Snapshot(SECOND, 2 * SECOND, wait=0, busy=2 * SECOND, steal=0),
            [],
        ),  # two busy threads of our own
        # Three threads of our own on two CPUs: they wait for each other, and nobody disturbed them.
        (Snapshot(SECOND, 2 * SECOND, wait=SECOND // 2, busy=2 * SECOND, steal=0), []),
        (
            Snapshot(SECOND, SECOND, wait=SECOND // 2, busy=SECOND * 9 // 8, steal=0),
            ["waited for a CPU during 12%"],
        ),
        (
            Snapshot(SECOND, SECOND // 2, wait=SECOND // 2, busy=None, steal=None),
            ["waited for a CPU during 50%"],
        ),
        (Snapshot(SECOND, SECOND, wait=0, busy=2 * SECOND, steal=0), ["other processes used 50%"]),
        (
            Snapshot(SECOND, SECOND, wait=0, busy=SECOND, steal=SECOND // 5),
            ["the hypervisor took 10%"],
        ),
        (Snapshot(SECOND, SECOND, wait=None, busy=None, steal=None), []),
    ],
)
def test_causes(after: Snapshot, causes: list[str]) -> None:
    found = load_between(START, after, cpus=2).causes
    assert len(found) == len(causes)
    assert all(cause.startswith(expected) for cause, expected in zip(found, causes, strict=True))


def test_differences_below_the_resolution_count_as_nothing() -> None:
    """In a round of 50 ms two ticks of 10 ms may belong to the moment before it."""
    after = Snapshot(
        wall=SECOND // 20,
        own_cpu=SECOND // 20,
        wait=0,
        busy=SECOND // 20 + 20_000_000,
        steal=20_000_000,
    )
    assert load_between(START, after, cpus=2).causes == ()


def test_a_thread_that_ended_takes_its_waiting_time_along() -> None:
    before = Snapshot(0, 0, wait=SECOND)
    assert load_between(before, Snapshot(SECOND, SECOND, wait=0), cpus=1).wait == 0.0


def test_reads_the_counters_of_all_threads(tmp_path: Path) -> None:
    for thread, waited in (("7", 1000), ("8", 2000)):
        (tmp_path / "self/task" / thread).mkdir(parents=True)
        (tmp_path / "self/task" / thread / "schedstat").write_text(f"5 {waited} 9\n")
    (tmp_path / "stat").write_text("cpu  10 1 5 900 50 1 2 3 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n")
    probe = SystemProbe(tmp_path, clock=lambda: 42)
    snapshot = probe.snapshot()
    assert (snapshot.wall, snapshot.wait) == (42, 3000)
    assert (snapshot.busy, snapshot.steal) == (
        19 * probe.tick_ns,
        3 * probe.tick_ns,
    )  # idle and iowait are not work


def test_a_system_that_tells_nothing_gives_none(tmp_path: Path) -> None:
    snapshot = SystemProbe(tmp_path).snapshot()
    assert (snapshot.wait, snapshot.busy, snapshot.steal) == (None, None, None)


@pytest.mark.skipif(
    not Path("/proc/self/schedstat").exists(), reason="the scheduler's accounts are Linux's"
)
def test_a_real_competitor_on_the_same_cpu_is_noticed() -> None:
    cpu = min(os.sched_getaffinity(0))
    spin = f"import os\nos.sched_setaffinity(0, {{{cpu}}})\nprint(flush=True)\nwhile True: pass"
    mask = os.sched_getaffinity(0)
    probe = SystemProbe()
    other = subprocess.Popen([sys.executable, "-c", spin], stdout=subprocess.PIPE)
    try:
        assert other.stdout is not None
        other.stdout.readline()
        os.sched_setaffinity(0, {cpu})
        before, end = probe.snapshot(), time.perf_counter() + 0.4
        while time.perf_counter() < end:
            pass
        load = probe.load(before, probe.snapshot())
    finally:
        os.sched_setaffinity(0, mask)
        other.kill()
        other.wait()
        if other.stdout is not None:
            other.stdout.close()
    # Two spinning processes share one CPU: each waits about half of the time.
    assert load.wait is not None and load.wait > 0.2
    assert any("waited for a CPU" in cause for cause in load.causes)
