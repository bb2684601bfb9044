"""What the report says of gaze: its table, what is warned of, and what may be drawn.

Everything comes from the subjects' `gaze` as report.json has it (`benchmarks.measure.gaze`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.measure.gaze import LABELS, NO_GAZE, REFERENCES, TEACHER
from benchmarks.report import plots
from benchmarks.report.tables import Cell
from gazeclip.console.tables import MISSING, Table
from gazeclip.console.tables import markdown_table as as_markdown

Entry = Mapping[str, Any]
REFERENCE_TITLES = {TEACHER: "the teacher's gaze", LABELS: "the labels"}
EXPLANATION = (
    "Mean angle between a subject's gaze and the reference's on the same images, in degrees. "
    "Constant: the error of the best single gaze for all images, fitted on the reference of the "
    "split itself, which favours it. Better by: the constant's error less the subject's, with its "
    "95% interval from resampling the persons (without identities: the images); where it is not "
    "above zero, the gaze is not shown to say anything of a face. r: Pearson's correlation. "
    "A dash is undefined or was not measured."
)
TITLES = ("error", "constant", "better by", "r pitch", "r yaw")


@dataclass(frozen=True)
class GazeTable:
    """All subjects and splits against one reference.

    A row is (subject and its engine, split, one cell per title of `TITLES`).
    """

    title: str
    rows: tuple[tuple[Cell, str, tuple[Cell, ...]], ...]


@dataclass(frozen=True)
class Failure:
    """A comparison in which a subject is not shown to beat the best constant."""

    split: str
    reference: str
    figures: Mapping[str, Any]

    def describe(self) -> str:
        """`is no better than a constant (error 6.1 deg, constant 6.0 deg; test, against ...)`."""
        error = self.figures["error_deg"]
        constant = self.figures["constant_error_deg"]
        where = f"{self.split}, against {REFERENCE_TITLES[self.reference]}"
        claim = "no better" if self.figures["gain_deg"] <= 0 else "not shown to be better"
        return (
            f"is {claim} than a constant "
            f"(error {error:.1f} deg, constant {constant:.1f} deg; {where})"
        )


def find_failures(entry: Entry) -> list[Failure]:
    """The comparisons of a subject that do not beat the constant, `test` and the teacher first."""
    failures = []
    for split, reference, figures in _list_comparisons(entry):
        if not figures["beats_constant"]:
            failures.append(Failure(split, reference, figures))
    return failures


def may_draw(entry: Entry | None, split: str) -> bool:
    """Whether the gaze of a split beats the constant in every comparison, and in one at least."""
    found = []
    for where, _, figures in _list_comparisons(entry or {}):
        if where == split:
            found.append(bool(figures["beats_constant"]))
    return bool(found) and all(found)


def explain_undrawn(entry: Entry | None) -> list[str]:
    """A sentence for each split on which the subject gives a gaze that must not be drawn."""
    if entry is None:
        return []
    failures = {failure.split: failure for failure in reversed(find_failures(entry))}
    compared = {split for split, _, _ in _list_comparisons(entry)}
    sentences = []
    for split, references in (entry.get("gaze") or {}).items():
        name = entry["name"]
        if split in failures:
            why = f"the gaze of {name} {failures[split].describe()}"
        elif split not in compared and _gives_gaze(references):
            why = f"there is nothing to compare the gaze of {name} with"
        else:
            continue
        sentences.append(f"Where the faces of {split} look is not drawn: {why}.")
    return sentences


def list_gaze_warnings(subjects: Sequence[Entry]) -> list[str]:
    """A line for each subject whose gaze is not shown to beat the best constant."""
    warnings = []
    for entry in subjects:
        failures = find_failures(entry)
        if failures:
            warnings.append(f"warning: the gaze of {entry['name']} {failures[0].describe()}")
    return warnings


def list_gaze_caveats(subjects: Sequence[Entry]) -> list[str]:
    """One caveat that names all such subjects and their splits; none if there are none."""
    names = []
    for entry in subjects:
        splits = dict.fromkeys(failure.split for failure in find_failures(entry))
        if splits:
            names.append(f"{entry['name']} ({', '.join(splits)})")
    if not names:
        return []
    return [
        f"Gaze that is not shown to be better than a constant: {', '.join(names)}. "
        "Do not read it as where a face looks; it is not drawn (see Gaze)."
    ]


def summarise_gaze(headline: Entry | None) -> str:
    """A sentence on the headline subject's gaze if it is worth nothing, else empty."""
    failures = find_failures(headline or {})
    if not failures:
        return ""
    claim = failures[0].describe().partition(" (")[0]
    return f"Its gaze {claim}."


def build_gaze_tables(subjects: Sequence[Entry]) -> list[GazeTable]:
    """A table for each reference that anything was compared with."""
    tables = []
    for reference in REFERENCES:
        compared = set()
        for entry in subjects:
            compared |= {split for split, name, _ in _list_comparisons(entry) if name == reference}
        if not compared:
            continue
        rows = []
        for entry in subjects:
            name = Cell(str(entry["name"]), f"{entry['engine']} {entry['precision']}")
            for split, found in entry["gaze"].items():
                if split in compared:
                    rows.append((name, split, _build_cells(found[reference])))
        tables.append(GazeTable(f"Against {REFERENCE_TITLES[reference]}", tuple(rows)))
    return tables


def render_gaze_markdown(subjects: Sequence[Entry], headline: Entry | None) -> list[str]:
    """The lines of the section `Gaze`, empty if there is nothing to say."""
    tables = build_gaze_tables(subjects)
    undrawn = explain_undrawn(headline)
    if not tables and not undrawn:
        return []
    lines = ["", "## Gaze", ""]
    for sentence in undrawn:
        lines += [sentence, ""]
    for table in tables:
        rows = []
        for name, split, cells in table.rows:
            rows.append([name.text, name.note, split, *(cell.to_markdown() for cell in cells)])
        header = ["subject", "engine", "split", *TITLES]
        lines += [f"{table.title}:", "", as_markdown(Table(header, rows, left=(0, 1, 2))), ""]
    lines.append(EXPLANATION)
    return lines


def build_gaze_context(
    subjects: Sequence[Entry], headline: Entry | None, histograms: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """What the page's template shows of gaze: the plots, the tables, and why a plot is missing."""
    return {
        "gaze": draw_gaze(histograms, headline),
        "gaze_tables": build_gaze_tables(subjects),
        "gaze_titles": TITLES,
        "gaze_explained": EXPLANATION,
        "gaze_undrawn": explain_undrawn(headline),
    }


def draw_gaze(
    histograms: Mapping[str, Mapping[str, Any]], headline: Entry | None
) -> list[tuple[str, str, str]]:
    """(split, angle, plot), of the splits on which the subject's gaze is worth something."""
    drawn = []
    for split, histogram in histograms.items():
        if not may_draw(headline, split):
            continue
        for axis in ("yaw", "pitch"):
            svg = plots.gaze_histogram(histogram, axis)
            if svg:
                drawn.append((split, axis, svg))
    return drawn


def _build_cells(figures: Mapping[str, Any]) -> tuple[Cell, ...]:
    interval = figures["gain_deg_interval"]
    note = "" if interval is None else f"{interval[0]:.2f} to {interval[1]:.2f}"
    return (
        _format_figure(figures["error_deg"]),
        _format_figure(figures["constant_error_deg"]),
        _format_figure(figures["gain_deg"], note),
        _format_figure(figures["pearson_pitch"]),
        _format_figure(figures["pearson_yaw"]),
    )


def _format_figure(value: float | None, note: str = "") -> Cell:
    return Cell(MISSING) if value is None else Cell(f"{value:z.2f}", note)


def _list_comparisons(entry: Entry) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """(split, reference, figures) of what was compared at all."""
    for split, references in (entry.get("gaze") or {}).items():
        for reference in REFERENCES:
            figures = references[reference]
            if figures["error_deg"] is not None:
                yield split, reference, figures


def _gives_gaze(references: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether the subject gives a gaze on a split at all; not known of one never judged."""
    reasons = [figures.get("why_null", {}).get("error_deg") for figures in references.values()]
    return any(why not in (None, NO_GAZE) for why in reasons)
