"""What the students are to be measured by: ratios of rows that were timed in the same rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.peers.catalogue import LITE_STUDENT, MOBILECLIP, MOBILENET_STUDENT, TEACHER

RowKey = tuple[str, str, str]  # name, engine, precision


@dataclass(frozen=True)
class Aim:
    """How many times as fast one row is to be as another."""

    of: RowKey
    against: RowKey
    times: float


_TOWER: RowKey = (MOBILECLIP, "openvino", "fp32")
AIMS = (
    Aim((MOBILENET_STUDENT, "openvino", "int8"), (TEACHER, "torch", "fp32"), 300.0),
    Aim((MOBILENET_STUDENT, "openvino", "int8"), _TOWER, 25.0),
    Aim((LITE_STUDENT, "openvino", "int8"), _TOWER, 15.0),
)


def weigh_aims(
    rows: Sequence[Mapping[str, Any]], aims: Sequence[Aim] = AIMS
) -> list[dict[str, Any]]:
    """`of`, `against`, `aim`, `ratio` of the medians and whether it is `met`.

    Both are null where one of the two rows was not measured.
    """
    times = {(row["name"], row["engine"], row["precision"]): row["p50_ms"] for row in rows}
    found = []
    for aim in aims:
        own = times.get(aim.of)
        other = times.get(aim.against)
        ratio = other / own if own and other else None
        found.append(
            {
                "of": " ".join(aim.of),
                "against": " ".join(aim.against),
                "aim": aim.times,
                "ratio": ratio,
                "met": None if ratio is None else ratio >= aim.times,
            }
        )
    return found
