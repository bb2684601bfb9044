"""The protocol's figures as tables for the terminal and for Markdown.

One of all protocols, and one per protocol with a row per generator.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TextIO

from gazeclip.console.lines import print_line
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
    """All tables of a `protocol.json`: the summary, then each protocol that has a forged image."""
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
    protocols = report["protocols"]
    measured = {name: entry for name, entry in protocols.items() if entry["auc"] is not None}
    allowed = [
        f"{entry['false_alarms_allowed']} of {entry['n_real']} reals ({name})"
        for name, entry in measured.items()
    ]
    lines = [
        "ACC: detection at fake_logit > 0, forged and real images of the protocol together; "
        "their numbers differ, and ACC with them",
        _explain_threshold(report["threshold"], measured),
        f"TPR@1%: caught with at most 1% false alarms, that is {', '.join(allowed) or MISSING}",
        "attribution ACC: mean over real and generators, each counting once; "
        "family ACC: over generators only",
        "brackets: 95% bootstrap over persons (over images where the manifest names no persons)",
    ]
    for name, entry in protocols.items():
        lines += [f"{name}: {text}" for text in _explain_missing(entry)]
    return lines


def _explain_threshold(
    threshold: Mapping[str, Any] | None, measured: Mapping[str, Mapping[str, Any]]
) -> str:
    """Where the threshold of val lies, and what it does to the real images of each protocol."""
    if threshold is None:
        return "ACC@val: not measured, val has no real image"
    alarms = [
        f"{entry['per_generator'][REAL]['flagged_fake_at_threshold']:.3f} ({name})"
        for name, entry in measured.items()
    ]
    return (
        f"ACC@val: at fake_logit >= {threshold['value']:.3f}, fitted for "
        f"{threshold['fpr']:.0%} false alarms on {threshold['n_real']} reals of val; "
        f"false alarms it gives here: {', '.join(alarms) or MISSING}"
    )


def _explain_missing(entry: Mapping[str, Any]) -> list[str]:
    """Why a protocol has no figures, or not all of them."""
    lines = []
    if not entry["n_forged"]:
        lines.append(f"no figures, because {entry['split']} has no forged image of this kind")
    elif not entry["n_real"]:
        lines.append(
            "no detection figures but the share flagged, "
            f"because {entry['split']} has no real image"
        )
    if entry["attribution_unreachable"]:
        lines.append(
            f"no class is {', '.join(entry['attribution_unreachable'])}; "
            "not attributed, left out of attribution ACC"
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
    for line in explain_figures(report):
        print_line(line, out)


def _summarise_protocol(name: str, entry: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        f"{name} {entry['title']}",
        str(entry["n_forged"]),
        str(entry["n_real"]),
        *_format_detection(entry),
        _format_interval(entry, "attribution_macro_acc"),
        LEVEL_TITLES[entry["attribution_by"]],
        _format_figure(entry["family_macro_acc"]),
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
        # Real images are what the others are told from: they have no detection of their own.
        found = [MISSING] * len(DETECTION)
        seen = MISSING
        if label != REAL:
            found = _format_detection(row)
            seen = "yes" if row["group_seen"] else "no"
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
    ordered = sorted(shares.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {share:.2f}" for name, share in ordered if share)


def _format_figure(value: float | None) -> str:
    return MISSING if value is None else f"{value:.3f}"


def _format_interval(entry: Mapping[str, Any], key: str) -> str:
    interval = entry.get(f"{key}_interval")
    if interval is None:
        return _format_figure(entry[key])
    low, high = interval
    return f"{_format_figure(entry[key])} [{low:.3f}, {high:.3f}]"
