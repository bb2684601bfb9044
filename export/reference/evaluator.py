"""Run a saved Core ML package without a Mac.

Its ML Program is read back with its weights and computed by torch functions.

This is a reference, not an engine: it answers whether the file on disk says what the model says.
Each result is rounded to the type that the program declares for it; sums inside one operation are
float32. An operation or parameter that is not implemented is an error.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

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


def evaluate(
    package: Path, images: np.ndarray, others: Mapping[str, np.ndarray] | None = None
) -> dict[str, np.ndarray]:
    """The package's outputs for RGB images.

    Args:
        package: a `.mlpackage` folder.
        images: uint8 `(B, S, S, 3)`; they run one by one, as on the device.
        others: values of further inputs by name, the same for all images.

    Returns:
        output name to float32 `(B, ...)`.

    Raises:
        ArtifactError: the package cannot be read.
        StageError: it uses something that this evaluator does not know.
    """
    program = _prepare_program(Path(package).resolve(), _find_newest_ns(Path(package)))
    more = {name: torch.from_numpy(value) for name, value in (others or {}).items()}
    results = [program.run({INPUT_NAME: _to_pixel_tensor(image), **more}) for image in images]
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
    return _read_program(package.resolve(), _find_newest_ns(package))


def _find_newest_ns(package: Path) -> int:
    """When the newest of its files was written, which tells one package from its next version.

    Raises:
        ArtifactError: it is no package.
    """
    if not (package / "Manifest.json").is_file():
        raise ArtifactError(f"{package} is not a Core ML package", remedy=f"Run: {_rerun()}")
    # Only Data: opening a package rewrites Manifest.json.
    files = [file for file in (package / "Data").rglob("*") if file.is_file()]
    return max((file.stat().st_mtime_ns for file in files), default=0)


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


@functools.lru_cache(maxsize=2)
def _prepare_program(package: Path, newest: int) -> Program:
    return Program(_read_program(package, newest))


def run_function(function: Any, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """The outputs of one MIL function by name, for inputs by name.

    To evaluate it many times, prepare a `Program`.

    Raises:
        StageError: an unknown operation or parameter.
    """
    return Program(function).run(inputs)


class _Call(NamedTuple):
    """One operation, ready to run. An argument is a value, or the name of one known later."""

    function: Callable[..., Any]
    arguments: dict[str, Any]
    results: list[tuple[str, torch.dtype | None]]  # name, and the type it is rounded to


class _Later(NamedTuple):
    """An argument that depends on the inputs."""

    name: str


class Program:
    """One MIL function, to be evaluated many times.

    What depends on constants alone, most of it weights to dequantize, is computed once.

    Args:
        function: from `load_program`, or any `coremltools` MIL function.

    Raises:
        StageError: an unknown operation or parameter.
    """

    @torch.no_grad()
    def __init__(self, function: Any) -> None:
        self._constants: dict[str, Any] = {}
        self._calls: list[_Call] = []
        self._outputs = [variable.name for variable in function.outputs]
        for op in function.operations:
            if op.op_type == "const":
                self._constants[op.outputs[0].name] = _read_constant(op.outputs[0].val)
                continue
            call = self._prepare_call(op)
            if any(_depends_on_inputs(value) for value in call.arguments.values()):
                self._calls.append(call)
            else:
                _run_call(call, self._constants)

    @torch.no_grad()
    def run(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """The outputs by name, for inputs by name."""
        values = {**self._constants, **inputs}
        for call in self._calls:
            _run_call(call, values)
        return {name: values[name] for name in self._outputs}

    def _prepare_call(self, op: Any) -> _Call:
        function = OPERATIONS.get(op.op_type)
        if function is None:
            raise StageError(
                f"the Core ML evaluator does not know the operation '{op.op_type}'",
                remedy="Add it to a module of export/reference with a test",
            )
        arguments = {
            name: self._resolve_argument(item)
            for name, item in op.inputs.items()
            if item is not None
        }
        unknown = sorted(set(arguments) - set(inspect.signature(function).parameters))
        if unknown:
            raise StageError(
                f"the Core ML evaluator does not know {', '.join(unknown)} of the operation "
                f"'{op.op_type}'",
                remedy="Add it to a module of export/reference with a test",
            )
        results = [(out.name, _TYPES.get(out.dtype.__name__)) for out in op.outputs]
        return _Call(function, arguments, results)

    def _resolve_argument(self, item: Any) -> Any:
        if isinstance(item, (list, tuple)):
            return [self._resolve_argument(part) for part in item]
        if item.name in self._constants:
            return self._constants[item.name]
        # A variable without a value is an input, or comes of one.
        return _Later(item.name) if item.val is None else _read_constant(item.val)


def _depends_on_inputs(argument: Any) -> bool:
    if isinstance(argument, list):
        return any(_depends_on_inputs(part) for part in argument)
    return isinstance(argument, _Later)


def _run_call(call: _Call, values: dict[str, Any]) -> None:
    """Add the results of one operation to `values`, from which its arguments come."""
    arguments = {name: _look_up(argument, values) for name, argument in call.arguments.items()}
    found = call.function(**arguments)
    results = found if isinstance(found, tuple) else (found,)
    for (name, kind), result in zip(call.results, results, strict=True):
        # Rounded to the declared type, and computed with in float32 afterwards.
        values[name] = result if kind is None else result.to(kind).float()


def _look_up(argument: Any, values: dict[str, Any]) -> Any:
    if isinstance(argument, list):
        return [_look_up(part, values) for part in argument]
    return values[argument.name] if isinstance(argument, _Later) else argument


def _read_constant(value: Any) -> Any:
    """Constants as tensors (halves as float32), text as it is."""
    if isinstance(value, str):
        return value
    array = np.asarray(value)
    if array.dtype.kind in "US":
        return str(array)
    tensor = torch.from_numpy(np.array(array))
    return tensor.float() if tensor.is_floating_point() else tensor
