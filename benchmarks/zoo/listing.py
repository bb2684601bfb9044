"""The zoo as tables: each student, and each of its exports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.zoo.record import Cell, Record, is_ok
from export import registry
from export.batch import Pair
from gazeclip.console.tables import MISSING, Styled, Table
from gazeclip.files.hashes import shorten_name
from gazeclip.networks.zoo import ZooStudent, name_cell

_INT8 = "int8"
QUIET = 0.5  # load average; the command itself begins with less


def build_overview(students: Sequence[ZooStudent], record: Record) -> Table:
    """A row a student, and what is known of each target's int8 file."""
    targets = list(registry.TARGETS)
    header = ["student", "px", "parameters M", "MACs M", "folding"]
    header += [f"{target}\n{what}" for what in ("int8 ops", "int8 MB") for target in targets]
    timed = [target for target in targets if _is_timed(target, students, record)]
    header += [f"{target}\nint8 ms" for target in timed]
    rows = []
    for student in students:
        facts = record.students.get(student.name, {})
        row = [student.name, str(student.size)]
        row += [_show_millions(facts.get(key)) for key in ("parameters", "macs")]
        row.append(_show_error(facts.get("fold_error")))
        cells = {
            target: record.find_cell(student.name, name_cell(target, _INT8)) for target in targets
        }
        row += [_show_coverage(cell) for cell in cells.values()]
        row += [_show_size(cell) for cell in cells.values()]
        row += [_show_time(cells[target]) for target in timed]
        rows.append(row)
    return Table(header, rows, left=(0,), note=_describe_sessions(record))


def _is_timed(target: str, students: Sequence[ZooStudent], record: Record) -> bool:
    """Whether an engine runs its files here: a reference evaluator's times say nothing."""
    found = [record.find_cell(student.name, name_cell(target, _INT8)) for student in students]
    return any(cell is not None and cell.get("latency_ms") is not None for cell in found)


def build_matrix(student: ZooStudent, record: Record, pairs: Sequence[Pair]) -> Table:
    """A row an export of one student; what was not measured is a dash."""
    header = (
        "target",
        "precision",
        "MB",
        "integer ops",
        "cosine min",
        "probability error",
        "ms",
        "export s",
        "peak MB",
        "state",
        "why not",
    )
    rows = [_build_row(student, record, *pair) for pair in pairs]
    return Table(header, rows, title=f"{student.name}, {student.size} px", left=(0, 1, 9, 10))


def _build_row(student: ZooStudent, record: Record, target: str, precision: str) -> tuple[str, ...]:
    cell = record.find_cell(student.name, name_cell(target, precision))
    if cell is None:
        known = student.expects(target, precision)
        return (target, precision, *[MISSING] * 7, "not measured", known or "")
    parity = cell.get("parity")
    return (
        target,
        precision,
        _show_size(cell),
        _show_coverage(cell),
        MISSING if parity is None else f"{parity['embedding_cosine_min']:.5f}",
        _show_error(None if parity is None else parity["prob_max_abs"]),
        _show_time(cell),
        _show_number(cell.get("export_s"), 0),
        _show_number(cell.get("peak_mb"), 0),
        Styled(cell["state"], "green" if is_ok(cell) else "bold red"),
        cell["why"] or "",
    )


def _show_coverage(cell: Cell | None) -> str:
    """Integer convolutions of all; those of a file that was never written are not known."""
    if cell is None or "convolutions" not in cell:
        return MISSING
    return f"{cell['integer']} of {cell['convolutions']}"


def _show_size(cell: Cell | None) -> str:
    if cell is None or "bytes" not in cell:
        return MISSING
    return f"{cell['bytes'] / 1e6:.2f}"


def _show_millions(value: int | None) -> str:
    return MISSING if value is None else f"{value / 1e6:.2f}"


def _show_error(value: float | None) -> str:
    return MISSING if value is None else f"{value:.1e}"


def _show_time(cell: Cell | None) -> str:
    """Milliseconds of one image; a mark where other work went on meanwhile."""
    if cell is None or cell.get("latency_ms") is None:
        return MISSING
    return f"{cell['latency_ms']:.2f}{' (disturbed)' if cell.get('disturbed') else ''}"


def _show_number(value: float | None, digits: int) -> str:
    return MISSING if value is None else f"{value:.{digits}f}"


def _describe_sessions(record: Record) -> str:
    if not record.sessions:
        return "nothing was measured yet"
    return "; ".join(dict.fromkeys(_describe_session(session) for session in record.sessions))


def _describe_session(session: dict[str, Any]) -> str:
    machine = session["machine"]
    flags = ", ".join(machine["flags"])
    name = shorten_name(session["weights"])
    weights = "random weights" if name == "none" else f"weights {name}"
    steps = session.get("lesson_steps")  # older records have none: their students were not taught
    taught = f", taught for {steps} steps" if steps else ""
    load = machine["load_average"]
    # Of the minute before: what the machine did when the session began.
    busy = f", beside other work (load {load[0]:.1f})" if load and load[0] > QUIET else ""
    where = f"measured {session['date']} on {machine['cpu']} ({flags}), one thread"
    return f"{where}, {weights}{taught}{busy}"
