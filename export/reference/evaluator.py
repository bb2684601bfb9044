"""Run a saved Core ML package without a Mac.

Its ML Program is read back with its weights and computed by torch functions.

This is a reference, not an engine: it answers whether the file on disk says what the model says.
Each result is rounded to the type that the program declares for it; sums inside one operation are
float32. An operation or parameter that is not implemented is an error.
"""

from __future__ import annotations

import functools
import inspect
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from export.quiet import quiet
from export.reference.operations import OPERATIONS
from gazeclip.bundle.layout import INPUT_NAME
from gazeclip.errors import ArtifactError, StageError
from gazeclip.system.packages import require
from gazeclip.system.place import command_line

_TYPES = {"fp16": torch.float16, "fp32": torch.float32}


def evaluate(package: Path, images: np.ndarray) -> dict[str, np.ndarray]:
    """The package's outputs for RGB images.

    Args:
        package: a `.mlpackage` folder.
        images: uint8 `(B, S, S, 3)`; they run one by one, as on the device.

    Returns:
        output name to float32 `(B, ...)`.

    Raises:
        ArtifactError: the package cannot be read.
        StageError: it uses something that this evaluator does not know.
    """
    program = load_program(Path(package))
    results = [run_function(program, {INPUT_NAME: _to_pixel_tensor(image)}) for image in images]
    return {
        name: np.concatenate([result[name].float().numpy() for result in results])
        for name in results[0]
    }


def _to_pixel_tensor(image: np.ndarray) -> Tensor:
    """What Core ML passes for an RGB `ImageType`: values 0..255 as float `(1, 3, S, S)`."""
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float()


def load_program(package: Path) -> Any:
    """The main function of a package, with weights.

    Raises:
        ArtifactError: it is missing, damaged or no ML Program.
    """
    marker = package / "Manifest.json"
    if not marker.is_file():
        raise ArtifactError(f"{package} is not a Core ML package", remedy=f"Run: {_rerun()}")
    newest = max(file.stat().st_mtime_ns for file in package.rglob("*") if file.is_file())
    return _read_program(package.resolve(), newest)


def _rerun() -> str:
    return command_line("export", "--target", "coreml")


@functools.lru_cache(maxsize=2)
def _read_program(package: Path, _newest: int) -> Any:
    with quiet(native=True):
        ct = require("coremltools", extra="coreml")
        from coremltools.converters.mil.frontend.milproto.load import load

        try:
            model = ct.models.MLModel(str(package), skip_model_load=True)
            spec = model.get_spec()
            program = load(
                spec,
                specification_version=spec.specificationVersion,
                file_weights_dir=model.weights_dir,
            )
        except Exception as error:  # whatever coremltools raises on a damaged package
            detail = (str(error).splitlines() or [type(error).__name__])[0]
            raise ArtifactError(
                f"{package} cannot be read ({detail})",
                remedy=f"Run: {_rerun()}",
            ) from error
    return program.functions["main"]


@torch.no_grad()
def run_function(function: Any, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Evaluate one MIL function.

    Args:
        function: from `load_program`, or any `coremltools` MIL function.
        inputs: by name.

    Raises:
        StageError: an unknown operation or parameter.
    """
    values: dict[str, Any] = dict(inputs)
    for op in function.operations:
        if op.op_type == "const":
            values[op.outputs[0].name] = _read_constant(op.outputs[0].val)
            continue
        results = _call_operation(op, values)
        for variable, result in zip(op.outputs, results, strict=True):
            kind = _TYPES.get(variable.dtype.__name__)
            # Rounded to the declared type, and computed with in float32 afterwards.
            values[variable.name] = result if kind is None else result.to(kind).float()
    return {variable.name: values[variable.name] for variable in function.outputs}


def _call_operation(op: Any, values: dict[str, Any]) -> tuple[Any, ...]:
    function = OPERATIONS.get(op.op_type)
    if function is None:
        raise StageError(
            f"the Core ML evaluator does not know the operation '{op.op_type}'",
            remedy="Add it to export/reference/operations.py with a test",
        )
    arguments = {
        name: _resolve_argument(item, values)
        for name, item in op.inputs.items()
        if item is not None
    }
    unknown = sorted(set(arguments) - set(inspect.signature(function).parameters))
    if unknown:
        raise StageError(
            f"the Core ML evaluator does not know {', '.join(unknown)} of the operation "
            f"'{op.op_type}'",
            remedy="Add it to export/reference/operations.py with a test",
        )
    result = function(**arguments)
    return result if isinstance(result, tuple) else (result,)


def _resolve_argument(item: Any, values: dict[str, Any]) -> Any:
    if isinstance(item, (list, tuple)):
        return [_resolve_argument(part, values) for part in item]
    return values[item.name] if item.name in values else _read_constant(item.val)


def _read_constant(value: Any) -> Any:
    """Constants as tensors (halves as float32), text as it is."""
    if isinstance(value, str):
        return value
    array = np.asarray(value)
    if array.dtype.kind in "US":
        return str(array)
    tensor = torch.from_numpy(np.array(array))
    return tensor.float() if tensor.is_floating_point() else tensor
