"""What is known of the zoo: one JSON file of sessions, students and their cells.

    {"sessions": [{"date": ..., "machine": ..., "weights": "none", "seed": 0, "versions": {...}}],
     "students": {"repvit_m0_9": {"size": 224, "parameters": ..., "cells": {"onnx-int8": {...}}}}}

Every cell names the session that it was measured in, so that one file can grow over days.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks.measure.machine import describe_machine
from benchmarks.zoo.outcome import OK
from gazeclip.errors import ArtifactError
from gazeclip.files.atomic import read_json, write_json

# What the listing shows; it travels with the wheel.
SHIPPED = Path(__file__).with_name("figures.json")
Cell = dict[str, Any]


@dataclass
class Record:
    """Sessions in the order in which they took place, and students by name."""

    sessions: list[dict[str, Any]] = field(default_factory=list)
    students: dict[str, dict[str, Any]] = field(default_factory=dict)

    def begin_session(self, weights: str, seed: int) -> None:
        """What is added from here on was measured now, on this machine."""
        machine = describe_machine()
        versions = machine.pop("versions")
        self.sessions.append(
            {
                "date": date.today().isoformat(),
                "weights": weights,
                "seed": seed,
                "machine": machine,
                "versions": versions,
            }
        )

    def describe_student(self, name: str, facts: dict[str, Any]) -> None:
        """Keep what is true of a student on every target."""
        known = self.students.get(name, {"cells": {}})
        self.students[name] = {**facts, "cells": known["cells"]}

    def add_cell(self, name: str, cell_name: str, cell: Cell) -> None:
        """Keep a cell of the session that began last; an earlier one of this name is dropped."""
        student = self.students.setdefault(name, {"cells": {}})
        student["cells"][cell_name] = {**cell, "session": len(self.sessions) - 1}

    def find_cell(self, name: str, cell_name: str) -> Cell | None:
        """A measured cell; None: it was not measured."""
        found: Cell | None = self.students.get(name, {}).get("cells", {}).get(cell_name)
        return found

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        write_json(path, {"sessions": self.sessions, "students": self.students})


def read_record(path: Path) -> Record:
    """The file's record; an empty one where there is no file.

    Raises:
        ArtifactError: the file holds something else.
    """
    if not path.exists():
        return Record()
    data = read_json(path)
    if not isinstance(data, dict) or set(data) != {"sessions", "students"}:
        raise ArtifactError(f"{path} is no record of the zoo", remedy="Name another with --out")
    return Record(data["sessions"], data["students"])


def is_ok(cell: Cell) -> bool:
    """Whether the export works."""
    return bool(cell["state"] == OK)
