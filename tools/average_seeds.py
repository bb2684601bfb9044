"""Mean and range of the figures of several runs that differ by their seed, as Markdown.

    python tools/average_seeds.py runs/demo-0 runs/demo-1 runs/demo-2

It reads each run's report/report.json. A figure that one run lacks is a dash.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gazeclip.console.lines import print_line
from gazeclip.console.tables import MISSING, Table, print_markdown

# Title -> where the figure stands in a subject of report.json.
FIGURES = {
    "AUC test": ("accuracy", "test", "auc"),
    "TPR test": ("accuracy", "test", "shipped", "tpr"),
    "FPR test": ("accuracy", "test", "shipped", "fpr"),
    "unsure test": ("accuracy", "test", "shipped", "inconclusive"),
    "AUC unseen": ("accuracy", "test_unseen", "auc"),
    "TPR unseen": ("accuracy", "test_unseen", "shipped", "tpr"),
    "FPR unseen": ("accuracy", "test_unseen", "shipped", "fpr"),
    "unsure unseen": ("accuracy", "test_unseen", "shipped", "inconclusive"),
    "ACC test": ("accuracy", "test", "attribution_acc"),
    "Cllr test": ("accuracy", "test", "cllr"),
    "r yaw": ("gaze", "test", "teacher", "pearson_yaw"),
}


def read_figure(subject: Mapping[str, Any], path: Sequence[str]) -> float | None:
    """The figure at a path of keys; None where one of them is not there."""
    value: Any = subject
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def format_spread(values: Sequence[float | None]) -> str:
    """`0.812 (0.790 to 0.830)`."""
    known = [value for value in values if value is not None]
    if len(known) < len(values) or not known:
        return MISSING
    return f"{sum(known) / len(known):.3f} ({min(known):.3f} to {max(known):.3f})"


def average_reports(reports: Sequence[Mapping[str, Any]]) -> Table:
    """One row for each subject that all reports have, by name and engine."""
    keyed = []
    for report in reports:
        keyed.append({(one["name"], one["engine"]): one for one in report["subjects"]})
    rows = []
    for key in keyed[0]:
        if not all(key in subjects for subjects in keyed):
            continue
        cells = []
        for path in FIGURES.values():
            cells.append(format_spread([read_figure(found[key], path) for found in keyed]))
        rows.append([key[0], *cells])
    return Table(["subject", *FIGURES], rows, left=(0,))


def main(argv: Sequence[str]) -> int:
    """Print the table of the runs named."""
    if not argv:
        print_line("usage: python tools/average_seeds.py RUN...", sys.stderr)
        return 2
    reports = []
    for name in argv:
        path = Path(name) / "report" / "report.json"
        try:
            reports.append(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            print_line(f"error: {path} cannot be read ({error}). Run: gazeclip run", sys.stderr)
            return 2
    print_markdown(average_reports(reports))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
