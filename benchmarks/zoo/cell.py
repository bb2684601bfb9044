"""`python -m benchmarks.zoo.cell FOLDER TARGET PRECISION RESULT`: one export of one student.

It is a process of its own, so that its peak memory is that of this export, and a converter that
crashes takes nothing else with it. FOLDER holds what `write_subject` left; the figures go to RESULT
as JSON.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any, cast

import numpy as np

from benchmarks.measure.fresh import STATUS, read_peak_mb
from benchmarks.measure.latency import LatencyConfig, measure_latency
from benchmarks.zoo.outcome import FAILED, OK
from benchmarks.zoo.student import Subject
from export.blame import explain_failure
from export.gate import BATCH_SIZE
from export.head_weights import pack_head
from export.job import ExportJob
from export.lower import StrippedEncoder
from export.parity import compare_outputs, require_integer, require_parity
from export.registry import load_target
from export.runner import is_reference, open_runner, unfinished_bundle, wrap_torch
from export.stage import model_size_mb
from gazeclip.bundle.layout import Precision
from gazeclip.files.atomic import write_json
from gazeclip.networks.student import Student, load_student, save_student
from gazeclip.networks.student_encoder import build_student_encoder
from quantize.encoder import count_quantizers, load_quantized, save_quantized
from runtimes.batches import Infer, infer_in_batches

_PROBES = "probes.npy"
_THREADS = 1  # what every engine has, so that times can be compared
# Short: the matrix has dozens of cells, and its times tell engines apart and no more.
_LATENCY = LatencyConfig(rounds=5, budget_s=1.0, warmup_max_s=1.0)


def write_subject(folder: Path, subject: Subject) -> None:
    """Write down what the processes of all cells of a student read."""
    save_student(folder / "student", subject.student)
    size = subject.student.spec.contract.size
    save_quantized(folder / "quantized", subject.quantized, image_size=size)
    np.save(folder / _PROBES, subject.probes)


def read_subject(folder: Path) -> Subject:
    """The same again."""
    student = load_student(folder / "student")
    spec = student.spec
    fresh = build_student_encoder(spec.backbone, spec.contract.size)
    quantized = load_quantized(folder / "quantized", fresh)
    return Subject(student, quantized, np.load(folder / _PROBES))


def measure_cell(subject: Subject, target: str, precision: Precision) -> dict[str, Any]:
    """Export, compare, time.

    Returns:
        `state`, `step` (where it ended) and `why`; as far as it came `export_s`, `peak_mb`,
        `bytes`, `integer` and `convolutions`, `engine`, `parity`, `latency_ms`.
    """
    cell: dict[str, Any] = {"state": FAILED, "step": "convert", "why": None}
    try:
        with tempfile.TemporaryDirectory() as folder:
            _fill_cell(cell, subject, target, precision, Path(folder))
    except Exception as error:  # converters raise anything
        cell["why"] = explain_failure(error)
    return cell


def _fill_cell(
    cell: dict[str, Any], subject: Subject, target: str, precision: Precision, folder: Path
) -> None:
    size = subject.student.spec.contract.size
    began = time.perf_counter()
    result = load_target(target).export(make_job(subject, precision, folder))
    cell["export_s"] = round(time.perf_counter() - began, 2)
    cell["peak_mb"] = _round_peak(read_peak_mb(STATUS))
    notes = result["notes"]
    cell["bytes"] = round(model_size_mb(folder, result["model"]) * 1e6)
    cell["integer"] = notes["quantized_convolutions"]
    cell["convolutions"] = notes["quantized_convolutions"] + notes["float_convolutions"]
    what = f"{target} {precision}"
    cell["step"] = "run"
    names = result.get("io", {})
    bundle = unfinished_bundle(folder, target, precision, result["model"], size, names)
    infer, engine = open_runner(bundle, _THREADS)
    cell["engine"] = engine
    found = infer_in_batches(infer, subject.probes, BATCH_SIZE)
    cell["parity"] = compare_outputs(_compute_reference(subject, precision), found)
    cell["latency_ms"] = None if is_reference(engine) else _time_engine(infer, subject.probes[:1])
    cell["step"] = "compare"
    if precision == "int8":
        quantizers = count_quantizers(subject.quantized)["weight_quantizers"]
        require_integer(notes, quantizers, what)
    require_parity(cell["parity"], precision, what)
    cell["state"] = OK
    cell["step"] = None


def make_job(subject: Subject, precision: Precision, folder: Path) -> ExportJob:
    """What a target exports: as a run's stage makes it, with the recipes' `head_weights`."""
    spec = subject.student.spec
    size = spec.contract.size
    quantized = subject.quantized if precision == "int8" else None
    stripped = None if quantized is None else StrippedEncoder(quantized, size)
    job = ExportJob(
        _choose_student(subject, precision),
        quantized,
        precision,
        folder,
        spec.classes,
        size,
        stripped=stripped,
    )
    return pack_head(job, "int8")


def _choose_student(subject: Subject, precision: Precision) -> Student:
    return subject.rounded if precision == "w8" else subject.student


def _compute_reference(subject: Subject, precision: Precision) -> dict[str, np.ndarray]:
    model = _choose_student(subject, precision)
    if precision == "int8":
        model = model.with_encoder(subject.quantized)
    return infer_in_batches(wrap_torch(model), subject.probes, BATCH_SIZE)


def _time_engine(infer: Infer, image: np.ndarray) -> float:
    """Milliseconds of one image, the median."""
    found = measure_latency({"cell": lambda: infer(image)}, _LATENCY, threads=_THREADS)
    return round(found["cell"].p50, 3)


def _round_peak(peak: float | None) -> int | None:
    return None if peak is None else round(peak)


def main() -> None:
    """See the module."""
    folder, target, precision, result = sys.argv[1:]
    cell = measure_cell(read_subject(Path(folder)), target, cast(Precision, precision))
    write_json(Path(result), cell)


if __name__ == "__main__":
    main()
