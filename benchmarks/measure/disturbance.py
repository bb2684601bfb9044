"""Was the machine ours while we measured? What the system says about other work in one round."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
# Share of a round in which our threads were ready to run and another process had their CPU.
MAX_WAIT = 0.05
# Share of a round's CPU time that the hypervisor gave to another machine.
MAX_STEAL = 0.02
# Share of the machine's CPU time that other processes used.
MAX_FOREIGN = 0.10
TICKS_OF_DOUBT = 3  # /proc/stat counts in ticks of 10 ms: fewer than this many say nothing


@dataclass(frozen=True)
class Snapshot:
    """Counters at one moment, all in nanoseconds and all growing.

    None where this system does not tell.
    """

    wall: int
    own_cpu: int
    wait: int | None = None
    busy: int | None = None
    steal: int | None = None


@dataclass(frozen=True)
class Load:
    """What happened between two snapshots, as shares of the wall time.

    `foreign` and `steal` are shares of the time of all CPUs together.
    """

    wait: float | None
    foreign: float | None
    steal: float | None
    own_cpu: float

    @property
    def causes(self) -> tuple[str, ...]:
        """Why a round between the two snapshots should not be trusted; empty if it can be."""
        found = []
        if self.wait is not None and self.wait > MAX_WAIT:
            found.append(f"waited for a CPU during {self.wait:.0%} of the time")
        if self.foreign is not None and self.foreign > MAX_FOREIGN:
            found.append(f"other processes used {self.foreign:.0%} of the CPU time")
        if self.steal is not None and self.steal > MAX_STEAL:
            found.append(f"the hypervisor took {self.steal:.0%} of the CPU time")
        return tuple(found)


def load_between(before: Snapshot, after: Snapshot, cpus: int, tick_ns: int = 10_000_000) -> Load:
    """The load of the interval; what is too small for the counters' resolution counts as zero."""
    wall = max(1, after.wall - before.wall)
    own = after.own_cpu - before.own_cpu
    wait = foreign = steal = None
    if before.wait is not None and after.wait is not None:
        # A thread that ended takes its counter along, so the sum may fall.
        wait = max(0, after.wait - before.wait) / wall
    doubt = TICKS_OF_DOUBT * tick_ns
    if before.busy is not None and after.busy is not None:
        other = after.busy - before.busy - own
        foreign = other / (wall * cpus) if other > doubt else 0.0
        if wait is not None:
            # An engine with more threads than CPUs makes itself wait; others made us wait no longer
            # than they ran.
            wait = min(wait, foreign * cpus)
    # On a machine of one's own this counter stays at zero.
    if before.steal is not None and after.steal is not None:
        stolen = after.steal - before.steal
        steal = stolen / (wall * cpus) if stolen > doubt else 0.0
    return Load(wait, foreign, steal, own / wall)


class SystemProbe:
    """Reads the counters.

    Linux tells all of them; elsewhere only the process's own CPU time is known. The waiting time
    comes from the scheduler's own account of every thread of this process
    (`/proc/self/task/*/schedstat`, second field); other processes' work from `/proc/stat` less our
    own.
    """

    def __init__(self, proc: Path = PROC, clock: Callable[[], int] = time.perf_counter_ns) -> None:
        self._proc = proc
        self._clock = clock
        self.tick_ns = 10_000_000
        if hasattr(os, "sysconf"):
            self.tick_ns = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
        self.cpus = os.cpu_count() or 1

    def snapshot(self) -> Snapshot:
        """The counters now."""
        busy, steal = self._read_machine()
        return Snapshot(self._clock(), time.process_time_ns(), self._read_wait(), busy, steal)

    def load(self, before: Snapshot, after: Snapshot) -> Load:
        """See `load_between`."""
        return load_between(before, after, self.cpus, self.tick_ns)

    def _read_wait(self) -> int | None:
        """How long our threads have been ready and not running, in all."""
        total = 0
        found = False
        try:
            tasks = list((self._proc / "self" / "task").iterdir())
        except OSError:
            return None
        for task in tasks:
            try:
                total += int((task / "schedstat").read_text().split()[1])
                found = True
            except (OSError, IndexError, ValueError):
                continue  # the thread ended between listing and reading
        return total if found else None

    def _read_machine(self) -> tuple[int | None, int | None]:
        """Work of all processes on all CPUs, and what the hypervisor took."""
        try:
            first_line = (self._proc / "stat").read_text().split("\n", 1)[0]
            fields = [int(text) for text in first_line.split()[1:]]
        except (OSError, ValueError):
            return None, None
        if len(fields) < 8:
            return None, None
        # The columns of proc(5); what follows them is contained in user and nice.
        user, nice, system, _idle, _iowait, irq, softirq, steal = fields[:8]
        return (user + nice + system + irq + softirq) * self.tick_ns, steal * self.tick_ns
