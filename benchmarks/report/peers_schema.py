"""The contract of `peers` in report.json: see `benchmarks.report.schema`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.measure.subject import engine_titles
from benchmarks.report.schema_checks import check_choices, check_number, check_text, prefix_faults
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
    faults = list(prefix_faults("peers.limits", _check_limits(peers.get("limits"))))
    if peers.get("random_weights") is not True:
        faults.append("peers.random_weights: must be true: nothing else is built")
    rows = peers.get("rows")
    if not isinstance(rows, list):
        return [*faults, "peers.rows: must be a list"]
    for place, row in enumerate(rows):
        faults += prefix_faults(f"peers.rows[{place}]", _check_row(row))
    aims = peers.get("aims")
    if not isinstance(aims, list):
        return [*faults, "peers.aims: must be a list"]
    for place, aim in enumerate(aims):
        faults += prefix_faults(f"peers.aims[{place}]", _check_aim(aim))
    return faults


def _check_limits(limits: Any) -> Iterator[str]:
    if not isinstance(limits, Mapping):
        yield "must be an object"
        return
    for key in LIMITS:
        yield from check_number(limits, key, above=0)


def _check_row(row: Any) -> Iterator[str]:
    if not isinstance(row, Mapping):
        yield "must be an object"
        return
    known = {"role": ROLES, "engine": tuple(engine_titles()), "precision": PRECISIONS}
    yield from check_choices(row, known)
    for key in ("name", "state"):
        yield from check_text(row, key)
    for key in FIGURES:
        yield from check_number(row, key, above=0)


def _check_aim(aim: Any) -> Iterator[str]:
    if not isinstance(aim, Mapping):
        yield "must be an object"
        return
    yield from check_number(aim, "aim", above=0)
    yield from check_number(aim, "ratio", above=0)
    known = aim.get("ratio") is not None
    if known != isinstance(aim.get("met"), bool):
        yield "met: must be true or false where there is a ratio, and null elsewhere"
