"""The protocol's figures as tables: one of all protocols, one per protocol with a row per
generator; for the terminal and for Markdown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TextIO

from gazeclip.console.tables import MISSING, Table, markdown_table, print_tables
from gazeclip.taxonomy import REAL

LEVEL_TITLES = {"class": "generator", "category+family": "category and family", "family": "family"}
DETECTION = (
    ("ACC", "detection_acc"),
    ("ACC@val", "detection_acc_at_threshold"),
    ("AUC", "auc"),
    ("EER", "eer"),
    ("TPR@1%", "tpr_at_fpr1"),
)


def build_tables(report: Mapping[str, Any]) -> list[Table]:
    """All tables of a `protocol.json`: the summary first, then each protocol that has a forged
    image.
    """
    protocols = report["protocols"]
    header = (
        "protocol",
        "forged",
        "real",
        *(title for title, _ in DETECTION),
        "attribution ACC",
        "by",
        "family ACC",
    )
    rows = tuple(_summarise_protocol(name, entry) for name, entry in protocols.items())
    details = [
        _build_generator_table(name, entry)
        for name, entry in protocols.items()
        if entry["n_forged"]
    ]
    return [Table(header, rows, f"{report['model']} of {report['run']}"), *details]


def explain_figures(report: Mapping[str, Any]) -> list[str]:
    """What must be read beside the figures, and why figures are missing."""
    threshold, protocols = report["threshold"], report["protocols"]
    measured = {name: entry for name, entry in protocols.items() if entry["auc"] is not None}
    lines = [
        "ACC: detection at fake_logit > 0, forged and real images of the protocol together; their numbers differ, and ACC with them"
    ]
    if threshold is None:
        lines.append("ACC@val: not measured, val has no real image")
    else:
        fitted = f"at fake_logit >= {threshold['value']:.3f}, fitted for {threshold['fpr']:.0%} false alarms on {threshold['n_real']} reals of val"
        alarms = (
            f"{entry['per_generator'][REAL]['flagged_fake_at_threshold']:.3f} ({name})"
            for name, entry in measured.items()
        )
        lines.append(
            f"ACC@val: {fitted}; false alarms it gives here: {', '.join(alarms) or MISSING}"
        )
    allowed = (
        f"{entry['false_alarms_allowed']} of {entry['n_real']} reals ({name})"
        for name, entry in measured.items()
    )
    lines += [
        f"TPR@1%: caught with at most 1% false alarms, that is {', '.join(allowed) or MISSING}",
        "attribution ACC: mean over real and generators, each counting once; family ACC: over generators only",
        "brackets: 95% bootstrap over persons (over images where the manifest names no persons)",
    ]
    for name, entry in protocols.items():
        if not entry["n_forged"]:
            lines.append(
                f"{name}: no figures, because {entry['split']} has no forged image of this kind"
            )
        elif not entry["n_real"]:
            lines.append(
                f"{name}: no detection figures but the share flagged, because {entry['split']} has no real image"
            )
        if entry["attribution_unreachable"]:
            lines.append(
                f"{name}: no class is {', '.join(entry['attribution_unreachable'])}; not attributed, left out of attribution ACC"
            )
    return lines


def render_markdown(report: Mapping[str, Any]) -> str:
    """The whole of `protocol.md`."""
    lines = ["# Protocol", ""]
    for table in build_tables(report):
        lines += [f"## {table.title}", "", markdown_table(table), ""]
    lines += [*(f"- {note}" for note in explain_figures(report)), "", "## Made from", ""]
    lines += [
        f"- {key}: {value}"
        for key, value in report["made_from"].items()
        if not isinstance(value, list)
    ]
    lines += [f"- {text}" for text in report["made_from"].get("cite", [])]
    return "\n".join(lines) + "\n"


def print_report(report: Mapping[str, Any], out: TextIO) -> None:
    """The tables and notes."""
    print_tables(build_tables(report), out)
    print(*explain_figures(report), sep="\n", file=out)


def _summarise_protocol(name: str, entry: Mapping[str, Any]) -> tuple[str, ...]:
    attribution = _format_interval(entry, "attribution_macro_acc")
    counts = str(entry["n_forged"]), str(entry["n_real"])
    family = _format_figure(entry["family_macro_acc"])
    return (
        f"{name} {entry['title']}",
        *counts,
        *_format_detection(entry),
        attribution,
        LEVEL_TITLES[entry["attribution_by"]],
        family,
    )


def _build_generator_table(name: str, entry: Mapping[str, Any]) -> Table:
    header = (
        "label",
        "category/family",
        "group seen",
        "n",
        *(title for title, _ in DETECTION),
        "flagged",
        "attribution",
        "family",
        "called",
    )
    rows = []
    for label, row in _reals_last(entry["per_generator"]):
        found = [MISSING] * len(DETECTION) if label == REAL else _format_detection(row)
        seen = MISSING if label == REAL else "yes" if row["group_seen"] else "no"
        figures = (
            _format_figure(row[key]) for key in ("flagged_fake", "attribution_acc", "family_acc")
        )
        rows.append(
            (
                label,
                row["group"],
                seen,
                str(row["n"]),
                *found,
                *figures,
                _format_shares(row["called_family"]),
            )
        )
    return Table(
        header, rows, f"{name}: {entry['title']} ({entry['split']})", left=(0, len(header) - 1)
    )


def _reals_last(table: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return sorted(table.items(), key=lambda item: item[0] == REAL)


def _format_detection(entry: Mapping[str, Any]) -> list[str]:
    return [
        _format_interval(entry, key) if key == "auc" else _format_figure(entry[key])
        for _, key in DETECTION
    ]


def _format_shares(shares: Mapping[str, float]) -> str:
    """The families a generator is called, most frequent first."""
    return ", ".join(
        f"{name} {share:.2f}"
        for name, share in sorted(shares.items(), key=lambda item: -item[1])
        if share
    )


def _format_figure(value: float | None) -> str:
    return MISSING if value is None else f"{value:.3f}"


def _format_interval(entry: Mapping[str, Any], key: str) -> str:
    interval = entry.get(f"{key}_interval")
    return _format_figure(entry[key]) + (
        "" if interval is None else f" [{interval[0]:.3f}, {interval[1]:.3f}]"
    )
