"""Energy by counters that the test writes, with a clock that it owns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.measure.energy import SECONDS, find_counters, measure_energy

RANGE_UJ = 1_000_000_000


class Machine:
    """Time and energy that pass only when something is done."""

    def __init__(self, zone: Path) -> None:
        self.zone = zone
        self.seconds = 0.0
        self.uj = RANGE_UJ - 3_000_000  # it begins again during the first round
        self.write()

    def write(self) -> None:
        (self.zone / "energy_uj").write_text(f"{self.uj % RANGE_UJ}\n")

    def spend(self, seconds: float, watts: float) -> None:
        self.seconds += seconds
        self.uj += round(1e6 * seconds * watts)
        self.write()

    def make_call(self, seconds: float, watts: float) -> Callable[[], None]:
        return lambda: self.spend(seconds, watts)


def make_zone(folder: Path, number: str, name: str) -> Path:
    zone = folder / f"intel-rapl:{number}"
    zone.mkdir(parents=True)
    (zone / "name").write_text(f"{name}\n")
    (zone / "max_energy_range_uj").write_text(f"{RANGE_UJ}\n")
    (zone / "energy_uj").write_text("0\n")
    return zone


def test_a_call_costs_what_the_counters_say(tmp_path: Path) -> None:
    machine = Machine(make_zone(tmp_path, "0", "package-0"))
    calls = {"small": machine.make_call(0.01, 10.0), "large": machine.make_call(2.0, 20.0)}
    found = measure_energy(
        calls,
        find_counters(tmp_path),
        clock=lambda: machine.seconds,
        wait=lambda seconds: machine.spend(seconds, 4.0),
    )
    assert found is not None and found["idle_w"] == pytest.approx(4.0)
    small, large = found["rows"]
    assert (small["name"], large["name"]) == ("small", "large")
    assert small["mj"] == pytest.approx(100.0) and small["watts"] == pytest.approx(10.0)
    assert large["mj"] == pytest.approx(40_000.0) and large["watts"] == pytest.approx(20.0)
    assert machine.seconds > 5 * (2 * SECONDS + 2.0)


def test_counters_that_stand_still_say_nothing(tmp_path: Path) -> None:
    zone = make_zone(tmp_path, "0", "package-0")
    machine = Machine(zone)
    (zone / "energy_uj").write_text("262143\n")

    def spend(seconds: float) -> None:
        machine.seconds += seconds

    found = measure_energy(
        {"small": lambda: spend(0.1)},
        find_counters(tmp_path),
        clock=lambda: machine.seconds,
        wait=spend,
    )
    assert found is None and machine.seconds > 2 * SECONDS


def test_packages_count_and_their_parts_do_not(tmp_path: Path) -> None:
    make_zone(tmp_path, "0", "package-0")
    make_zone(tmp_path, "0:0", "core")
    make_zone(tmp_path, "1", "package-1")
    make_zone(tmp_path, "2", "psys")
    unread = make_zone(tmp_path, "3", "package-2")
    (unread / "energy_uj").unlink()
    found = [counter.path.parent.name for counter in find_counters(tmp_path)]
    assert found == ["intel-rapl:0", "intel-rapl:1"]
    assert find_counters(tmp_path / "none") == []
