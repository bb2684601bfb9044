"""The contract of `peers` in report.json: see `benchmarks.report.schema`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.measure.subject import engine_titles
from gazeclip.bundle.layout import PRECISIONS

ROLES = ("teacher", "peer", "student", "bundle")
# Positive, or null where it was not measured or not counted.
FIGURES = (
    "p50_ms",
    "min_ms",
    "calls",
    "size_mb",
    "macs",
    "weights",
    "least_bytes",
    "moved_bytes",
    "intensity",
    "bound_gops",
    "gops",
    "of_bound",
)
LIMITS = ("fp32_gops", "int8_gops", "bandwidth_gb_s")


def check_peers(report: Mapping[str, Any]) -> list[str]:
    """Faults of the section, which may be null or missing."""
    peers = report.get("peers")
    if peers is None:
        return []
    if not isinstance(peers, Mapping):
        return ["peers: must be an object (null if not measured)"]
    faults = [f"peers.limits.{fault}" for fault in _check_limits(peers.get("limits"))]
    if peers.get("random_weights") is not True:
        faults.append("peers.random_weights: must be true: nothing else is built")
    rows = peers.get("rows")
    if not isinstance(rows, list):
        return [*faults, "peers.rows: must be a list"]
    for place, row in enumerate(rows):
        faults += [f"peers.rows[{place}].{fault}" for fault in _check_row(row)]
    aims = peers.get("aims")
    if not isinstance(aims, list):
        return [*faults, "peers.aims: must be a list"]
    for place, aim in enumerate(aims):
        faults += [f"peers.aims[{place}].{fault}" for fault in _check_aim(aim)]
    return faults


def _check_limits(limits: Any) -> Iterator[str]:
    if not isinstance(limits, Mapping):
        yield "must be an object"
        return
    for key in LIMITS:
        yield from _check_positive(limits, key)


def _check_row(row: Any) -> Iterator[str]:
    if not isinstance(row, Mapping):
        yield "must be an object"
        return
    checks = (
        ("role", ROLES),
        ("engine", tuple(engine_titles())),
        ("precision", PRECISIONS),
    )
    for key, known in checks:
        if row.get(key) not in known:
            yield f"{key}: is {row.get(key)!r}, must be one of {', '.join(known)}"
    for key in ("name", "state"):
        if not isinstance(row.get(key), str) or not row.get(key):
            yield f"{key}: must be text"
    for key in FIGURES:
        yield from _check_positive(row, key)


def _check_aim(aim: Any) -> Iterator[str]:
    if not isinstance(aim, Mapping):
        yield "must be an object"
        return
    yield from _check_positive(aim, "aim")
    yield from _check_positive(aim, "ratio")
    known = aim.get("ratio") is not None
    if known != isinstance(aim.get("met"), bool):
        yield "met: must be true or false where there is a ratio, and null elsewhere"


def _check_positive(table: Mapping[str, Any], key: str) -> Iterator[str]:
    if key not in table:
        yield f"{key}: is missing (null if not measured)"
        return
    value = table[key]
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        yield f"{key}: is {value!r}, must be a number above 0, or null"
