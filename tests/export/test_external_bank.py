"""Models that take the rows of their classes as an input: every target against PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from export.deploy import example_banks
from export.registry import load_target
from export.runner import open_runner, unfinished_bundle
from gazeclip.bundle.layout import BANK_ROWS, OUTPUTS
from gazeclip.errors import ConfigError
from tests.export.conftest import DIM, SIZE

_SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("tflite", "coreml")]
FIXED = ("tflite", "coreml")


def open_model(result: Any, target: str, precision: str, folder: Path, rows: np.ndarray) -> Any:
    bank = (result["bank_input"], rows)
    names = result.get("io", {})
    bundle = unfinished_bundle(folder, target, precision, result["model"], SIZE, names, bank)
    return open_runner(bundle, threads=1)[0]


def draw_rows(count: int) -> np.ndarray:
    rows = np.random.default_rng(count).normal(size=(count, DIM)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("target", ["onnx", "openvino", *_SLOW])
def test_classes_change_and_detection_does_not(
    job: Callable[[Any], Any],
    images: np.ndarray,
    expected: Any,
    check: Any,
    tmp_path: Path,
    target: str,
    precision: str,
) -> None:
    asked = replace(job(precision), external_bank=True)
    result = load_target(target).export(asked)
    assert result["bank_input"].rows == (BANK_ROWS if target in FIXED else None)
    head = asked.student.head
    own = head.text_bank.numpy()
    wanted = expected[precision]
    found = open_model(result, target, precision, tmp_path, own)(images)
    check(found, wanted, precision)  # what the model with its bank inside would say
    more = np.vstack([own, draw_rows(3)])
    other = draw_rows(2)
    for rows in (more, other):
        answers = open_model(result, target, precision, tmp_path, rows)(images)
        for name in OUTPUTS:
            if name != "logits":
                np.testing.assert_array_equal(answers[name], found[name], err_msg=name)
        # In float, whatever the encoder's precision is: only the order of the sums differs.
        logits = float(head.logit_scale) * found["embedding"].astype(np.float64) @ rows.T
        np.testing.assert_allclose(answers["logits"], logits, atol=2e-5)


def test_a_student_with_more_classes_than_rows_is_refused(job: Callable[[Any], Any]) -> None:
    asked = replace(job("fp32"), external_bank=True)
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
