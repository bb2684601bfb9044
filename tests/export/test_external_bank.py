"""Models that take the rows of their classes as an input: every target against PyTorch."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from export.deploy import example_banks
from export.filters import round_filters
from export.head_weights import pack_head
from export.job import ExportJob
from export.lower import StrippedEncoder
from export.registry import TARGETS, load_target
from export.runner import open_runner, unfinished_bundle
from gazeclip.bundle.layout import BANK_ROWS, OUTPUTS, Precision
from gazeclip.errors import ConfigError
from gazeclip.networks.student import Student
from tests.export.conftest import CLASSES, DIM, SIZE, build, pixels, quantize

# The graph around the encoder is asked about, which is the same around any: one of few layers is
# converted in a part of the time.
BACKBONE = "test_resnet"
FIXED = ("tflite", "coreml")
HALF_STEP = 2.0**-11  # relative, of 11 bits of mantissa
_CELLS = [
    pytest.param(target, precision, marks=[pytest.mark.slow] if target in FIXED else [])
    for target, entry in TARGETS.items()
    for precision in entry.precisions
]


@dataclass(frozen=True)
class Tiny:
    """A student of few layers and its quantized encoder."""

    student: Student
    quantized: torch.nn.Module
    stripped: StrippedEncoder

    def make_job(self, precision: Precision, folder: Path) -> ExportJob:
        """As an export of a run makes it: filters and head rounded where the file holds levels."""
        student = round_filters(self.student) if precision == "w8" else self.student
        job = ExportJob(
            student,
            self.quantized,
            precision,
            folder,
            CLASSES,
            SIZE,
            stripped=self.stripped,
            external_bank=True,
        )
        return pack_head(job, "int8")

    def compute(self, job: ExportJob, images: np.ndarray) -> dict[str, np.ndarray]:
        """What PyTorch says of the images with the student's own bank."""
        encoder = self.quantized if job.precision == "int8" else job.student.encoder
        with torch.no_grad():
            out = job.student.head(encoder(job.student.normalise(pixels(images))))
        return {name: getattr(out, name).numpy() for name in OUTPUTS}


@pytest.fixture(scope="module")
def tiny(quantizers: None) -> Tiny:
    student = build(BACKBONE)
    quantized = quantize(student)
    return Tiny(student, quantized, StrippedEncoder(quantized, SIZE))


def open_model(result: Any, target: str, precision: str, folder: Path, rows: np.ndarray) -> Any:
    bank = (result["bank_input"], rows)
    names = result.get("io", {})
    bundle = unfinished_bundle(folder, target, precision, result["model"], SIZE, names, bank)
    return open_runner(bundle, threads=1)[0]


def draw_rows(count: int) -> np.ndarray:
    rows = np.random.default_rng(count).normal(size=(count, DIM)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize(("target", "precision"), _CELLS)
def test_classes_change_and_detection_does_not(
    tiny: Tiny, images: np.ndarray, check: Any, tmp_path: Path, target: str, precision: Precision
) -> None:
    asked = tiny.make_job(precision, tmp_path)
    result = load_target(target).export(asked)
    assert result["bank_input"].rows == (BANK_ROWS if target in FIXED else None)
    kind = "int8" if precision in ("w8", "int8") else None
    assert result["notes"].get("head_weights") == kind
    head = asked.student.head
    own = head.text_bank.numpy()
    found = open_model(result, target, precision, tmp_path, own)(images)
    # What the model with its bank inside would say. The filters of a w8 file are the student's.
    check(found, tiny.compute(asked, images), "fp32" if precision == "w8" else precision)
    more = np.vstack([own, draw_rows(3)])
    other = draw_rows(2)
    for rows in (more, other):
        answers = open_model(result, target, precision, tmp_path, rows)(images)
        for name in OUTPUTS:
            if name != "logits":
                np.testing.assert_array_equal(answers[name], found[name], err_msg=name)
        scale = float(head.logit_scale)
        logits = scale * found["embedding"].astype(np.float64) @ rows.T
        # In float, whatever the encoder's precision is: only the order of the sums differs. Core ML
        # alone computes in half precision as well: both factors, scale and product are rounded.
        bound = 4 * scale * HALF_STEP if (target, precision) == ("coreml", "fp16") else 2e-5
        np.testing.assert_allclose(answers["logits"], logits, rtol=0, atol=bound)


def read_texts(model: Path, target: str) -> dict[str, str]:
    """What a file of one of the targets that tell texts by key says of itself."""
    if target == "onnx":
        onnx = pytest.importorskip("onnx")
        return {item.key: item.value for item in onnx.load(str(model)).metadata_props}
    if target == "openvino":
        info = pytest.importorskip("openvino").Core().read_model(str(model)).get_rt_info()
        return {key: value.value for key, value in info["gazeclip"].items()}
    models = pytest.importorskip("coremltools").models
    return dict(models.MLModel(str(model), skip_model_load=True).user_defined_metadata)


@pytest.mark.parametrize(
    "target", ["onnx", "openvino", pytest.param("coreml", marks=pytest.mark.slow)]
)
def test_files_name_no_classes_that_come_from_outside(
    tiny: Tiny, tmp_path: Path, target: str
) -> None:
    asked = tiny.make_job("fp32", tmp_path)
    path = tmp_path / load_target(target).export(asked)["model"]
    told = read_texts(path, target)
    assert "classes" not in told and told["text_bank"] == "external"
    assert json.loads(told["trained_classes"]) == list(CLASSES)
    if target == "coreml":
        models = pytest.importorskip("coremltools").models
        logits = models.MLModel(str(path), skip_model_load=True).output_description["logits"]
        assert f"{BANK_ROWS} rows of text_bank" in logits and CLASSES[1] not in logits
        return
    load_target(target).export(replace(asked, external_bank=False))
    baked = read_texts(path, target)
    assert json.loads(baked["classes"]) == list(CLASSES) and "text_bank" not in baked


def test_a_student_with_more_classes_than_rows_is_refused(tiny: Tiny, tmp_path: Path) -> None:
    asked = tiny.make_job("fp32", tmp_path)
    with pytest.raises(ConfigError, match="a text bank of 4 rows, and the student has 5 classes"):
        example_banks(asked, 4)
    (padded,) = example_banks(asked, 7)
    assert padded.shape == (7, DIM) and not padded[5:].any()
    assert example_banks(replace(asked, external_bank=False), 4) == ()


def test_more_classes_than_a_fixed_input_takes_are_refused(tmp_path: Path) -> None:
    from gazeclip.bundle.contents import BankInput
    from runtimes.engines.bank import BankFeed

    rows = draw_rows(BANK_ROWS + 1)
    port = BankInput("text_bank", BANK_ROWS)
    bundle = unfinished_bundle(tmp_path, "tflite", "fp32", "m.tflite", SIZE, {}, (port, rows))
    with pytest.raises(ConfigError, match=f"of {BANK_ROWS + 1} classes; this tflite model"):
        BankFeed.of_bundle(bundle)
    feed = BankFeed.of_bundle(bundle.with_bank((), rows[:4]))
    assert feed is not None and feed.values.shape == (BANK_ROWS, DIM)
    np.testing.assert_array_equal(feed.values[:4], rows[:4])
    assert not feed.values[4:].any()
    cut = feed.cut({"logits": np.arange(128.0).reshape(2, 64)})["logits"]
    np.testing.assert_array_equal(cut, [[0, 1, 2, 3], [64, 65, 66, 67]])
