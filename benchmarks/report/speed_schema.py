"""The contract of `speed` in report.json: see `benchmarks.report.schema`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from benchmarks.measure.cut import PARTS
from benchmarks.measure.part_costs import WHOLE
from benchmarks.report.schema_checks import check_number, check_text, prefix_faults


def check_speed(report: Mapping[str, Any]) -> list[str]:
    """Faults of the section, which may be null or missing."""
    speed = report.get("speed")
    if speed is None:
        return []
    if not isinstance(speed, Mapping):
        return ["speed: must be an object (null if not measured)"]
    faults: list[str] = []
    for key, check in _LISTS.items():
        if key in speed or key in _ALWAYS:
            faults += prefix_faults("speed", _check_rows(speed, key, check))
    energy = speed.get("energy")  # null: this machine does not tell
    if energy is not None and not isinstance(energy, Mapping):
        faults.append("speed.energy: must be an object (null if not measured)")
    elif energy is not None:
        faults += prefix_faults("speed.energy", _check_energy(energy))
    return faults


def _check_rows(
    table: Mapping[str, Any], key: str, check: Callable[[Mapping[str, Any]], Iterator[str]]
) -> Iterator[str]:
    rows = table.get(key)
    if not isinstance(rows, list):
        yield f"{key}: must be a list"
        return
    for place, row in enumerate(rows):
        where = f"{key}[{place}]"
        if not isinstance(row, Mapping):
            yield f"{where}: must be an object"
            continue
        yield from prefix_faults(where, check_text(row, "name"))
        yield from prefix_faults(where, check(row))


def _check_sweep_row(row: Mapping[str, Any]) -> Iterator[str]:
    for key in ("threads", "batch"):
        yield from check_number(row, key, low=1, whole=True)
    for key in ("p50", "images_per_s"):
        yield from check_number(row, key, above=0)
    yield from _check_flag(row, "disturbed")


def _check_start_row(row: Mapping[str, Any]) -> Iterator[str]:
    yield from check_number(row, "threads", low=1, whole=True)
    yield from check_number(row, "peak_mb", above=0)
    for key in ("start_ms", "stages_ms"):
        times = row.get(key)
        if not isinstance(times, Mapping) or not times:
            yield f"{key}: must be an object of times by stage"
            continue
        for stage in times:
            yield from prefix_faults(key, check_number(times, stage, low=0))


def _check_part_row(row: Mapping[str, Any]) -> Iterator[str]:
    yield from check_number(row, "threads", low=1, whole=True)
    yield from check_number(row, f"{WHOLE}_ms", above=0)
    for part in PARTS:  # below zero where an engine does better with it
        yield from check_number(row, f"{part}_ms")
    yield from _check_flag(row, "disturbed")


def _check_energy(energy: Mapping[str, Any]) -> Iterator[str]:
    yield from check_number(energy, "idle_w", low=0)
    yield from _check_rows(energy, "rows", _check_energy_row)


def _check_energy_row(row: Mapping[str, Any]) -> Iterator[str]:
    for key in ("mj", "watts"):
        yield from check_number(row, key, above=0)


def _check_flag(row: Mapping[str, Any], key: str) -> Iterator[str]:
    if not isinstance(row.get(key), bool):
        yield f"{key}: must be true or false"


_ALWAYS = ("sweep", "starts")  # reports from before the others were measured lack them
_LISTS: Mapping[str, Callable[[Mapping[str, Any]], Iterator[str]]] = {
    "sweep": _check_sweep_row,
    "starts": _check_start_row,
    "parts": _check_part_row,
}
