"""Fill cells of the matrix, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.peers.count import count_work
from benchmarks.zoo.cell import write_subject
from benchmarks.zoo.outcome import FAILED
from benchmarks.zoo.record import Cell, Record
from benchmarks.zoo.student import EMBED_DIM, Subject, make_subject
from export.batch import Pair
from export.blame import explain_failure
from export.deploy import DeployModel, example_image
from gazeclip.console.text import take_last_line
from gazeclip.files.atomic import read_json
from gazeclip.networks.zoo import ZooStudent, name_cell
from gazeclip.system.place import ROOT
from quantize.encoder import count_quantizers

_CHILD = "benchmarks.zoo.cell"
_LIMIT_S = 3600
Tell = Callable[[ZooStudent, str, str, Cell], None]


def measure_student(
    record: Record, entry: ZooStudent, pairs: Sequence[Pair], weights: str, seed: int, tell: Tell
) -> None:
    """Measure some cells of one student into `record`.

    A student that cannot be folded or quantized fails in every cell.

    Args:
        tell: called with every cell as soon as it is there.
    """
    try:
        subject = make_subject(entry, weights, seed)
    except Exception as error:  # timm's networks and NNCF raise anything
        why = explain_failure(error)
        for target, precision in pairs:
            cell: Cell = {"state": FAILED, "step": "quantize", "why": why}
            record.add_cell(entry.name, name_cell(target, precision), cell)
            tell(entry, target, precision, cell)
        return
    record.describe_student(entry.name, describe_subject(entry, subject))
    with tempfile.TemporaryDirectory() as folder:
        write_subject(Path(folder), subject)
        for target, precision in pairs:
            cell = _run_cell(Path(folder), target, precision)
            record.add_cell(entry.name, name_cell(target, precision), cell)
            tell(entry, target, precision, cell)


def describe_subject(entry: ZooStudent, subject: Subject) -> dict[str, Any]:
    """What is true of a student whatever the target."""
    return {
        **count_student(entry, subject),
        "fold_error": measure_folding(subject),
        "quantizers": count_quantizers(subject.quantized),
    }


def count_student(entry: ZooStudent, subject: Subject) -> dict[str, int]:
    """Parameters and multiplications of the graph that ships, head included."""
    model = DeployModel(subject.student, None, entry.size)
    macs = count_work(model, example_image(entry.size, 1)).macs
    parameters = count_parameters(subject.folded) + count_parameters(subject.student.head)
    return {"size": entry.size, "embed_dim": EMBED_DIM, "parameters": parameters, "macs": macs}


def count_parameters(model: nn.Module) -> int:
    """Trained values, each once however many layers share it; a text bank is none of them."""
    return sum(values.numel() for values in model.parameters())


@torch.no_grad()
def measure_folding(subject: Subject) -> float:
    """How far re-parameterisation and folding move the features, by the largest of them."""
    student = subject.student
    pixels = torch.from_numpy(subject.probes).permute(0, 3, 1, 2)  # (N, 3, S, S)
    images = student.normalise(pixels)
    expected = student.encoder(images)
    return float((subject.folded(images) - expected).abs().max() / expected.abs().max())


def _run_cell(folder: Path, target: str, precision: str) -> Cell:
    """One cell by its process; one that died is a cell that failed."""
    result = folder / f"{name_cell(target, precision)}.json"
    command = [sys.executable, "-m", _CHILD, str(folder), target, precision, str(result)]
    environment = {**os.environ, "PYTHONPATH": _search_path()}
    try:
        done = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LIMIT_S,
        )
    except subprocess.TimeoutExpired:
        return _lose_cell(f"not done after {_LIMIT_S} s")
    if done.returncode != 0 or not result.is_file():
        last = take_last_line(done.stderr)
        return _lose_cell(f"its process ended with {done.returncode}: {last}")
    cell: Cell = read_json(result)
    return cell


def _lose_cell(why: str) -> Cell:
    return {"state": FAILED, "step": "process", "why": why}


def _search_path() -> str:
    """Where the child finds this program, wherever it is started."""
    before = os.environ.get("PYTHONPATH")
    return str(ROOT) if not before else f"{ROOT}{os.pathsep}{before}"
