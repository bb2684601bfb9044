"""The result table, once, for the page, for Markdown and for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.measure.subject import engine_titles
from benchmarks.report.data import find_teacher
from benchmarks.report.plots import read_figure
from gazeclip.console.tables import MISSING, Table
from gazeclip.console.tables import markdown_table as as_markdown

Entry = Mapping[str, Any]
SPLIT_TITLES = {"test": "test", "test_unseen": "unseen"}


@dataclass(frozen=True)
class Cell:
    """`text` is the figure, `note` its interval or context.

    `best` marks the best student of the column.
    """

    text: str
    note: str = ""
    best: bool = False

    def to_markdown(self) -> str:
        """`**figure** (note)`, bold where it is the best."""
        text = f"**{self.text}**" if self.best else self.text
        return f"{text} ({self.note})" if self.note else text


@dataclass(frozen=True)
class Column:
    """`title` within its `group`; `hint` explains the figure."""

    key: str
    title: str
    group: str
    hint: str

    @property
    def full_title(self) -> str:
        """The title where its group is not shown above it."""
        return f"{self.group} {self.title}" if self.group in SPLIT_TITLES.values() else self.title


COLUMNS = (
    *(
        Column(f"{split}.{key}", title, SPLIT_TITLES[split], hint)
        for split, level in (
            ("test", "the exact generator"),
            ("test_unseen", "category and family of the generator"),
        )
        for key, title, hint in (
            ("attribution_acc", "ACC", f"attribution accuracy: {level}"),
            ("auc", "AUC", "detection, area under the ROC curve"),
            ("tpr", "TPR", "forged images called fake at the threshold that ships"),
            ("fpr", "FPR", "real images called fake at the threshold that ships"),
        )
    ),
    Column("size", "MB", "cost", "size of the model file"),
    Column("latency", "p50 ms", "cost", "median time of one inference"),
    Column("speed", "faster", "cost", "against the teacher"),
    Column(
        "parity",
        "parity",
        "export",
        "conversion: images on the same side of fake logit 0 as in PyTorch at the same precision; "
        "lowest embedding cosine",
    ),
    Column(
        "as_fp32",
        "as fp32",
        "export",
        "test images that are answered as the float student in PyTorch answers them",
    ),
)


def build_rows(subjects: Sequence[Entry]) -> list[dict[str, Cell]]:
    """One dict per subject: a cell per column key, `name` besides."""
    teacher = find_teacher(subjects)
    table = [_build_row(entry, teacher) for entry in subjects]
    # The best student of a column is marked, where there are two of them and they differ.
    students = [place for place, entry in enumerate(subjects) if entry["role"] == "student"]
    if len(students) > 1:
        for key, value_of, sign in _RANKED:
            values = {place: value_of(subjects[place]) for place in students}
            known = {place: value for place, value in values.items() if value is not None}
            if len(set(known.values())) > 1:
                top = max(known.values(), key=lambda value: sign * value)
                for place in (place for place, value in known.items() if value == top):
                    cell = table[place][key]
                    table[place][key] = Cell(cell.text, cell.note, best=True)
    return table


_RANKED = [
    *(
        (f"{split}.{key}", lambda e, split=split, key=key: read_figure(e, split, key), 1)
        for split in SPLIT_TITLES
        for key in ("attribution_acc", "auc")
    ),
    *(
        (f"{split}.tpr", lambda e, split=split: read_shipped(e, split, "tpr"), 1)
        for split in SPLIT_TITLES
    ),
    ("size", lambda e: e["size_mb"], -1),
    ("latency", lambda e: e["latency_ms"]["p50"], -1),
]


def _build_row(entry: Entry, teacher: Entry | None) -> dict[str, Cell]:
    cells = {
        "name": Cell(
            str(entry["name"]), f"{engine_titles()[entry['engine']]} · {entry['precision']}"
        )
    }
    for split in SPLIT_TITLES:
        for key in ("attribution_acc", "auc"):
            note = format_interval(read_figure(entry, split, f"{key}_interval"))
            cells[f"{split}.{key}"] = Cell(format_share(read_figure(entry, split, key)), note)
        unsure = format_unsure(read_shipped(entry, split, "inconclusive_fake"))
        cells[f"{split}.tpr"] = Cell(format_share(read_shipped(entry, split, "tpr")), unsure)
        note = format_interval(read_shipped(entry, split, "fpr_interval"))
        cells[f"{split}.fpr"] = Cell(format_share(read_shipped(entry, split, "fpr")), note)
    size = entry["size_mb"]
    cells["size"] = Cell(MISSING if size is None else format_megabytes(size))
    cells["latency"] = latency_cell(entry["latency_ms"])
    factor = speed_up(entry, teacher)
    cells["speed"] = Cell(MISSING if factor is None or entry is teacher else format_factor(factor))
    parity = entry.get("parity") or {}
    cells["parity"] = parity_cell(parity)
    cells["as_fp32"] = Cell(format_share(parity.get("verdict_agreement_fp32")))
    return cells


def read_shipped(entry: Entry, split: str, key: str) -> Any:
    """`accuracy.<split>.shipped.<key>`, None if not measured."""
    return (read_figure(entry, split, "shipped") or {}).get(key)


def format_unsure(share: float | None) -> str:
    """A share of inconclusive answers as a note; empty if not measured."""
    return "" if share is None else f"{share:.0%} unsure"


def format_share(value: float | None) -> str:
    """A fraction with three digits."""
    return MISSING if value is None else f"{value:.3f}"


def format_interval(value: Any) -> str:
    """A 95% interval, empty if there is none."""
    return "" if not value else f"{value[0]:.3f}–{value[1]:.3f}"  # noqa: RUF001


def format_megabytes(value: float) -> str:
    """Three digits that count: 2.61, 18.4, 347."""
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def format_milliseconds(value: float) -> str:
    """Three digits that count."""
    return format_megabytes(value)


def format_factor(factor: float) -> str:
    """A ratio, with a decimal only where it says something."""
    return f"{factor:.1f}×" if factor < 10 else f"{factor:.0f}×"  # noqa: RUF001


def speed_up(entry: Entry, teacher: Entry | None) -> float | None:
    """How many times faster than the teacher by median.

    None if not comparable: not measured, or at another batch or number of threads.
    """
    if teacher is None:
        return None
    mine = entry["latency_ms"]
    theirs = teacher["latency_ms"]
    if not mine["p50"] or not theirs["p50"]:
        return None
    if any(mine[key] != theirs[key] for key in ("threads", "batch")):
        return None
    return float(theirs["p50"] / mine["p50"])


def latency_cell(latency: Mapping[str, Any]) -> Cell:
    """Median with p95 beneath; a measurement that other work disturbed carries a mark."""
    if latency["p50"] is None:
        return Cell(MISSING)
    note = f"{latency.get('calls', 0)} calls"
    if latency["p95"] is not None:
        note = f"p95 {format_milliseconds(latency['p95'])}"
    mark = " *" if latency.get("disturbed") else ""
    return Cell(format_milliseconds(latency["p50"]) + mark, note)


def parity_cell(parity: Mapping[str, Any]) -> Cell:
    """Agreement of signs, with the lowest embedding cosine beneath."""
    cosine = parity.get("embedding_cosine_min")
    note = "" if cosine is None else f"cos {cosine:.4f}"
    return Cell(format_share(parity.get("sign_agreement")), note)


def describe_settings(subjects: Sequence[Entry]) -> str:
    """`batch 1, 2 threads` over all latencies, with every value that occurs."""
    latencies = [
        entry["latency_ms"] for entry in subjects if entry["latency_ms"]["p50"] is not None
    ]
    batches = sorted({str(one["batch"]) for one in latencies})
    threads = sorted({str(one["threads"]) for one in latencies if one["threads"] is not None})
    if not latencies:
        return "not measured"
    plural = "thread" if threads == ["1"] else "threads"
    return f"batch {'/'.join(batches)}" + (f", {'/'.join(threads)} {plural}" if threads else "")


def is_disturbed(subjects: Sequence[Entry]) -> bool:
    """Whether any latency includes rounds that other work disturbed."""
    return any(entry["latency_ms"].get("disturbed") for entry in subjects)


def markdown_table(subjects: Sequence[Entry]) -> str:
    """The result table as GitHub Markdown."""
    titles = ["subject", "engine", *(column.full_title for column in COLUMNS)]
    lines = []
    for row in build_rows(subjects):
        cells = [row["name"].text, row["name"].note]
        cells += [row[column.key].to_markdown() for column in COLUMNS]
        lines.append(cells)
    return as_markdown(Table(titles, lines, left=(0, 1)))
