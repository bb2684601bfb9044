"""The figures of `compare` as tables for the terminal and for Markdown, and as sentences."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from gazeclip.console.lines import print_line
from gazeclip.console.tables import Table, markdown_table, print_tables
from gazeclip.studies.gaze_stats.compare import ANGLES

LEVEL = 0.05
RELATED = 0.1  # pairs below this correlation in both angles are not of one scene
FIGURE = "gaze_stats.svg"
CAVEATS = (
    "A difference of gaze between two sets of images is not yet a trace of forgery: what people, "
    "poses and crops were chosen for each set moves the measured gaze too. For altered photographs "
    "the matched table takes the choice out; for entirely synthesised faces nothing here can.",
    "Head pose and crop are part of what a gaze encoder measures, and they are not removed: a set "
    "of more frontal heads has a narrower gaze.",
    "Means are of the encoder's own frame, which depends on how a face is cropped; compare them "
    "between sets of one pipeline only.",
)


def build_tables(report: Mapping[str, Any]) -> list[Table]:
    """Spread, tests, and where there are pairs the matched comparison."""
    found = [
        *(_build_spread_table(report, angle) for angle in reversed(ANGLES)),
        _build_test_table(report),
    ]
    return (
        [*found, _build_reason_table(report), _build_pair_table(report)]
        if report["matched"]
        else found
    )


def print_report(report: Mapping[str, Any], file: TextIO | None = None) -> None:
    """Tables and sentences on standard output."""
    out = file or sys.stdout
    print_line(describe_comparison(report), out)
    print_line(out=out)
    print_tables(build_tables(report), out)
    for line in [*list_findings(report), *CAVEATS]:
        print_line(f"- {line}", out)


def render_markdown(report: Mapping[str, Any], figure: bool = True) -> str:
    """The same as a page, with the figure beside it."""
    parts = ["# Gaze of real and forged faces", describe_comparison(report)]
    if figure:
        parts.append(f"![Pitch and yaw per generator, over the real images]({FIGURE})")
    for table in build_tables(report):
        parts.append(f"## {table.title}\n\n{markdown_table(table)}\n\n{table.note}")
    findings = "\n".join(f"- {line}" for line in list_findings(report))
    caveats = "\n".join(f"- {line}" for line in CAVEATS)
    parts += [f"## Findings\n\n{findings}", f"## Caveats\n\n{caveats}"]
    return "\n\n".join(parts) + "\n"


def describe_comparison(report: Mapping[str, Any]) -> str:
    """What was compared, in a sentence."""
    return (
        f"{report['manifest']}, taxonomy {report['taxonomy']}, "
        f"splits {', '.join(report['splits'])}; gaze: {report['gaze']['source']}; "
        f"angles in radians; {report['permutations']} permutations, seed {report['seed']}."
    )


def list_findings(report: Mapping[str, Any]) -> list[str]:
    """What the tests say after correction, and what the pairs say of the reason."""
    tested = [row for row in report["generators"] if "note" not in row]
    lines = [_describe_spreads(tested, angle) for angle in reversed(ANGLES)]
    for key, what in (
        ("energy", "Distribution as a whole"),
        ("energy_centred", "Distribution with the means taken out"),
    ):
        differs = [row["name"] for row in tested if row[key]["p_holm"] < LEVEL]
        lines.append(
            f"{what}: differs from real for {', '.join(differs) or 'none'}; tested {len(tested)}."
        )
    lines += [_describe_matched(*item) for item in _list_matched(report)]
    for entry in report["matched"]:
        correlations = [entry[angle]["target_correlation"] or 0.0 for angle in ANGLES]
        if max(correlations) < RELATED:
            lines.append(_describe_unrelated(entry))
    return lines


def _describe_spreads(tested: Sequence[Mapping[str, Any]], angle: str) -> str:
    """Which generators' gaze is narrower than that of real images, and which is wider."""
    found: dict[str, list[str]] = {
        "narrower than real": [],
        "wider than real": [],
        "no difference shown": [],
    }
    for row in tested:
        verdict = "no difference shown"
        if row[angle]["spread_p_holm"] < LEVEL:
            verdict = "narrower than real" if row[angle]["narrower"] else "wider than real"
        found[verdict].append(row["name"])
    parts = [f"{verdict}: {', '.join(names)}" for verdict, names in found.items() if names]
    return f"{angle.capitalize()} spread: {'; '.join(parts)}."


def _describe_matched(entry: Mapping[str, Any], angle: str, part: Mapping[str, Any]) -> str:
    shown = "a difference is shown" if part["forging_p_holm"] < LEVEL else "no difference is shown"
    return (
        f"{entry['name']}, {angle}: the photographs it altered have "
        f"{_format_ratio(part, 'selection_ratio')} times the spread of all real ones (choice); "
        f"the forgeries have {_format_ratio(part, 'forging_ratio')} times the spread "
        f"of those photographs (forging; {shown})."
    )


def _describe_unrelated(entry: Mapping[str, Any]) -> str:
    both = ", ".join(
        f"{angle} r {entry[angle]['target_correlation'] or 0.0:.2f}" for angle in reversed(ANGLES)
    )
    return (
        f"{entry['name']}: forgeries and photographs share no gaze ({both}): either other "
        "photographs of the same people, or gazes replaced by the forging. The pairs then take out "
        "the choice of people, not that of images."
    )


def _build_spread_table(report: Mapping[str, Any], angle: str) -> Table:
    columns = [
        "generator",
        "n",
        "people",
        "mean",
        "sd [95%]",
        "sd / real [95%]",
        "robust sd",
        "robust / real",
        "spread p",
    ]
    rows = []
    for row in (report["real"], *report["generators"]):
        part = row[angle]
        cells = [
            row["name"],
            str(row["n"]),
            str(row["people"]),
            f"{part['mean']:+.3f}",
            f"{part['std']:.3f} {_format_span(part['std_interval'])}",
        ]
        rows.append(
            [
                *cells,
                _format_ratio(part, "ratio"),
                f"{part['robust_std']:.3f}",
                _format_ratio(part, "robust_ratio"),
                _format_p(part.get("spread_p_holm")),
            ]
        )
    note = (
        "sd: standard deviation, its bootstrap interval over people; "
        "robust sd: 1.4826 times the median absolute deviation; "
        "spread p: Brown-Forsythe by permutation, blind to the centre, "
        "Holm-corrected over generators and both angles."
    )
    return Table(columns, rows, f"Spread of {angle}, radians", note)


def _build_test_table(report: Mapping[str, Any]) -> Table:
    columns = [
        "generator",
        "tested",
        "energy distance",
        "real / real 95%",
        "p",
        "centred energy",
        "p",
    ]
    rows = []
    for row in report["generators"]:
        if "note" in row:
            rows.append([row["name"], str(row["tested"]), *["-"] * 5])
            continue
        energy = row["energy"]
        centred = row["energy_centred"]
        cells = [
            row["name"],
            str(row["tested"]),
            f"{energy['distance']:.4f}",
            f"{energy['real_against_real_q95']:.4f}",
            _format_p(energy["p_holm"]),
        ]
        rows.append([*cells, f"{centred['distance']:.4f}", _format_p(centred["p_holm"])])
    null = report["null"]
    untested = [f"{row['name']}: {row['note']}. " for row in report["generators"] if "note" in row]
    note = (
        "tested: images of different people. real / real 95%: energy distance between that many "
        "real images (half of them at most) and the other real ones, 95% quantile over random "
        "draws. p: permutation, Holm-corrected over generators. centred: each set moved to its "
        f"mean first. Random halves of the real images ({null['size']} each): "
        f"median {null['median']:.4f}, 95% {null['q95']:.4f}, largest {null['max']:.4f}. "
    )
    return Table(
        columns,
        rows,
        "Pitch and yaw together against the real images",
        (note + "".join(untested)).strip(),
    )


def _build_reason_table(report: Mapping[str, Any]) -> Table:
    columns = [
        "generator, angle",
        "pairs",
        "people",
        "sd all real",
        "sd altered",
        "sd forged",
        "selection",
        "p",
        "forging [95%]",
        "p",
    ]
    rows = []
    for entry, angle, part in _list_matched(report):
        cells = [f"{entry['name']}, {angle}", str(entry["pairs"]), str(entry["people"])]
        cells += [f"{part[key]:.3f}" for key in ("all_real_std", "photographs_std", "forged_std")]
        cells += [_format_ratio(part, "selection_ratio"), _format_p(part.get("selection_p_holm"))]
        rows.append(
            [*cells, _format_ratio(part, "forging_ratio"), _format_p(part["forging_p_holm"])]
        )
    energies = []
    for entry in report["matched"]:
        energy = entry["energy"]
        energies.append(
            f"{entry['name']} {energy['distance']:.4f} (p {_format_p(energy['p_holm'])})"
        )
    note = (
        "altered: the real photographs behind the forgeries, as often as they were used. "
        "selection: altered / all real, p against the other real ones. "
        "forging: forged / altered, p by exchanging forgery and photograph within pairs, "
        "one pair per person. "
        f"Energy distance of forgeries and their photographs, exchanged likewise: "
        f"{'; '.join(energies)}."
    )
    return Table(columns, rows, "Spread: choice of photographs, or forging?", note)


def _build_pair_table(report: Mapping[str, Any]) -> Table:
    columns = ["generator, angle", "mean diff. [95%]", "rms diff.", "r target"]
    keys = ["target_correlation"]
    note = (
        "diff.: forgery minus the photograph it altered (target). "
        "r: correlation with the gaze of that photograph"
    )
    if any("with_source" in entry for entry in report["matched"]):
        columns += ["r source", "sd source", "w target", "w source"]
        keys += ["source_correlation", "source_std", "target_weight", "source_weight"]
        note += ", and of the one that gave the face (source); w: least-squares weights on both."
    else:
        note += "."
    rows = []
    for entry, angle, part in _list_matched(report):
        cells = [
            f"{entry['name']}, {angle}",
            f"{part['mean_difference']:+.3f} {_format_span(part['mean_difference_interval'])}",
            f"{part['rms_difference']:.3f}",
        ]
        for key in keys:
            cells.append("" if part.get(key) is None else f"{part[key]:.2f}")
        rows.append(cells)
    return Table(columns, rows, "Gaze of forgeries and of their photographs, pair by pair", note)


def _list_matched(
    report: Mapping[str, Any],
) -> list[tuple[Mapping[str, Any], str, Mapping[str, Any]]]:
    return [
        (entry, angle, entry[angle]) for entry in report["matched"] for angle in reversed(ANGLES)
    ]


def _format_span(pair: Sequence[float], digits: int = 3) -> str:
    return f"[{pair[0]:.{digits}f}, {pair[1]:.{digits}f}]"


def _format_ratio(part: Mapping[str, Any], key: str) -> str:
    """`0.73 [0.66, 0.81]`, without an interval where there is none; empty where not defined."""
    if part.get(key) is None:
        return ""
    pair = part.get(f"{key}_interval")
    return f"{part[key]:.2f}" + (f" {_format_span(pair, 2)}" if pair else "")


def _format_p(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
