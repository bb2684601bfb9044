"""The figures of `compare` as tables for the terminal and for Markdown, and as sentences."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from gazeclip.console.tables import Table, markdown_table, print_tables
from gazeclip.studies.gaze_stats.compare import ANGLES

LEVEL = 0.05
RELATED = 0.1  # pairs below this correlation in both angles are not of one scene
FIGURE = "gaze_stats.svg"
CAVEATS = (
    "A difference of gaze between two sets of images is not yet a trace of forgery: what people, poses and crops were chosen for each set moves the "
    "measured gaze too. For altered photographs the matched table takes the choice out; for entirely synthesised faces nothing here can.",
    "Head pose and crop are part of what a gaze encoder measures, and they are not removed: a set of more frontal heads has a narrower gaze.",
    "Means are of the encoder's own frame, which depends on how a face is cropped; compare them between sets of one pipeline only.",
)


def tables(report: Mapping[str, Any]) -> list[Table]:
    """Spread, tests, and where there are pairs the matched comparison."""
    found = [*(_spread_table(report, angle) for angle in reversed(ANGLES)), _test_table(report)]
    return [*found, _reason_table(report), _pair_table(report)] if report["matched"] else found


def print_report(report: Mapping[str, Any], file: TextIO | None = None) -> None:
    """Tables and sentences on standard output."""
    out = file or sys.stdout
    print(heading(report) + "\n", file=out)
    print_tables(tables(report), out)
    for line in [*conclusions(report), *CAVEATS]:
        print(f"- {line}", file=out)


def markdown(report: Mapping[str, Any], figure: bool = True) -> str:
    """The same as a page, with the figure beside it."""
    parts = ["# Gaze of real and forged faces", heading(report)]
    if figure:
        parts.append(f"![Pitch and yaw per generator, over the real images]({FIGURE})")
    for table in tables(report):
        parts.append(f"## {table.title}\n\n{markdown_table(table)}\n\n{table.note}")
    findings = "\n".join(f"- {line}" for line in conclusions(report))
    return (
        "\n\n".join(
            [
                *parts,
                f"## Findings\n\n{findings}",
                "## Caveats\n\n" + "\n".join(f"- {line}" for line in CAVEATS),
            ]
        )
        + "\n"
    )


def heading(report: Mapping[str, Any]) -> str:
    """What was compared, in a sentence."""
    return (
        f"{report['manifest']}, taxonomy {report['taxonomy']}, splits {', '.join(report['splits'])}; gaze: {report['gaze']['source']}; "
        f"angles in radians; {report['permutations']} permutations, seed {report['seed']}."
    )


def conclusions(report: Mapping[str, Any]) -> list[str]:
    """What the tests say after correction, generator by generator, and what the pairs say of the
    reason.
    """
    tested = [row for row in report["generators"] if "note" not in row]
    lines = []
    for angle in reversed(ANGLES):
        differs = [row for row in tested if row[angle]["spread_p_holm"] < LEVEL]
        parts = [
            ("narrower than real", [row["name"] for row in differs if row[angle]["narrower"]]),
            ("wider than real", [row["name"] for row in differs if not row[angle]["narrower"]]),
            ("no difference shown", [row["name"] for row in tested if row not in differs]),
        ]
        lines.append(
            f"{angle.capitalize()} spread: "
            + "; ".join(f"{what}: {', '.join(names)}" for what, names in parts if names)
            + "."
        )
    for key, what in (
        ("energy", "Distribution as a whole"),
        ("energy_centred", "Distribution with the means taken out"),
    ):
        differs = [row["name"] for row in tested if row[key]["p_holm"] < LEVEL]
        lines.append(
            f"{what}: differs from real for {', '.join(differs) or 'none'}; tested {len(tested)}."
        )
    lines += [_matched_line(*item) for item in _matched(report)]
    return lines + [
        _unrelated_line(entry)
        for entry in report["matched"]
        if all((entry[a]["target_correlation"] or 0.0) < RELATED for a in ANGLES)
    ]


def _matched_line(entry: Mapping[str, Any], angle: str, part: Mapping[str, Any]) -> str:
    shown = "a difference is shown" if part["forging_p_holm"] < LEVEL else "no difference is shown"
    return (
        f"{entry['name']}, {angle}: the photographs it altered have {_ratio(part, 'selection_ratio')} times the spread of all real ones (choice); "
        f"the forgeries have {_ratio(part, 'forging_ratio')} times the spread of those photographs (forging; {shown})."
    )


def _unrelated_line(entry: Mapping[str, Any]) -> str:
    both = ", ".join(
        f"{angle} r {entry[angle]['target_correlation'] or 0.0:.2f}" for angle in reversed(ANGLES)
    )
    return (
        f"{entry['name']}: forgeries and photographs share no gaze ({both}): either other photographs of the same people, or gazes replaced by the "
        "forging. The pairs then take out the choice of people, not that of pictures."
    )


def _spread_table(report: Mapping[str, Any], angle: str) -> Table:
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
            f"{part['std']:.3f} {_span(part['std_interval'])}",
        ]
        rows.append(
            [
                *cells,
                _ratio(part, "ratio"),
                f"{part['robust_std']:.3f}",
                _ratio(part, "robust_ratio"),
                _p(part.get("spread_p_holm")),
            ]
        )
    note = (
        "sd: standard deviation, its bootstrap interval over people; robust sd: 1.4826 times the median absolute deviation; "
        "spread p: Brown-Forsythe by permutation, blind to the centre, Holm-corrected over generators and both angles."
    )
    return Table(columns, rows, f"Spread of {angle}, radians", note)


def _test_table(report: Mapping[str, Any]) -> Table:
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
        energy, centred = row["energy"], row["energy_centred"]
        cells = [
            row["name"],
            str(row["tested"]),
            f"{energy['distance']:.4f}",
            f"{energy['real_against_real_q95']:.4f}",
            _p(energy["p_holm"]),
        ]
        rows.append([*cells, f"{centred['distance']:.4f}", _p(centred["p_holm"])])
    null, untested = (
        report["null"],
        [f"{row['name']}: {row['note']}. " for row in report["generators"] if "note" in row],
    )
    note = (
        "tested: images of different people. real / real 95%: energy distance between that many real images (half of them at most) and the other "
        "real ones, 95% quantile over random draws. p: permutation, Holm-corrected over generators. centred: each set moved to its mean first. "
        f"Random halves of the real images ({null['size']} each): median {null['median']:.4f}, 95% {null['q95']:.4f}, largest {null['max']:.4f}. "
    )
    return Table(
        columns,
        rows,
        "Pitch and yaw together against the real images",
        (note + "".join(untested)).strip(),
    )


def _reason_table(report: Mapping[str, Any]) -> Table:
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
    for entry, angle, part in _matched(report):
        cells = [f"{entry['name']}, {angle}", str(entry["pairs"]), str(entry["people"])]
        cells += [f"{part[key]:.3f}" for key in ("all_real_std", "photographs_std", "forged_std")]
        cells += [_ratio(part, "selection_ratio"), _p(part.get("selection_p_holm"))]
        rows.append([*cells, _ratio(part, "forging_ratio"), _p(part["forging_p_holm"])])
    energies = "; ".join(
        f"{entry['name']} {entry['energy']['distance']:.4f} (p {_p(entry['energy']['p_holm'])})"
        for entry in report["matched"]
    )
    note = (
        "altered: the real photographs behind the forgeries, as often as they were used. "
        "selection: altered / all real, p against the other real ones. "
        "forging: forged / altered, p by exchanging forgery and photograph within pairs, one pair per person. "
        f"Energy distance of forgeries and their photographs, exchanged likewise: {energies}."
    )
    return Table(columns, rows, "Spread: choice of photographs, or forging?", note)


def _pair_table(report: Mapping[str, Any]) -> Table:
    sources = any("with_source" in entry for entry in report["matched"])
    columns = [
        "generator, angle",
        "mean diff. [95%]",
        "rms diff.",
        "r target",
        *(["r source", "sd source", "w target", "w source"] if sources else []),
    ]
    rows = []
    for entry, angle, part in _matched(report):
        cells = [
            f"{entry['name']}, {angle}",
            f"{part['mean_difference']:+.3f} {_span(part['mean_difference_interval'])}",
            f"{part['rms_difference']:.3f}",
        ]
        keys = (
            "target_correlation",
            *(
                ("source_correlation", "source_std", "target_weight", "source_weight")
                if sources
                else ()
            ),
        )
        rows.append(
            [*cells, *("" if part.get(key) is None else f"{part[key]:.2f}" for key in keys)]
        )
    note = "diff.: forgery minus the photograph it altered (target). r: correlation with the gaze of that photograph"
    note += (
        ", and of the one that gave the face (source); w: least-squares weights on both."
        if sources
        else "."
    )
    return Table(columns, rows, "Gaze of forgeries and of their photographs, pair by pair", note)


def _matched(report: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], str, Mapping[str, Any]]]:
    return [
        (entry, angle, entry[angle]) for entry in report["matched"] for angle in reversed(ANGLES)
    ]


def _span(pair: Sequence[float], digits: int = 3) -> str:
    return f"[{pair[0]:.{digits}f}, {pair[1]:.{digits}f}]"


def _ratio(part: Mapping[str, Any], key: str) -> str:
    """`0.73 [0.66, 0.81]`, or without an interval where there is none; empty where it is not
    defined.
    """
    if part.get(key) is None:
        return ""
    pair = part.get(f"{key}_interval")
    return f"{part[key]:.2f}" + (f" {_span(pair, 2)}" if pair else "")


def _p(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
