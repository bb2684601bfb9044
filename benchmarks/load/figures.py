"""What a measurement comes to, as plain values for JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.load.client import LOST, Sample

JUDGED = 200
SENT_AWAY = 429
PERCENTILES = (50, 95, 99)


def count_statuses(samples: Sequence[Sample]) -> dict[str, int]:
    """How many answers of each status; `lost` for those that never came."""
    counts = Counter(sample.status for sample in samples)
    names = {status: "lost" if status == LOST else str(status) for status in counts}
    return {names[status]: counts[status] for status in sorted(counts)}


def describe_samples(samples: Sequence[Sample], seconds: float) -> dict[str, Any]:
    """Counts, verdicts a second, and percentiles of how long a verdict took (null: there is none).

    Args:
        seconds: from the first request to the last answer.
    """
    times = [sample.seconds * 1e3 for sample in samples if sample.status == JUDGED]
    figures: dict[str, Any] = {
        "requests": len(samples),
        "statuses": count_statuses(samples),
        "seconds": round(seconds, 3),
        "judged_per_second": round(len(times) / seconds, 2),
    }
    for percent in PERCENTILES:
        value = round(float(np.percentile(times, percent)), 3) if times else None
        figures[f"p{percent}_ms"] = value
    return figures


def count_unanswered(samples: Sequence[Sample]) -> int:
    """Requests that were neither judged nor sent away in order."""
    return sum(sample.status not in (JUDGED, SENT_AWAY) for sample in samples)
