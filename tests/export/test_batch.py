"""One export that fails stops no other, and the table says what became of each."""

from __future__ import annotations

import io
from typing import Any

import pytest

from export.batch import FAILED, OK, REJECTED, Pair, build_table, export_each, refuse_failures
from gazeclip.bundle.layout import Precision
from gazeclip.console.tables import MISSING, print_plain
from gazeclip.errors import ConfigError, StageError

WANTED: list[Pair] = [("onnx", "fp32"), ("coreml", "fp16"), ("tflite", "int8"), ("onnx", "int8")]
DROP = {
    "figure": "tpr",
    "generator": None,
    "before": 0.9,
    "after": 0.4,
    "limit": 0.03,
    "outcome": "fail",
}


def make_record(gate: dict[str, Any] | None = None) -> dict[str, Any]:
    parity = {"embedding_cosine_min": 0.99871, "prob_max_abs": 0.0348}
    metrics = {
        "model_mb": 3.456,
        "quantized_convolutions": 50,
        "float_convolutions": 2,
        "parity": parity,
        "gate": gate,
    }
    return {"metrics": metrics, "seconds": 41.3}


def read_record(target: str, precision: Precision) -> dict[str, Any]:
    rejected = {"outcome": "fail", "accepted": False, "drops": [DROP], "n_real": 1, "n_fake": 1}
    return make_record(rejected if (target, precision) == ("onnx", "int8") else None)


def test_the_others_are_still_exported(capsys: pytest.CaptureFixture[str]) -> None:
    tried = []

    def export(target: str, precision: Precision) -> None:
        tried.append((target, precision))
        if target == "coreml":
            raise ConfigError("no such operation", remedy="Change the network")
        if target == "tflite":
            raise RuntimeError("the converter fell over")

    outcomes = export_each(WANTED, export, read_record)
    assert tried == WANTED
    assert [item.state for item in outcomes] == [OK, FAILED, FAILED, REJECTED]
    assert outcomes[1].why == "no such operation. Change the network"
    assert "RuntimeError: the converter fell over" in outcomes[2].why
    assert "tpr 0.900 -> 0.400 (allowed 0.03)" in outcomes[3].why
    assert capsys.readouterr().err.count("failed: ") == 2
    with pytest.raises(StageError, match="2 of 4 exports failed: coreml fp16, tflite int8") as told:
        refuse_failures(outcomes)
    assert told.value.exit_code == 2


def test_one_alone_raises_what_it_raised() -> None:
    def export(target: str, precision: Precision) -> None:
        raise RuntimeError("the converter fell over")

    with pytest.raises(RuntimeError, match="fell over"):
        export_each(WANTED[:1], export, read_record)


def test_an_interruption_is_no_failure_of_one() -> None:
    def export(target: str, precision: Precision) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_each(WANTED, export, read_record)


def test_table() -> None:
    def export(target: str, precision: Precision) -> None:
        if target == "coreml":
            raise ConfigError("no such operation")

    outcomes = export_each(WANTED, export, read_record)
    table = build_table(outcomes)
    assert table.rows[0][:7] == ("onnx", "fp32", "3.46", "50 of 52", "0.99871", "3.5e-02", "41")
    failed = ("coreml", "fp16", *[MISSING] * 5, FAILED, "no such operation")
    assert tuple(table.rows[1]) == failed
    out = io.StringIO()
    print_plain(table, out)
    assert len(out.getvalue().splitlines()) == 1 + len(WANTED)
    refuse_failures([item for item in outcomes if item.state != FAILED])
