"""MODEL_CARD.md of a bundle, written from the bundle's own data so that the two cannot disagree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gazeclip.bundle.contents import OperatingPoint
from gazeclip.console.tables import Table, markdown_table


def model_card(meta: Mapping[str, Any]) -> str:
    """Markdown for the contents of bundle.json; a figure that was not measured is a dash."""
    size = meta["image_size"]
    sections = [
        f"# GazeCLIP Edge, {meta['target']}, {meta['precision']}",
        "Tells whether a photograph of a face is real or made by a machine, which kind of generator made it, and where "
        "the face looks. Distilled from a GazeCLIP teacher (a reconstruction from the abstract of arXiv:2603.29295; "
        "none of that paper's figures apply here).",
        "## Input and output",
        f"One uint8 RGB face crop, `(B, {size}, {size}, 3)`; the graph normalises for itself. Scale the crop with the "
        f"pixel contract of `bundle.json` ({_inline(meta['contract'])}).\n\n"
        f"Outputs: `embedding (B, {meta['embedding_dim']})` of unit length, `logits (B, {len(meta['classes'])})`, "
        "`fake_logit (B, 1)`, `gaze (B, 2)` = pitch and yaw in radians. Fake probability = "
        f"sigmoid(fake_logit / {_figure(meta['temperature']['detection'])}); attribution = "
        f"softmax(logits / {_figure(meta['temperature']['attribution'])}).",
        "## Classes",
        _table(("class", "title", "category", "family"), _classes(meta["classes"])),
        "## Operating points",
        "A face is called fake when its fake probability reaches the threshold. At `fpr1` at most 1% of the real "
        "calibration images reach it, at `fpr0.1` at most 0.1%: none, where they are few. A point marked unreliable "
        "rests on too few real images for its rate.",
        _table(
            ("name", "threshold", "real images", "interval", "reliable"),
            _points(meta["thresholds"]),
        ),
        "## Calibration",
        "Measured on the exported file with the calibration split. Accuracy on test images is in the report of its run.",
        _figures({key: value for key, value in meta["metrics"].items() if key != "conversion"}),
        "## Conversion",
        _figures(meta["metrics"].get("conversion", {})),
        "## Fidelity to the PyTorch model",
        _figures(meta["parity"]),
        "## Limits",
        "- A score is evidence, not proof: do not decide about a person on it alone.\n"
        "- Generators, cameras and compression unlike the training data lower the accuracy.\n"
        "- It judges a face crop; it neither finds faces nor recognises whom they belong to.",
        "## Origin",
        _table(
            ("what", "value"),
            [(key, _figure(value)) for key, value in sorted(meta["provenance"].items())],
        ),
        _table(
            ("tool", "version"),
            [(key, _figure(value)) for key, value in sorted(meta["versions"].items())],
        ),
        f"Licence: {meta['licence']}. Check the bundle with `python -m runtimes verify --bundle FOLDER --self-test`.",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _classes(classes: Sequence[Mapping[str, str]]) -> list[tuple[str, ...]]:
    return [
        tuple(entry[key] for key in ("name", "title", "category", "family")) for entry in classes
    ]


def _points(thresholds: Mapping[str, Any]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for name, entry in sorted(thresholds.items()):
        point = OperatingPoint.from_entry(name, entry)
        bounds = " to ".join(map(_figure, point.interval)) if point.interval else "-"
        reliable = "yes" if point.reliable else "no"
        rows.append((name, _figure(point.threshold), _figure(point.n_real), bounds, reliable))
    return rows


def _figures(data: Mapping[str, Any]) -> str:
    """One table row per entry; entries that are tables themselves (one per split) share their
    columns.
    """
    groups = {key: value for key, value in data.items() if isinstance(value, dict)}
    plain = [(key, _figure(value)) for key, value in sorted(data.items()) if key not in groups]
    columns = sorted({column for value in groups.values() for column in value})
    rows = [
        (name, *(_figure(groups[name].get(column)) for column in columns))
        for name in sorted(groups)
    ]
    parts = [_table(("part", *columns), rows)] if rows else []
    parts += [_table(("figure", "value"), plain)] if plain else []
    return "\n\n".join(parts) or "Not measured."


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return markdown_table(Table(header, rows, left=range(len(header)))) if rows else ""


def _figure(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else " ".join(str(value).split())


def _inline(data: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in sorted(data.items()))
