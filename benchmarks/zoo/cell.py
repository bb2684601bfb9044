"""`python -m benchmarks.zoo.cell FOLDER TARGET PRECISION`: one export of one student.

It is a process of its own, so that its peak memory is that of this export, and a converter that
crashes takes nothing else with it. `benchmarks.zoo.places` says what lies in FOLDER.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any, cast

import numpy as np

from benchmarks.measure.fresh import STATUS, read_peak_mb
from benchmarks.zoo.outcome import FAILED, OK
from benchmarks.zoo.places import THREADS, place_files, place_result, read_subject, write_made
from benchmarks.zoo.student import Subject
from export.blame import explain_failure
from export.facts import model_size_mb
from export.gate import BATCH_SIZE
from export.head_weights import pack_head
from export.job import ExportJob
from export.lower import StrippedEncoder
from export.parity import compare_outputs, require_integer, require_parity
from export.registry import load_target
from export.runner import is_reference, open_runner, wrap_torch
from gazeclip.bundle.layout import Precision
from gazeclip.files.atomic import write_json
from gazeclip.networks.student import Student
from gazeclip.networks.zoo import name_cell
from quantize.encoder import count_quantizers
from runtimes.batches import infer_in_batches


def measure_cell(
    subject: Subject, target: str, precision: Precision, folder: Path
) -> dict[str, Any]:
    """Export into a folder, and compare.

    Returns:
        `state`, `step` (where it ended) and `why`; as far as it came `export_s`, `peak_mb`,
        `bytes`, `integer` and `convolutions`, `engine`, `parity`; `latency_ms` is None where only
        a reference evaluator runs the file, else left for `benchmarks.zoo.timing`.
    """
    cell: dict[str, Any] = {"state": FAILED, "step": "convert", "why": None}
    try:
        _fill_cell(cell, subject, target, precision, folder)
    except Exception as error:  # converters raise anything
        cell["why"] = explain_failure(error)
    return cell


def _fill_cell(
    cell: dict[str, Any], subject: Subject, target: str, precision: Precision, folder: Path
) -> None:
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
    size = subject.student.spec.contract.size
    infer, engine = open_runner(write_made(folder, target, precision, size, result), THREADS)
    cell["engine"] = engine
    found = infer_in_batches(infer, subject.probes, BATCH_SIZE)
    cell["parity"] = compare_outputs(_compute_reference(subject, precision), found)
    if is_reference(engine):
        cell["latency_ms"] = None
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


def _round_peak(peak: float | None) -> int | None:
    return None if peak is None else round(peak)


def main() -> None:
    """See the module."""
    place, target, precision = sys.argv[1:]
    folder = Path(place)
    name = name_cell(target, precision)
    files = place_files(folder, name)
    files.mkdir(parents=True)
    cell = measure_cell(read_subject(folder), target, cast(Precision, precision), files)
    write_json(place_result(folder, name), cell)


if __name__ == "__main__":
    main()
