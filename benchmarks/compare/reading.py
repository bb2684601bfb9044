"""Reads the two reports, and says what keeps them from being compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import score_file
from benchmarks.report.schema import validate_report
from gazeclip.errors import ArtifactError
from gazeclip.files.atomic import read_json
from gazeclip.system.place import command_line

REPORT = "report.json"
# What makes two machines alike; versions of engines may differ, as they are often what is compared.
MACHINE = (
    "cpu",
    "flags",
    "arch",
    "logical_cpus",
    "usable_threads",
    "cgroup_cpu_quota",
    "memory_gb",
    "platform",
)


@dataclass(frozen=True)
class Source:
    """One report, and the scores beside it; None where it has none."""

    path: Path
    report: Mapping[str, Any]
    scores: Mapping[str, Any] | None

    @property
    def title(self) -> str:
        """The run and when it was measured."""
        created = self.report.get("created")
        return f"{self.report['run']} ({created})" if created else str(self.report["run"])

    def list_subjects(self) -> dict[tuple[str, ...], Mapping[str, Any]]:
        """The subjects of the report by what tells them apart.

        That is their kind, and the name too where several are of one kind, as bundles of two
        students are.
        """
        keys = [score_file.name_key(entry) for entry in self.report["subjects"]]
        found = {}
        for key, entry in zip(keys, self.report["subjects"], strict=True):
            found[key if keys.count(key) == 1 else (*key, str(entry["name"]))] = entry
        return found

    def find_scores(self, key: tuple[str, ...], split: str) -> Mapping[str, Any] | None:
        """What a subject said of each image of a split."""
        for entry in (self.scores or {}).get("subjects", ()):
            if score_file.name_key(entry) == key:
                found: Mapping[str, Any] | None = entry["splits"].get(split)
                return found
        return None


def open_source(place: Path) -> Source:
    """The report at `place`: report.json itself, the folder it lies in, or a run.

    Raises:
        ArtifactError: there is none, it is not whole or of another schema.
    """
    candidates = [place, place / REPORT, place / "report" / REPORT]
    path = next((candidate for candidate in candidates if candidate.is_file()), None)
    if path is None:
        raise ArtifactError(
            f"{place} holds no report",
            remedy=f"Make it: {command_line('benchmark', '--run', 'DIR')}",
        )
    report = read_json(path)
    faults = validate_report(report)
    if faults:
        raise ArtifactError(
            f"{path} is no report of this version: {'; '.join(faults[:3])}",
            remedy=f"Measure again: {command_line('benchmark', '--run', 'DIR', '--force')}",
        )
    beside = path.with_name(score_file.FILE)
    found = read_json(beside) if beside.is_file() else None
    if found is not None and found.get("schema") != score_file.SCHEMA:
        raise ArtifactError(
            f"{beside} is of schema {found.get('schema')!r}, not {score_file.SCHEMA}",
            remedy=f"Measure again: {command_line('benchmark', '--run', 'DIR', '--force')}",
        )
    return Source(path, report, found)


def find_machine_differences(a: Source, b: Source) -> list[str]:
    """Why latencies must not be compared; empty where both machines look alike.

    What a report does not tell is a difference too: nothing shows that it is the same.
    """
    found = []
    for key in MACHINE:
        first = a.report["machine"].get(key)
        second = b.report["machine"].get(key)
        if key == "cpu" and (first is None or second is None):
            found.append("cpu unknown")
        elif first != second:
            found.append(f"{key.replace('_', ' ')} {_show(first)} and {_show(second)}")
    return found


def find_version_differences(a: Source, b: Source) -> list[str]:
    """Packages whose versions differ, as `name old to new`."""
    first = a.report["machine"].get("versions") or {}
    second = b.report["machine"].get("versions") or {}
    return [
        f"{name} {first.get(name, 'none')} to {second.get(name, 'none')}"
        for name in sorted({*first, *second})
        if first.get(name) != second.get(name)
    ]


def find_image_difference(a: Source, b: Source, split: str) -> str | None:
    """Why figures of a split must not be compared; None where both are of the same images.

    By the hashes of the images where both reports have them, else by that of the data stage.
    """
    if a.scores is not None and b.scores is not None:
        first = (a.scores["splits"].get(split) or {}).get("images")
        second = (b.scores["splits"].get(split) or {}).get("images")
        return None if first == second else f"the images of {split} differ"
    hashes = [_read_data_hash(source) for source in (a, b)]
    if hashes[0] is None or hashes[1] is None:
        return f"nothing shows that the images of {split} are the same"
    return None if hashes[0] == hashes[1] else f"the data of {split} differ"


def read_labels(source: Source, split: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Whether each image of a split is forged, `(N,)` bool, and numbers of the persons, `(N,)`."""
    table = (source.scores or {})["splits"][split]
    fake = np.array([label != "real" for label in table["labels"]], dtype=bool)
    persons = table["persons"]
    return fake, None if persons is None else np.array(persons)


def _read_data_hash(source: Source) -> Any:
    stages = (source.report.get("provenance") or {}).get("stages") or {}
    return stages.get("data")


def _show(value: Any) -> str:
    if isinstance(value, list):
        return "+".join(map(str, value)) or "none"
    return "unknown" if value is None else str(value)
