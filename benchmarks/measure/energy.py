"""What an inference costs in energy, where Linux lets this user read the processor's counters.

They are those of the powercap framework (Documentation/power/powercap/powercap.rst of the kernel),
a zone for each package; AMD's carry Intel's name too. Most virtual machines have none, and most
systems let only root read them.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from export.runner import open_runner
from gazeclip.bundle.bundle import Bundle
from gazeclip.console.progress import progress_callback

POWERCAP = Path("/sys/class/powercap")
ROUNDS = 5
SECONDS = 0.5  # of each subject in a round: counters are renewed every millisecond
_PACKAGE = "package"  # what the name of a zone begins with that has all cores and caches


@dataclass(frozen=True)
class Counter:
    """A zone's energy, which begins at 0 again after `range_uj`."""

    path: Path
    range_uj: int

    def read_uj(self) -> int:
        """Microjoules since some time or other."""
        return int(self.path.read_text())

    def subtract(self, after: int, before: int) -> int:
        """Microjoules from one reading to the next."""
        return after - before if after >= before else after + self.range_uj - before


def find_counters(folder: Path = POWERCAP) -> list[Counter]:
    """One of each package; none where the system has none or does not let this user read them."""
    found = []
    for zone in sorted(folder.glob("intel-rapl:*")):
        try:
            if not (zone / "name").read_text().startswith(_PACKAGE):
                continue  # a part of a package, or the whole board
            counter = Counter(zone / "energy_uj", int((zone / "max_energy_range_uj").read_text()))
            counter.read_uj()
        except (OSError, ValueError):
            continue
        found.append(counter)
    return found


def measure_bundles(bundles: Mapping[str, Bundle], threads: int) -> dict[str, Any] | None:
    """`measure_energy` of one image in each bundle's engine; None where that cannot be known."""
    counters = find_counters()
    if not counters:
        return None
    calls = {
        name: partial(open_runner(bundle, threads)[0], bundle.golden[0][:1])
        for name, bundle in bundles.items()
    }
    return measure_energy(calls, counters)


def measure_energy(
    calls: Mapping[str, Callable[[], object]],
    counters: Sequence[Counter],
    *,
    clock: Callable[[], float] = time.perf_counter,
    wait: Callable[[float], None] = time.sleep,
) -> dict[str, Any] | None:
    """Call each subject for a while, and wait for as long, in interleaved rounds.

    Returns:
        `idle_w`: watts while nothing was called; `rows` with `name`, `mj`: millijoules of the
        packages for one call, all that they do besides included, and `watts`. Medians of rounds.
        None where the counters stand still, as those that some virtual machines show.
    """
    for call in calls.values():
        call()
    idle = []
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    with progress_callback("energy") as update:
        for number in range(ROUNDS):
            update(number, ROUNDS)
            _, seconds, joules = _spend(lambda: wait(SECONDS), counters, clock)
            idle.append(joules / seconds)
            for name, call in calls.items():
                count, seconds, joules = _spend(call, counters, clock)
                found[name].append((1e3 * joules / count, joules / seconds))
    rows = []
    for name, spent in found.items():
        mj, watts = (statistics.median(column) for column in zip(*spent, strict=True))
        if watts <= 0:
            return None
        rows.append({"name": name, "mj": mj, "watts": watts})
    return {"idle_w": statistics.median(idle), "rows": rows}


def _spend(
    call: Callable[[], object], counters: Sequence[Counter], clock: Callable[[], float]
) -> tuple[int, float, float]:
    """How many calls, in how many seconds, for how many joules."""
    before = [counter.read_uj() for counter in counters]
    began = clock()
    count = 0
    while True:
        call()
        count += 1
        seconds = clock() - began
        if seconds >= SECONDS:
            break
    pairs = zip(counters, before, strict=True)
    spent = sum(counter.subtract(counter.read_uj(), start) for counter, start in pairs)
    return count, seconds, spent / 1e6
