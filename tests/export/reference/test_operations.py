"""Every operation of the evaluator against a formula in NumPy, and against Core ML's own tools.

coremltools folds constants, and computes many operations in NumPy for that: a second reference
for what a parameter means.
"""

from __future__ import annotations

import inspect
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from export.reference.evaluator import run_function
from export.reference.operations import OPERATIONS
from gazeclip.errors import StageError
from tests.collecting import skip_without
from tests.export.reference import cases, resizing_cases, window_cases
from tests.export.reference.cases import Case, X, Y

skip_without("coremltools")

# coremltools folds no constants through these, so that nothing but the formula is there.
NOT_FOLDED = {
    "avg_pool",
    "batch_norm",
    "conv",
    "dequantize",
    "max_pool",
    "silu",
    "upsample_bilinear",
}
# Parameters that are there to be refused.
REFUSED = {("concat", "interleave")}


CASES = [
    *cases.list_elementwise(),
    *cases.list_quantization(),
    *cases.list_shapes(),
    *cases.list_products(),
    *window_cases.list_windows(),
    *resizing_cases.list_resizing(),
]
IDS = [f"{number}-{case.name}" for number, case in enumerate(CASES)]


def as_outputs(wanted: Any) -> tuple[np.ndarray, ...]:
    return wanted if isinstance(wanted, tuple) else (wanted,)


def evaluate(name: str, inputs: dict[str, Any], outputs: int = 1) -> list[np.ndarray]:
    """What the evaluator says of one operation whose inputs are all constants."""

    def make_constant(key: str, value: Any) -> Any:
        if isinstance(value, tuple):
            parts = enumerate(value)
            return tuple(make_constant(f"{key}_{number}", part) for number, part in parts)
        return SimpleNamespace(name=f"c_{key}", val=value)

    constants = {key: make_constant(key, value) for key, value in inputs.items()}
    kind = SimpleNamespace(__name__="none")  # nothing is rounded afterwards
    results = [SimpleNamespace(name=f"y{number}", dtype=kind) for number in range(outputs)]
    operation = SimpleNamespace(op_type=name, inputs=constants, outputs=results)
    program = SimpleNamespace(operations=[operation], outputs=results)
    return [value.double().numpy() for value in run_function(program, {}).values()]


def fold(case: Case) -> tuple[Any, ...]:
    """What coremltools makes of the operation's constants; None for an output: it does not."""
    import coremltools
    from coremltools.converters.mil.mil import Builder as mb
    from coremltools.converters.mil.mil import Function

    with Function({}, opset_version=coremltools.target.iOS18):
        found = getattr(mb, case.name)(**case.inputs)
    found = found if isinstance(found, list | tuple) else (found,)
    return tuple(read_folded(variable) for variable in found)


def read_folded(variable: Any) -> Any:
    if variable.op.op_type.startswith("constexpr_"):
        return variable.op.materialized_val_inference()
    return variable.val


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_an_operation_computes_its_formula(case: Case) -> None:
    wanted = as_outputs(case.wanted)
    found = evaluate(case.name, case.inputs, len(wanted))
    for value, formula in zip(found, wanted, strict=True):
        assert value.shape == formula.shape
        # float32, and sums of up to 36 products in another order
        np.testing.assert_allclose(value, formula, atol=4e-6, rtol=4e-6)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_formulas_mean_what_core_ml_means(case: Case) -> None:
    folded = fold(case)
    assert [value is None for value in folded] == [case.name in NOT_FOLDED] * len(folded)
    if case.name in NOT_FOLDED:
        return
    for value, formula in zip(folded, as_outputs(case.wanted), strict=True):
        assert np.shape(value) == formula.shape
        np.testing.assert_allclose(np.float64(value), formula, atol=4e-6, rtol=4e-6)


def test_every_operation_and_every_parameter_has_a_comparison() -> None:
    compared: dict[str, set[str]] = {}
    for case in CASES:
        compared.setdefault(case.name, set()).update(case.inputs)
    missing = []
    for name, function in OPERATIONS.items():
        own = {key for key in inspect.signature(function).parameters if key[0] != "_"}
        missing += [(name, key) for key in own - compared.get(name, set())]
    assert set(missing) == REFUSED


@pytest.mark.parametrize(
    ("name", "inputs", "words"),
    [
        ("conv", {"x": X, "weight": np.ones((1, 4, 3, 3), np.float32), "pad_type": "same"}, "same"),
        ("gelu", {"x": X, "mode": "SIGMOID_APPROXIMATION"}, "SIGMOID_APPROXIMATION"),
        (
            "upsample_bilinear",
            {"x": X, "align_corners": np.bool_(False), "half_pixel_centers": np.bool_(False)},
            "half_pixel_centers False and align_corners False",
        ),
        ("concat", {"values": (X, Y), "axis": np.int32(1), "interleave": np.bool_(True)}, "concat"),
        ("pad", {"x": X, "pad": np.int32([1, 0]), "mode": "reflect"}, "reflect"),
        (
            "slice_by_index",
            {
                "x": X[0, 0],
                "begin": np.int32([5, 0]),
                "end": np.int32([0, 1]),
                "stride": np.int32([-1, 1]),
            },
            "backward",
        ),
        (
            "max_pool",
            {
                "x": X,
                "kernel_sizes": np.int32([2, 2]),
                "strides": np.int32([2, 2]),
                "pad_type": "custom",
                "pad": np.int32([0, 1, 0, 0]),
                "ceil_mode": np.bool_(True),
            },
            "ceil_mode",
        ),
    ],
)
def test_what_no_formula_is_known_for_is_refused(
    name: str, inputs: dict[str, Any], words: str
) -> None:
    with pytest.raises(StageError, match=words):
        evaluate(name, inputs)
