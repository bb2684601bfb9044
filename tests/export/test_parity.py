"""Parity figures computed by hand, and each bound refusing on its own."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from export.parity import BOUNDS, compare_outputs, require_integer, require_parity
from gazeclip.errors import StageError


def outputs(**changes: list) -> dict[str, np.ndarray]:
    base = {
        "embedding": [[1, 0], [0, 1], [0.6, 0.8]],
        "logits": [[0, 0], [1, 0], [0, 2]],
        "fake_logit": [[0.5], [-1], [3]],
        "gaze": [[0, 0], [0.1, 0.2], [0, 0.3]],
    }
    return {name: np.array(value, dtype=np.float32) for name, value in {**base, **changes}.items()}


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_equal_outputs() -> None:
    figures = compare_outputs(outputs(), outputs())
    assert figures["embedding_cosine_min"] == pytest.approx(1.0)
    assert (
        figures["prob_max_abs"],
        figures["gaze_max_abs_rad"],
        figures["sign_agreement"],
        figures["images"],
    ) == (0, 0, 1, 3)


def test_by_hand() -> None:
    other = outputs(
        embedding=[[2, 0], [0, 1], [0.8, 0.6]],
        fake_logit=[[-0.5], [-1], [2]],
        gaze=[[0, 0], [0.1, -0.3], [0.2, 0.3]],
    )
    figures = compare_outputs(outputs(), other)
    assert figures["embedding_cosine_min"] == pytest.approx(0.96)  # scale does not matter
    assert figures["embedding_cosine_mean"] == pytest.approx((1 + 1 + 0.96) / 3)
    first, third = sigmoid(0.5) - sigmoid(-0.5), sigmoid(3) - sigmoid(2)
    assert figures["prob_max_abs"] == pytest.approx(first)
    assert figures["prob_mean_abs"] == pytest.approx((first + third) / 3)
    assert figures["gaze_max_abs_rad"] == pytest.approx(0.5)
    assert figures["sign_agreement"] == pytest.approx(2 / 3)


def test_attribution_counts_as_probability() -> None:
    figures = compare_outputs(outputs(), outputs(logits=[[0, 0], [1, 0], [0, -2]]))
    assert figures["prob_max_abs"] == pytest.approx(sigmoid(2) - sigmoid(-2))
    assert figures["prob_mean_abs"] == 0


def at_bound(precision: str) -> dict[str, float]:
    return dict(vars(BOUNDS[precision]))


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_each_bound_refuses_alone(precision: str) -> None:
    require_parity(at_bound(precision), precision, "x")
    for key in at_bound(precision):
        step = -1e-3 if key in ("embedding_cosine_min", "sign_agreement") else 1e-3
        for value in (at_bound(precision)[key] + step, float("nan")):
            with pytest.raises(StageError) as caught:
                require_parity({**at_bound(precision), key: value}, precision, "model.onnx")
            assert caught.value.message.startswith("model.onnx differs")
            assert caught.value.message.count("<") + caught.value.message.count(">") == 1


def test_all_missed_bounds_are_named() -> None:
    with pytest.raises(
        StageError,
        match=r"embedding cosine 0\.10000.*probability error 0\.9000.*agreement of signs 0\.2000",
    ):
        require_parity(
            {
                **at_bound("int8"),
                "embedding_cosine_min": 0.1,
                "prob_max_abs": 0.9,
                "sign_agreement": 0.2,
            },
            "int8",
            "x",
        )


def test_an_int8_file_that_computes_in_float_is_refused() -> None:
    require_integer({"quantized_convolutions": 45}, 46, "tflite int8")  # LiteRT leaves one
    with pytest.raises(StageError, match=r"too few convolutions .* \(41 of 46\)"):
        require_integer({"quantized_convolutions": 41}, 46, "tflite int8")
    notes = {
        "quantized_convolutions": 41,
        "float_readers": {"CONV_2D": 1, "GELU": 4},
        "float_layers": ["stages.0.conv1", "stages.1.conv1"],
    }
    with pytest.raises(StageError, match=r"GELU takes floats of 4; such as stages\.0\.conv1\)"):
        require_integer(notes, 46, "tflite int8")


def test_nan_outputs_are_refused() -> None:
    broken = outputs(logits=[[0, 0], [float("nan"), 0], [0, 2]])
    with pytest.raises(StageError):
        require_parity(compare_outputs(outputs(), broken), "int8", "x")
    broken = outputs(fake_logit=[[float("nan")], [-1], [3]])
    with pytest.raises(StageError):
        require_parity(compare_outputs(outputs(), broken), "int8", "x")


def test_finer_precisions_are_bounded_tighter() -> None:
    order = [BOUNDS[name] for name in ("fp32", "fp16", "int8")]
    assert all(
        a.embedding_cosine_min > b.embedding_cosine_min and a.prob_max_abs < b.prob_max_abs
        for a, b in itertools.pairwise(order)
    )
