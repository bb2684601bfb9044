"""Everything one report shows, and its form as report.json."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.measure.gaze import FIGURES, REFERENCES
from benchmarks.measure.latency import LatencyStats
from benchmarks.measure.subject import Subject
from benchmarks.report.schema import ACCURACY, LATENCY, PARITY, SCHEMA, SPLITS
from gazeclip.errors import StageError
from gazeclip.scoring.metrics import sigmoid

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class GalleryItem:
    """One image and its verdict.

    `image` is a data URI (see `encode_thumbnail`), `label` the truth, `answer` real, fake or
    inconclusive, `llr` its evidence, `predicted` the generator where it is not real.
    """

    image: str
    label: str
    answer: str
    llr: float
    predicted: str
    caption: str = ""

    @property
    def fake_probability(self) -> float:
        """What the evidence makes of a prior of one half."""
        return float(sigmoid(np.array(self.llr)))


@dataclass(frozen=True)
class Flips:
    """Images of one split whose verdict differs between two subjects.

    `items` as from `benchmarks.measure.shipped.find_flips`; an item may carry `image`, a data
    URI, and `path`.
    """

    before: str
    after: str
    split: str
    n: int
    items: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class ReportData:
    """What `write_report` renders.

    `subjects` come from `describe_subject`; the first teacher among them is the reference. `gaze`
    maps a split to `benchmarks.measure.curves.gaze_histogram`; `headline` is the subject shown on
    top, by name or `name engine precision` (default: the fastest int8 student). `provenance` is
    shown as it is: hashes, seed, command, date; one level of nesting at most.
    """

    run: str
    machine: Mapping[str, Any]
    subjects: Sequence[Entry]
    title: str = "GazeCLIP on the edge"
    created: str = ""
    headline: str | None = None
    caveats: Sequence[str] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    gaze: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    flips: Sequence[Flips] = ()
    gallery: Sequence[GalleryItem] = ()
    gates: Sequence[Mapping[str, Any]] = ()
    scores: Mapping[str, Any] | None = None  # of scores.json
    speed: Mapping[str, Any] | None = None  # of benchmarks.measure.sweep.measure_speed
    robustness: Mapping[str, Any] | None = None  # of benchmarks.measure.grid.measure_grid
    peers: Mapping[str, Any] | None = None  # of benchmarks.peers.measure.measure_peers
    protocols: Mapping[str, Any] | None = None  # of benchmarks.protocols
    device: Mapping[str, Any] | None = None  # of benchmarks.devices.measure.measure_device

    def to_json(self) -> dict[str, Any]:
        """The contents of report.json (`benchmarks.report.schema`); images stay out of it."""
        report = {
            "schema": SCHEMA,
            "run": self.run,
            "machine": self.machine,
            "subjects": list(self.subjects),
            "title": self.title,
            "created": self.created,
            "headline": name_identity(find_headline(self.subjects, self.headline)),
            "caveats": list(self.caveats),
            "provenance": self.provenance,
            "gaze": self.gaze,
            "flips": [
                {**flips.__dict__, "items": [_without_image(item) for item in flips.items]}
                for flips in self.flips
            ],
            "gates": list(self.gates),
            "robustness": self.robustness,
            "speed": self.speed,
            "peers": self.peers,
            "protocols": self.protocols,
            "device": self.device,
            "gallery": [_without_image(item.__dict__) for item in self.gallery],
        }
        return dict(to_builtin(report))


def describe_subject(
    subject: Subject,
    latency: LatencyStats | None = None,
    accuracy: Mapping[str, Mapping[str, Any]] | None = None,
    curves: Mapping[str, Any] | None = None,
    gaze: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """A subject as report.json lists it; what was not measured is null under its own key.

    Args:
        accuracy: from `benchmarks.measure.accuracy.evaluate_splits`.
        curves: split -> `{"roc": ..., "confusion": ...}` from `benchmarks.measure.curves`.
        gaze: split -> reference -> figures, from `benchmarks.measure.gaze`.
    """
    measured = accuracy or {}
    entry = {
        "name": subject.name,
        "role": subject.role,
        "framework": subject.framework,
        "engine": subject.engine,
        "precision": subject.precision,
        "size_mb": subject.size_mb,
        "image_size": subject.image_size,
        "latency_ms": {**dict.fromkeys(LATENCY), **(latency.to_dict() if latency else {})},
        "accuracy": {
            split: {**dict.fromkeys(ACCURACY), **measured.get(split, {})}
            for split in (*SPLITS, *measured)
        },
        "parity": {**dict.fromkeys(PARITY), **(subject.parity or {})},
        "notes": subject.notes,
        "curves": dict(curves or {}),
        "gaze": {
            split: {
                reference: {
                    **dict.fromkeys(FIGURES),
                    **(gaze or {}).get(split, {}).get(reference, {}),
                }
                for reference in REFERENCES
            }
            for split in (*SPLITS, *(gaze or {}))
        },
    }
    return dict(to_builtin(entry))


def find_headline(subjects: Sequence[Entry], name: str | None = None) -> Entry | None:
    """The subject named `name`, else the fastest int8 student, the fastest one, or the first.

    Raises:
        StageError: no subject has that name.
    """
    if name is not None:
        for entry in subjects:
            if name in (entry["name"], name_identity(entry)):
                return entry
        known = ", ".join(str(name_identity(entry)) for entry in subjects)
        raise StageError(
            f"the report's headline '{name}' is no subject", remedy=f"Subjects: {known}"
        )
    students = [entry for entry in subjects if entry["role"] == "student"]
    best = [entry for entry in students if entry["precision"] == "int8"] or students
    if not best:
        return subjects[0] if subjects else None
    return min(
        best,
        key=lambda entry: (entry["latency_ms"]["p50"] is None, entry["latency_ms"]["p50"] or 0.0),
    )


def name_identity(entry: Entry | None) -> str | None:
    return None if entry is None else f"{entry['name']} {entry['engine']} {entry['precision']}"


def find_teacher(subjects: Sequence[Entry]) -> Entry | None:
    """The first teacher, which speed-ups and losses refer to."""
    return next((entry for entry in subjects if entry["role"] == "teacher"), None)


def encode_thumbnail(image: np.ndarray, side: int = 160, quality: int = 82) -> str:
    """A uint8 RGB image `(H, W, 3)` as a JPEG data URI, its longer side at most `side` pixels."""
    small = Image.fromarray(np.ascontiguousarray(image, dtype=np.uint8))
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=quality)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def to_builtin(value: Any) -> Any:
    """NumPy scalars and arrays, tuples and mappings as JSON knows them.

    NaN stays, for the validator to refuse.
    """
    if isinstance(value, Mapping):
        return {str(key): to_builtin(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return to_builtin(value.tolist())
    if isinstance(value, (list, tuple)):
        return [to_builtin(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def _without_image(item: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in item.items() if key != "image"}
