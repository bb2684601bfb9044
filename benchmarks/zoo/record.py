"""What is known of the zoo: one JSON file of sessions, students and their cells.

    {"sessions": [{"date": ..., "machine": ..., "weights": "none", "lesson_steps": 80, "seed": 0,
                   "versions": {...}}],
     "students": {"repvit_m0_9": {"size": 224, "parameters": ..., "cells": {"onnx-int8": {...}}}}}

Every cell names the session that it was measured in, so that one file can grow over days.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks.measure.machine import describe_machine
from benchmarks.zoo.outcome import OK
from gazeclip.errors import ArtifactError
from gazeclip.files.atomic import read_json, write_json
from gazeclip.files.hashes import name_by_content

# What the listing shows; it travels with the wheel.
SHIPPED = Path(__file__).with_name("figures.json")
# How long students are taught by `benchmarks.zoo.lesson`. It stands here since a listing needs no
# torch.
LESSON_STEPS = 80
Cell = dict[str, Any]
Session = dict[str, Any]
# What a measured cell holds, null or not: one without them was published without its times.
TIMES = ("export_s", "latency_ms")


@dataclass
class Record:
    """Sessions in the order in which they took place, and students by name."""

    sessions: list[dict[str, Any]] = field(default_factory=list)
    students: dict[str, dict[str, Any]] = field(default_factory=dict)

    def begin_session(self, session: Session) -> None:
        """What is added from here on was measured in this one, from `describe_session`."""
        self.sessions.append(session)

    def describe_student(self, name: str, facts: dict[str, Any]) -> None:
        """Keep what is true of a student on every target.

        Cells of another size of its images are dropped: the table shows one size for all.
        """
        known = self.students.get(name, {"cells": {}})
        same = known.get("size") == facts.get("size")
        self.students[name] = {**facts, "cells": known["cells"] if same else {}}

    def add_cell(self, name: str, cell_name: str, cell: Cell) -> None:
        """Keep a cell of the session that began last; an earlier one of this name is dropped."""
        student = self.students.setdefault(name, {"cells": {}})
        student["cells"][cell_name] = {**cell, "session": len(self.sessions) - 1}

    def add_times(self, name: str, cell_name: str, times: Cell) -> None:
        """Complete a cell that is there."""
        self.students[name]["cells"][cell_name] |= times

    def find_cell(self, name: str, cell_name: str) -> Cell | None:
        """A measured cell; None: it was not measured."""
        found: Cell | None = self.students.get(name, {}).get("cells", {}).get(cell_name)
        return found

    def is_current(self, name: str, size: int, cell_name: str, session: Session) -> bool:
        """Whether `session` would measure this cell over again.

        Only a cell that works counts, with its times, of the same weights, lesson, seed, machine
        and versions, on images of the same size. A failure is tried again: what was missing, a
        package or memory, may be there now.
        """
        cell = self.find_cell(name, cell_name)
        if cell is None or not is_ok(cell) or any(key not in cell for key in TIMES):
            return False
        measured = self.sessions[cell["session"]]
        same = _list_conditions(measured) == _list_conditions(session)
        return same and self.students[name].get("size") == size

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        write_json(path, {"sessions": self.sessions, "students": self.students})


def describe_session(weights: str, seed: int) -> Session:
    """What is measured now is measured on this machine, with these versions and weights."""
    machine = describe_machine()
    versions = machine.pop("versions")
    return {
        "date": date.today().isoformat(),
        "weights": name_by_content(weights),  # the same path may hold others tomorrow
        "seed": seed,
        "lesson_steps": LESSON_STEPS,
        "machine": machine,
        "versions": versions,
    }


def _list_conditions(session: Mapping[str, Any]) -> dict[str, Any]:
    """All that figures depend on; the load before a session changes by the minute."""
    machine = {key: value for key, value in session["machine"].items() if key != "load_average"}
    kept = {key: session.get(key) for key in ("weights", "seed", "lesson_steps", "versions")}
    return {**kept, "machine": machine}


def read_record(path: Path) -> Record:
    """The file's record.

    Raises:
        ArtifactError: there is no such file, or it holds something else.
    """
    if not path.exists():
        raise ArtifactError(
            f"there is no file {path}", remedy="gazeclip zoo --measure --out FILE.json makes one"
        )
    data = read_json(path)
    if not isinstance(data, dict) or set(data) != {"sessions", "students"}:
        raise ArtifactError(f"{path} is no record of the zoo", remedy="Name another file")
    return Record(data["sessions"], data["students"])


def is_ok(cell: Cell) -> bool:
    """Whether the export works."""
    return bool(cell["state"] == OK)
