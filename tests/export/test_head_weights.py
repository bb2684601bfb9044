"""The head's matrices in 16 and 8 bits: what they hold, and that every file holds just that."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from export.head_weights import note_packed, pack_head
from export.job import ExportJob
from export.packed_matrix import PackedMatrix, find_packed
from gazeclip.bundle.layout import OUTPUTS
from gazeclip.errors import StageError

PROJECTION = "projection.weight"
PACKED = {PROJECTION, "detection.weight"}


def _pack(job: Any, kind: Any, precision: Any = "int8") -> ExportJob:
    return pack_head(job(precision), kind)


def _find_projection(job: ExportJob) -> PackedMatrix:
    assert {matrix.name for matrix in job.packed_head} == PACKED
    return next(matrix for matrix in job.packed_head if matrix.name == PROJECTION)


def _run_onnx(path: Path, images: np.ndarray) -> dict[str, np.ndarray]:
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return dict(zip(OUTPUTS, session.run(list(OUTPUTS), {"image": images}), strict=True))


def _run_openvino(path: Path, images: np.ndarray) -> dict[str, np.ndarray]:
    core = pytest.importorskip("openvino").Core()
    found = core.compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})({"image": images})
    return {name: found[name] for name in OUTPUTS}


def _run_tflite(path: Path, images: np.ndarray) -> dict[str, np.ndarray]:
    library = pytest.importorskip("ai_edge_litert.interpreter")
    runner = library.Interpreter(model_path=str(path), num_threads=1).get_signature_runner()
    rows = [runner(image=images[place : place + 1]) for place in range(len(images))]
    return {name: np.concatenate([row[name] for row in rows]) for name in OUTPUTS}


def _run_coreml(path: Path, images: np.ndarray) -> dict[str, np.ndarray]:
    from export.reference.evaluator import evaluate

    return evaluate(path, images)


RUNNERS = {
    "onnx": _run_onnx,
    "openvino": _run_openvino,
    "tflite": _run_tflite,
    "coreml": _run_coreml,
}
# Their converters take many seconds.
_SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("tflite", "coreml")]


def _size(path: Path) -> int:
    files = [path, path.with_suffix(".bin")]
    if path.is_dir():
        files = [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files if file.exists())


@pytest.mark.parametrize("kind", ["int8", "fp16"])
@pytest.mark.parametrize("target", ["onnx", "openvino", *_SLOW])
def test_a_small_file_answers_as_one_that_holds_the_same_values_in_float32(
    job: Any, images: np.ndarray, tmp_path: Path, target: str, kind: str
) -> None:
    from export.registry import load_target

    # Each format in files of one precision: they are stored by the same steps in both.
    packed = _pack(job, kind, {"int8": "int8", "fp16": "w8"}[kind])
    answers, sizes, notes = [], [], []
    for form in (packed, replace(packed, packed_head=())):
        result = load_target(target).export(form)
        path = tmp_path / result["model"]
        answers.append(RUNNERS[target](path, images))
        sizes.append(_size(path))
        notes.append(result["notes"].get("head_weights"))
    assert notes == [kind, None]
    for name in OUTPUTS:
        # OpenVINO sums the levels and scales the sum; data of 8 bits would be off by 1e-3.
        bound = 2e-5 if target == "openvino" else 0
        np.testing.assert_allclose(answers[0][name], answers[1][name], 0, bound, err_msg=name)
    # Less what describes the operations that expand it.
    forms = [matrix.values for matrix in packed.packed_head]
    saved = sum(values.size * (4 - values.itemsize) for values in forms)
    assert saved - 4_000 < sizes[1] - sizes[0] <= saved


def test_openvino_computes_the_packed_head_in_float(job: Any, tmp_path: Path) -> None:
    openvino = pytest.importorskip("openvino")
    from export.targets.openvino import export

    result = export(_pack(job, "int8"))
    compiled = openvino.Core().compile_model(tmp_path / result["model"], "CPU")
    assert compiled.get_property("DYNAMIC_QUANTIZATION_GROUP_SIZE") == 0


def test_levels_are_the_nearest_ones_of_each_row(job: Any) -> None:
    original = job("int8").student.head.projection.weight.detach().numpy()
    packed = _pack(job, "int8")
    matrix = _find_projection(packed)
    assert matrix.values.dtype == np.int8
    for row in range(len(original)):
        step = max(abs(float(value)) for value in original[row]) / 127
        assert matrix.scale is not None
        assert float(matrix.scale[row, 0]) == pytest.approx(step, rel=1e-6)
        assert max(abs(int(level)) for level in matrix.values[row]) == 127
        away = np.abs(matrix.unpack()[row] - original[row]).max()
        assert away <= 0.5 * step * (1 + 1e-5)  # the quotient is rounded to float32
    rounded = packed.student.head.projection.weight.detach().numpy()
    np.testing.assert_array_equal(rounded, matrix.unpack())


def test_half_precision_is_what_torch_rounds_to(job: Any) -> None:
    original = job("int8").student.head.projection.weight.detach()
    matrix = _find_projection(_pack(job, "fp16"))
    np.testing.assert_array_equal(matrix.unpack(), original.half().float().numpy())


def test_a_row_of_zeros_stays_zero(job: Any) -> None:
    plain = job("int8")
    student = plain.student.with_encoder(plain.student.encoder)
    with torch.no_grad():
        student.head.projection.weight[3] = 0
    matrix = _find_projection(pack_head(replace(plain, student=student), "int8"))
    assert not matrix.unpack()[3].any() and np.isfinite(matrix.unpack()).all()


def test_small_matrices_other_precisions_and_the_student_itself_stay(job: Any) -> None:
    plain = job("int8")
    before = {name: value.clone() for name, value in plain.student.head.state_dict().items()}
    packed = pack_head(plain, "int8")
    after = packed.student.head.state_dict()
    changed = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert changed == PACKED
    for name, value in plain.student.head.state_dict().items():
        assert torch.equal(value, before[name])
    for other in (job("fp32"), job("fp16")):
        assert pack_head(other, "int8") is other
    assert pack_head(plain, "fp32") is plain


def test_a_constant_is_found_as_it_lies_and_turned_around() -> None:
    levels = np.random.default_rng(0).integers(-127, 128, (5, 7)).astype(np.int8)
    scale = np.linspace(0.1, 0.5, 5, dtype=np.float32)[:, None]
    matrix = PackedMatrix("bank", levels, scale)
    values = levels.astype(np.float32) * scale
    straight = find_packed([matrix], values)
    turned = find_packed([matrix], np.ascontiguousarray(values.T))
    assert straight is not None and straight.axis == 0
    assert turned is not None and turned.axis == 1
    np.testing.assert_array_equal(turned.unpack(), values.T)
    assert find_packed([matrix], values + np.float32(1e-3)) is None
    assert find_packed([matrix], values[:4]) is None
    assert find_packed([matrix], values.astype(np.float64)) is None


def test_a_matrix_that_the_converter_changed_is_an_error(job: Any) -> None:
    packed = _pack(job, "int8")
    with pytest.raises(StageError, match=PROJECTION) as caught:
        note_packed(packed, PACKED - {PROJECTION})
    assert "export.head_weights=fp32" in caught.value.remedy
    assert note_packed(packed, PACKED) == {"head_weights": "int8"}
    assert note_packed(job("int8"), []) == {}
