"""One table of the grid: mean and standard deviation over seeds, and the difference to `full` seed by seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gazeclip.ablation.grid import FULL, Variant
from gazeclip.tables import MISSING, Table, markdown_table

COLUMNS = (
    ("test AUC", "P1", "auc"),
    ("test attribution", "P1", "attribution_macro_acc"),
    ("unseen AUC", "P2", "auc"),
    ("unseen family", "P2", "family_macro_acc"),
    ("new family AUC", "P3", "auc"),
    ("shuffled gaze: AUC", "shuffled", "auc"),
    ("attribution", "shuffled", "attribution_macro_acc"),
)
DIFFERENCES = (("test AUC against full", "P1", "auc"), ("unseen AUC against full", "P2", "auc"))
Entry = Mapping[str, Any]


def summarise(entries: Sequence[Entry], variants: Sequence[Variant]) -> list[dict[str, Any]]:
    """Per variant: `seeds`, and for every column `{"mean", "sd", "n"}` or None; `sd` is None for a single seed."""
    by_name = {variant.name: [entry for entry in entries if entry["variant"] == variant.name] for variant in variants}
    full = {entry["seed"]: entry for entry in by_name.get(FULL, [])}
    rows = []
    for variant in variants:
        mine = by_name[variant.name]
        row: dict[str, Any] = {"variant": variant.name, "title": variant.title, "seeds": [entry["seed"] for entry in mine]}
        row["figures"] = {title: _spread([_value(entry, part, key) for entry in mine]) for title, part, key in COLUMNS}
        for title, part, key in DIFFERENCES:
            pairs = [(_value(entry, part, key), _value(full[entry["seed"]], part, key)) for entry in mine if entry["seed"] in full]
            gaps = [a - b for a, b in pairs if a is not None and b is not None]
            row["figures"][title] = None if variant.name == FULL else _spread(gaps)
        rows.append(row)
    return rows


def _value(entry: Entry, part: str, key: str) -> float | None:
    return (entry.get(part) or {}).get(key)


def _spread(values: Sequence[float | None]) -> dict[str, Any] | None:
    known = np.array([value for value in values if value is not None], dtype=np.float64)
    if not len(known):
        return None
    return {"mean": float(known.mean()), "sd": float(known.std(ddof=1)) if len(known) > 1 else None, "n": len(known)}


def table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Columns without any figure (no unseen families, say) are left out."""
    titles = [title for title, _, _ in (*COLUMNS, *DIFFERENCES) if any(row["figures"][title] is not None for row in rows)]
    differences = {title for title, _, _ in DIFFERENCES}
    body = [[row["variant"], row["title"], *(_text(row["figures"][title], title in differences) for title in titles)] for row in rows]
    return Table(["variant", "what", *titles], body, left=(0, 1))


def _text(figure: Mapping[str, Any] | None, signed: bool) -> str:
    if figure is None:
        return MISSING
    mean = f"{figure['mean']:+.3f}" if signed else f"{figure['mean']:.3f}"
    return mean if figure["sd"] is None else f"{mean} ± {figure['sd']:.3f}"


def markdown(rows: Sequence[Mapping[str, Any]], facts: Mapping[str, Any]) -> str:
    """`ablation.md`."""
    lines = ["# Ablation", "", markdown_table(table(rows)), ""]
    lines += [f"- {key}: {value}" for key, value in facts.items()]
    lines.append("- mean ± standard deviation over seeds; differences are taken seed by seed. One seed has no deviation.")
    return "\n".join(lines) + "\n"
