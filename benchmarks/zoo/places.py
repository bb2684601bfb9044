"""Where the processes that measure a student leave things for each other, all in one folder.

subject: the student, its quantized encoder and the images to compare on; `files/CELL/`: an
exported model and `made.json`, which says how to open it; `results/`: what a process has found.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.zoo.student import Subject
from export.runner import unfinished_bundle
from gazeclip.bundle.bundle import Bundle
from gazeclip.files.atomic import read_json, write_json
from gazeclip.networks.student import load_student, save_student
from gazeclip.networks.student_encoder import build_student_encoder
from quantize.encoder import load_quantized, save_quantized

THREADS = 1  # what every engine has, so that times can be compared
_PROBES = "probes.npy"
_MADE = "made.json"


def write_subject(folder: Path, subject: Subject) -> None:
    """Write down what the processes of all cells of a student read."""
    save_student(folder / "student", subject.student)
    size = subject.student.spec.contract.size
    save_quantized(folder / "quantized", subject.quantized, image_size=size)
    np.save(folder / _PROBES, subject.probes)
    for name in ("files", "results"):
        (folder / name).mkdir()


def read_subject(folder: Path) -> Subject:
    """The same again."""
    student = load_student(folder / "student")
    spec = student.spec
    fresh = build_student_encoder(spec.backbone, spec.contract.size)
    quantized = load_quantized(folder / "quantized", fresh)
    return Subject(student, quantized, read_probes(folder))


def read_probes(folder: Path) -> np.ndarray:
    """The images alone, uint8 `(N, S, S, 3)`."""
    probes: np.ndarray = np.load(folder / _PROBES)
    return probes


def place_files(folder: Path, cell_name: str) -> Path:
    """Where a cell's exported model lies."""
    return folder / "files" / cell_name


def place_result(folder: Path, name: str) -> Path:
    """Where a process writes what it has found."""
    return folder / "results" / f"{name}.json"


def write_made(
    folder: Path, target: str, precision: str, size: int, result: dict[str, Any]
) -> Bundle:
    """Write down how an exported file is opened, and give it as a bundle without a calibration."""
    made = {
        "target": target,
        "precision": precision,
        "model": result["model"],
        "size": size,
        "io": result.get("io", {}),
    }
    write_json(folder / _MADE, made)
    return open_made(folder)


def open_made(folder: Path) -> Bundle:
    """That bundle again."""
    made = read_json(folder / _MADE)
    return unfinished_bundle(
        folder, made["target"], made["precision"], made["model"], made["size"], made["io"]
    )
