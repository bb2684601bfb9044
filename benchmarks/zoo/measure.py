"""Fill cells of the matrix, each in a process of its own, and time the files of a student."""

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
from benchmarks.zoo.outcome import FAILED, OK
from benchmarks.zoo.places import place_result, write_subject
from benchmarks.zoo.record import Cell, Record
from benchmarks.zoo.student import EMBED_DIM, Subject, make_subject
from benchmarks.zoo.timing import RESULT
from export.batch import Pair
from export.blame import explain_failure
from export.deploy import DeployModel, example_image
from gazeclip.console.text import take_last_line
from gazeclip.errors import StageError
from gazeclip.files.atomic import read_json
from gazeclip.networks.zoo import ZooStudent, name_cell
from gazeclip.system.place import ROOT
from quantize.encoder import count_quantizers

_EXPORTER = "benchmarks.zoo.cell"
_TIMER = "benchmarks.zoo.timing"
_LIMIT_S = 3600
# Folding gives the same sums in another order, through some fifty layers in float32.
FOLDING_BOUND = 1e-5
Tell = Callable[[str], None]


def measure_student(
    record: Record, entry: ZooStudent, pairs: Sequence[Pair], weights: str, seed: int, tell: Tell
) -> None:
    """Measure some cells of one student into `record`, and at last time their files.

    A student that cannot be folded or quantized fails in every cell.

    Args:
        tell: called with a line for every cell as soon as it is there, and for the times.
    """
    names = {name_cell(*pair): " ".join((entry.name, *pair)) for pair in pairs}
    try:
        subject = make_subject(entry, weights, seed)
        facts = describe_subject(entry, subject)
        record.describe_student(entry.name, facts)
        require_folding(facts["fold_error"])
    except Exception as error:  # timm's networks and NNCF raise anything
        why = explain_failure(error)
        for name, title in names.items():
            record.add_cell(entry.name, name, {"state": FAILED, "step": "quantize", "why": why})
            tell(f"{title}: {why}")
        return
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_subject(folder, subject)
        for target, precision in pairs:
            name = name_cell(target, precision)
            cell = _run_cell(folder, target, precision)
            record.add_cell(entry.name, name, cell)
            tell(f"{names[name]}: {cell['why'] or cell['state']}")
        tell(f"{entry.name}: {_time_student(record, entry.name, list(names), folder)}")


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


def require_folding(error: float) -> None:
    """Refuse a student whose folding changes what it says.

    Raises:
        StageError: beyond `FOLDING_BOUND`.
    """
    if not error <= FOLDING_BOUND:
        raise StageError(
            f"folding moves its features by {error:.1e} of the largest, and {FOLDING_BOUND:.0e} "
            "is allowed",
            remedy="Look for a layer that quantize/fuse.py folds and should not",
        )


def _time_student(record: Record, student: str, names: Sequence[str], folder: Path) -> str:
    """Add the times of all files that an engine runs; in words what became of it."""
    cells = [record.find_cell(student, name) or {} for name in names]
    timed = [
        name
        for name, cell in zip(names, cells, strict=True)
        if cell.get("state") == OK and "latency_ms" not in cell
    ]
    if not timed:
        return "no file that an engine runs here"
    found, why = _run_process(_TIMER, folder, timed, place_result(folder, RESULT))
    if found is None:  # which file it was is not known, and none of them has a time
        for name in timed:
            failure = {"state": FAILED, "step": "time", "why": f"its student's timing: {why}"}
            record.add_times(student, name, failure)
        return f"not timed: {why}"
    for name, times in found.items():
        record.add_times(student, name, times)
    beside = any(times["disturbed"] for times in found.values())
    return f"{len(timed)} files timed side by side{', beside other work' if beside else ''}"


def _run_cell(folder: Path, target: str, precision: str) -> Cell:
    """One cell by its process; one that died is a cell that failed."""
    result = place_result(folder, name_cell(target, precision))
    cell, why = _run_process(_EXPORTER, folder, [target, precision], result)
    return {"state": FAILED, "step": "process", "why": why} if cell is None else cell


def _run_process(
    module: str, folder: Path, options: Sequence[str], result: Path
) -> tuple[dict[str, Any] | None, str]:
    """What a process has found, or None and why not."""
    command = [sys.executable, "-m", module, str(folder), *options]
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
        return None, f"not done after {_LIMIT_S} s"
    if done.returncode != 0 or not result.is_file():
        last = take_last_line(done.stderr)
        return None, f"its process ended with {done.returncode}: {last}"
    return read_json(result), ""


def _search_path() -> str:
    """Where the child finds this program, wherever it is started."""
    before = os.environ.get("PYTHONPATH")
    return str(ROOT) if not before else f"{ROOT}{os.pathsep}{before}"
