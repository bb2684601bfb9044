"""The figures that reports are compared by: their names, where they stand, how they are shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.report.plots import read_figure
from benchmarks.report.tables import SPLIT_TITLES, read_shipped

Entry = Mapping[str, Any]
POINTS = "pt"  # of a share: hundredths
RATIO = "x"
OF_IMAGES = ("auc", "tpr", "fpr", "miss", "unsure", "acc", "cllr")
OF_ANSWERS = {"tpr": "tpr", "fpr": "fpr", "miss": "miss", "unsure": "inconclusive"}
TITLES = {
    "auc": "AUC",
    "tpr": "TPR",
    "fpr": "FPR",
    "miss": "missed",
    "unsure": "inconclusive",
    "acc": "attribution",
    "cllr": "Cllr",
}


@dataclass(frozen=True)
class Figure:
    """`key` is what a condition calls it; `split` None for what does not depend on images.

    `units`: what a condition may be given in, the first one being that of a difference.
    """

    key: str
    title: str
    units: tuple[str, ...]
    kind: str
    split: str | None = None

    def read(self, entry: Entry) -> float | None:
        """Its value in a subject of report.json; None if not measured."""
        if self.kind == "latency":
            value = entry["latency_ms"]["p50"]
        elif self.kind == "size":
            value = entry["size_mb"]
        elif self.kind in OF_ANSWERS:
            value = read_shipped(entry, str(self.split), OF_ANSWERS[self.kind])
        else:
            key = "attribution_acc" if self.kind == "acc" else self.kind
            value = read_figure(entry, str(self.split), key)
        return None if value is None else float(value)

    def change(self, a: float, b: float, unit: str) -> float:
        """From `a` to `b` in a unit of the figure's."""
        if unit == RATIO:
            return b / a if a else float("inf")
        return (b - a) * (100.0 if unit == POINTS else 1.0)

    @property
    def decimals(self) -> int:
        """Of its value."""
        return 2 if self.kind in ("latency", "size") else 3


def _list_figures() -> dict[str, Figure]:
    found = {
        "latency": Figure("latency", "p50 ms", ("ms", RATIO), "latency"),
        "size": Figure("size", "MB", ("mb", RATIO), "size"),
    }
    for split, short in SPLIT_TITLES.items():
        for kind in OF_IMAGES:
            key = kind if split == "test" else f"{kind}_{short}"
            title = TITLES[kind] if split == "test" else f"{TITLES[kind]} {short}"
            units = ("bit", RATIO) if kind == "cllr" else (POINTS,)
            found[key] = Figure(key, title, units, kind, split)
    return found


FIGURES = _list_figures()
