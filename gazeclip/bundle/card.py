"""MODEL_CARD.md of a bundle, written from the bundle's own data: the two cannot disagree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gazeclip.bundle.answers import KEY as ANSWERS
from gazeclip.bundle.card_bank import (
    describe_bank_input,
    describe_logits,
    tell_whose_classes,
)
from gazeclip.bundle.card_use import describe_use, list_limits, tabulate_answers
from gazeclip.bundle.contents import OperatingPoint
from gazeclip.bundle.gaze import tells_gaze
from gazeclip.bundle.layout import SHIPPED_POINT
from gazeclip.console.tables import Table, markdown_table
from gazeclip.images.crop_rule import WHOLE, CropRule

_ABOUT = (
    "Tells whether an image of a face is real or made by a machine, which kind of generator "
    "made it, and where the face looks. Distilled from a GazeCLIP teacher (a reconstruction from "
    "the abstract of arXiv:2603.29295; none of that paper's figures apply here)."
)
_WITHOUT_GAZE = (
    ", which kind of generator made it, and where the face looks",
    " and which kind of generator made it",
)
_EVIDENCE = (
    "Evidence is a log-likelihood ratio (LLR, natural logarithm): how much more probable these "
    "scores are of a forged image than of a real one. It holds no prior. "
    "Fake probability = sigmoid(LLR + log odds of your prior). It never leaves the limits below: "
    "the calibration images cannot show more, unless a threshold lies there."
)
_OPERATING_POINTS = (
    "A face is `fake` from the first LLR on, `real` below the second, and `inconclusive` between "
    "them. The first is placed so that false alarms stay below their rate, the second so that "
    "misses of forgeries like those of the calibration images do, each with 95% confidence over "
    "persons; 'at most' is the bound that the images show. Where it is above the rate they were "
    "too few. Generators that are unlike all calibration images may be missed far more often."
)
_CALIBRATION = (
    "Measured on the exported file with the calibration split. Accuracy on test images is in the "
    "report of its run."
)


def model_card(meta: Mapping[str, Any]) -> str:
    """Markdown for the contents of bundle.json; a figure that was not measured is a dash."""
    metrics = dict(meta["metrics"])
    conversion = metrics.pop("conversion", {})
    metrics.pop(ANSWERS, None)
    sections = [
        f"# GazeCLIP Edge, {meta['target']}, {meta['precision']}",
        _ABOUT if tells_gaze(meta) else _ABOUT.replace(*_WITHOUT_GAZE),
        "## Intended use",
        describe_use(meta),
        f"## Figures at the shipped threshold ({SHIPPED_POINT})",
        tabulate_answers(meta),
        "## Limits",
        list_limits(meta),
        "## Input and output",
        _describe_input(meta),
        describe_bank_input(meta),
        _describe_outputs(meta),
        "## Classes",
        tell_whose_classes(meta),
        _format_table(("class", "title", "category", "family"), _list_classes(meta["classes"])),
        "## Evidence",
        _EVIDENCE,
        _format_table(("part", "value"), _list_evidence(meta["evidence"])),
        "## Operating points",
        _OPERATING_POINTS,
        _format_table(_POINT_COLUMNS, _list_points(meta["thresholds"])),
        "## Calibration",
        _CALIBRATION,
        _format_figures(metrics),
        "## Conversion",
        _format_figures(conversion),
        "## Fidelity to the PyTorch model",
        _format_figures(meta["parity"]),
        "## Origin",
        _format_table(("what", "value"), _list_values(meta["provenance"])),
        _format_table(("tool", "version"), _list_values(meta["versions"])),
        f"Licence: {meta['licence']}. Check the bundle with "
        "`gazeclip verify --bundle FOLDER --self-test`, and what it comes from in "
        "`provenance.json`.",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _describe_input(meta: Mapping[str, Any]) -> str:
    size = meta["image_size"]
    contract = ", ".join(f"{key} {value}" for key, value in sorted(meta["contract"].items()))
    taken = f"uint8 RGB image, `(B, {size}, {size}, 3)`"
    if meta["target"] == "coreml":  # an ImageType, and no array
        taken = f"RGB picture of {size} x {size} pixels, in the form that Core ML has for images"
    return (
        f"One {taken}; the graph normalises for itself. "
        f"Scale it with the pixel contract of `bundle.json` ({contract}). {_describe_crop(meta)}"
    )


def _describe_crop(meta: Mapping[str, Any]) -> str:
    rule = CropRule.from_entry(meta["contract"])
    if rule is None:
        return "Nobody has said how the training images were cut: bring crops that are cut alike."
    if rule.kind == WHOLE:
        return "The training images were whole pictures."
    return (
        "The training images were upright squares around one face: "
        f"{_format_figure(rule.side)} times the side of a square as large as the box that "
        "`gazeclip verify` finds, its middle above the box's by "
        f"{_format_figure(rule.lift)} of its side. `verify` cuts photographs alike."
    )


def _describe_outputs(meta: Mapping[str, Any]) -> str:
    temperature = _format_figure(meta["temperature"]["attribution"])
    gaze = "pitch and yaw in radians" if tells_gaze(meta) else "nothing: it was not trained"
    return (
        f"Outputs: `embedding (B, {meta['embedding_dim']})` of unit length, "
        f"{describe_logits(meta)}, `fake_logit (B, 1)`, "
        f"`gaze (B, 2)` = {gaze}. "
        f"Attribution = softmax(logits / {temperature}), read among the forgeries of an image that "
        "is not judged real."
    )


def _list_values(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(key, _format_figure(value)) for key, value in sorted(data.items())]


def _list_classes(classes: Sequence[Mapping[str, str]]) -> list[tuple[str, ...]]:
    return [
        tuple(entry[key] for key in ("name", "title", "category", "family")) for entry in classes
    ]


def _list_evidence(entry: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = [
        (f"weight of {name}", _format_figure(value)) for name, value in entry["weights"].items()
    ]
    rows.append(("bias", _format_figure(entry["bias"])))
    rows.append(("limits", " to ".join(map(_format_figure, entry["limits"]))))
    return rows


_POINT_COLUMNS = (
    "name",
    "fake from",
    "real below",
    "false alarms",
    "at most",
    "real images",
    "misses",
    "at most",
    "forged images",
)


def _list_points(thresholds: Mapping[str, Any]) -> list[tuple[str, ...]]:
    rows = []
    for name, entry in sorted(thresholds.items()):
        point = OperatingPoint.from_entry(name, entry)
        figures = (
            point.fake_from,
            point.real_below,
            point.target_fpr,
            point.fpr_bound,
            point.n_real,
            point.target_miss,
            point.miss_bound,
            point.n_fake,
        )
        rows.append((name, *map(_format_figure, figures)))
    return rows


def _format_figures(data: Mapping[str, Any]) -> str:
    """One table row per entry; entries that are tables themselves share their columns."""
    groups = {key: value for key, value in data.items() if isinstance(value, dict)}
    plain = [
        (key, _format_figure(value)) for key, value in sorted(data.items()) if key not in groups
    ]
    columns = sorted({column for value in groups.values() for column in value})
    rows = [
        (name, *(_format_figure(groups[name].get(column)) for column in columns))
        for name in sorted(groups)
    ]
    parts = [_format_table(("part", *columns), rows)] if rows else []
    parts += [_format_table(("figure", "value"), plain)] if plain else []
    return "\n\n".join(parts) or "Not measured."


def _format_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return markdown_table(Table(header, rows, left=range(len(header)))) if rows else ""


def _format_figure(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else " ".join(str(value).split())
