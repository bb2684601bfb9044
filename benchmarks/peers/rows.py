"""One network in one engine: a row of the peers, and its form in report.json."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.measure.latency import LatencyStats
from benchmarks.peers.count import Work
from benchmarks.peers.limits import Limits, find_intensity
from gazeclip.bundle.layout import Precision

MEASURED = "measured"


@dataclass
class Row:
    """One network in one engine.

    Attributes:
        form: what was done to it in this engine.
        state: `MEASURED`, or why it was not.
        call: one pass; None where there is none to time.
    """

    name: str
    role: str
    engine: str
    precision: Precision
    size: int
    form: str = ""
    state: str = MEASURED
    size_mb: float | None = None
    work: Work | None = None
    call: Callable[[], object] | None = field(default=None, repr=False)
    stats: LatencyStats | None = None


def describe_failure(error: Exception) -> str:
    """A row's state: the last line that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"does not run: {lines[-1][:160] if lines else type(error).__name__}"


def describe_row(row: Row, limits: Limits) -> dict[str, Any]:
    """A row as report.json has it; null where it was not measured or counted."""
    entry: dict[str, Any] = {
        "name": row.name,
        "role": row.role,
        "engine": row.engine,
        "precision": row.precision,
        "image_size": row.size,
        "form": row.form,
        "state": row.state,
        "size_mb": row.size_mb,
        "p50_ms": row.stats.p50 if row.stats else None,
        "min_ms": row.stats.min if row.stats else None,
        "calls": row.stats.calls if row.stats else None,
        "disturbed": bool(row.stats and row.stats.disturbed),
    }
    keys = ("macs", "weights", "least_bytes", "moved_bytes", "intensity", "bound_gops")
    entry |= dict.fromkeys((*keys, "gops", "of_bound"))
    work = row.work
    if work is None:
        return entry
    bound = limits.bound(work, row.precision)
    entry |= {
        "macs": work.macs,
        "weights": work.weights,
        "least_bytes": work.count_least_bytes(row.precision),
        "moved_bytes": work.count_moved_bytes(row.precision),
        "intensity": find_intensity(work, row.precision),
        "bound_gops": bound,
    }
    if row.stats is not None:
        gops = 2 * work.macs / (row.stats.p50 * 1e-3) / 1e9
        entry |= {"gops": gops, "of_bound": gops / bound if bound else None}
    return entry
