"""Core ML packages through the reference evaluator against PyTorch.

The evaluator's operations by themselves: `tests/export/reference/test_operations.py`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from export.job import ExportJob
from export.reference import evaluator
from export.reference.evaluator import evaluate, load_program, run_function
from export.targets import coreml as target
from export.targets.coreml_padding import register_padding_pass
from gazeclip.bundle.layout import Precision
from gazeclip.errors import ArtifactError, ConfigError, StageError
from gazeclip.recipe.stages import CoreMlOptions
from quantize.encoder import count_quantizers
from tests.collecting import skip_without

skip_without("coremltools")


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "fp16", "w8", "int8"])
def test_package_matches_pytorch(
    job: Any,
    images: np.ndarray,
    expected: Any,
    quantized: torch.nn.Module,
    check: Any,
    tmp_path: Path,
    precision: str,
) -> None:
    result = target.export(job(precision))
    check(evaluate(tmp_path / result["model"], images), expected[precision], precision)
    # Reading takes seconds, and opening a package rewrites a file of it.
    read_before = evaluator._prepare_program.cache_info().misses
    check(evaluate(tmp_path / result["model"], images), expected[precision], precision)
    assert evaluator._prepare_program.cache_info().misses == read_before
    notes = result["notes"]
    count = count_quantizers(quantized)["convolutions"]
    assert count > 20
    assert notes["quantized_convolutions"] == (count if precision == "int8" else 0)
    if precision == "int8":
        # int8 weights in the file
        assert notes["operations"]["constexpr_affine_dequantize"] == count
    spec = (
        __import__("coremltools")
        .models.MLModel(str(tmp_path / result["model"]), skip_model_load=True)
        .get_spec()
    )
    assert spec.description.input[0].type.imageType.width == 64
    assert '"diffusion"' in spec.description.metadata.userDefined["classes"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("precision", "system"),
    [
        ("fp32", None),
        ("fp16", "iOS15"),
        ("fp16", "iOS26"),
        ("w8", "macOS14"),
        ("int8", None),
        ("int8", "iOS18"),
    ],
)
def test_system_and_units_stand_in_the_file(
    job: Any,
    images: np.ndarray,
    expected: Any,
    quantized: torch.nn.Module,
    check: Any,
    tmp_path: Path,
    precision: Precision,
    system: str | None,
) -> None:
    """Later systems have other forms of some operations; the evaluator knows those as well."""
    import coremltools

    wanted = system or {"fp32": "iOS16", "int8": "iOS17"}[precision]
    options = CoreMlOptions(system, "cpu_and_ne")
    result = target.export(replace(job(precision), coreml=options))
    path = tmp_path / result["model"]
    spec = coremltools.models.MLModel(str(path), skip_model_load=True).get_spec()
    assert spec.specificationVersion == coremltools.target.__members__[wanted].value
    assert spec.description.metadata.userDefined["compute_units"] == "cpu_and_ne"
    assert result["notes"]["minimum_target"] == wanted
    assert result["notes"]["compute_units"] == "cpu_and_ne"
    count = count_quantizers(quantized)["convolutions"] if precision == "int8" else 0
    assert result["notes"]["quantized_convolutions"] == count
    check(evaluate(path, images), expected[precision], precision)


def test_a_system_that_is_too_old_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    nothing: Any = torch.nn.Identity()
    options = CoreMlOptions("macOS13")
    job = ExportJob(nothing, nothing, "int8", tmp_path, ("real", "fake"), 64, coreml=options)
    with pytest.raises(ConfigError, match="int8 needs iOS17 / macOS14, and macOS13 is older"):
        target.export(job)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_networks_that_pad_by_one_side_have_integer_convolutions_too(job_of: Any) -> None:
    notes = target.export(job_of("tf_efficientnet_lite0", "int8"))["notes"]
    assert (notes["quantized_convolutions"], notes["float_convolutions"]) == (54, 0)
    assert "pad" not in notes["operations"]


def test_damaged_package_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="not a Core ML package"):
        load_program(tmp_path / "model.mlpackage")
    package = tmp_path / "broken.mlpackage"
    package.mkdir()
    (package / "Manifest.json").write_text("{}")
    with pytest.raises(ArtifactError, match="cannot be read"):
        load_program(package)


def _op(name: str, **inputs: Any) -> SimpleNamespace:
    """A stand-in for one MIL operation whose inputs are all constants."""
    constants = {key: SimpleNamespace(name=f"c_{key}", val=value) for key, value in inputs.items()}
    output = SimpleNamespace(name="y", dtype=SimpleNamespace(__name__="fp32"))
    return SimpleNamespace(op_type=name, inputs=constants, outputs=[output])


def _program(op: SimpleNamespace) -> SimpleNamespace:
    return SimpleNamespace(operations=[op], outputs=op.outputs)


def test_unknown_operation_and_parameter_are_refused() -> None:
    with pytest.raises(StageError, match="operation 'lstm'"):
        run_function(_program(_op("lstm", x=np.zeros(2, np.float32))), {})
    with pytest.raises(StageError, match="does not know colour of the operation 'relu'"):
        run_function(_program(_op("relu", x=np.zeros(2, np.float32), colour=np.int32(1))), {})


def test_results_are_rounded_to_the_declared_type() -> None:
    op = _op("mul", x=np.float32([1.0]), y=np.float32([1.0001]))
    op.outputs[0].dtype = SimpleNamespace(__name__="fp16")
    assert run_function(_program(op), {})["y"].item() == 1.0


def test_a_program_answers_each_image_as_if_it_were_the_first() -> None:
    """What depends on constants is computed once, and no image may change it."""
    constant = SimpleNamespace(name="c", val=np.float32([[1.0, -2.0]]))
    inner = _op("mul", x=np.float32([[3.0, 0.5]]), y=np.float32([[2.0, 2.0]]))
    inner.outputs[0] = SimpleNamespace(name="folded", dtype=SimpleNamespace(__name__="fp32"))
    folded = SimpleNamespace(name="folded", val=None)
    image = SimpleNamespace(name="image", val=None)
    axis = SimpleNamespace(name="axis", val=np.int32(1))
    interleave = SimpleNamespace(name="interleave", val=np.bool_(False))
    outer = _op("concat")
    outer.inputs = {"values": (constant, image, folded), "axis": axis, "interleave": interleave}
    program = evaluator.Program(SimpleNamespace(operations=[inner, outer], outputs=outer.outputs))
    for value in (5.0, 7.0, 5.0):
        found = program.run({"image": torch.tensor([[value]])})["y"]
        assert found.tolist() == [[1.0, -2.0, value, 6.0, 1.0]]


RNG = np.random.default_rng(0)
X = RNG.normal(size=(1, 4, 6, 5)).astype(np.float32)


@pytest.mark.parametrize(
    ("amounts", "value", "own", "merged"),
    [
        ([0, 1, 0, 1], 0.0, 0, True),
        ([0, 0, 0, 0, 1, 2, 0, 1], 0.0, 0, True),
        ([0, 1, 0, 1], 1.0, 0, False),  # other values than a convolution pads with
        ([0, 0, 0, 1, 0, 1, 0, 1], 0.0, 0, False),  # another channel
        ([0, 1, 0, 1], 0.0, 1, False),  # the convolution pads already
    ],
)
def test_zero_padding_moves_into_the_convolution(
    amounts: list[int], value: float, own: int, merged: bool
) -> None:
    from coremltools.converters.mil.mil import Builder as mb
    from coremltools.converters.mil.mil.passes.pass_registry import PASS_REGISTRY

    channels = 4 + (sum(amounts[:4]) if len(amounts) == 8 else 0)
    weight = RNG.normal(size=(3, channels, 3, 3)).astype(np.float32)

    @mb.program(input_specs=[mb.TensorSpec(shape=X.shape)])
    def program(x: Any) -> Any:
        padded = mb.pad(x=x, pad=amounts, mode="constant", constant_val=np.float32(value))
        return mb.conv(
            x=padded, weight=weight, strides=[2, 2], pad_type="custom", pad=[own] * 4, name="y"
        )

    main = program.functions["main"]
    before = run_function(main, {"x": torch.from_numpy(X)})["y"]
    PASS_REGISTRY[register_padding_pass()](program)
    assert [op.op_type for op in main.operations if op.op_type != "const"] == (
        ["conv"] if merged else ["pad", "conv"]
    )
    torch.testing.assert_close(
        run_function(main, {"x": torch.from_numpy(X)})["y"], before, atol=0, rtol=0
    )
