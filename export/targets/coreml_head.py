"""A conversion pass for Core ML: weights lie in the package in their small form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from export.head_weights import require_packed_convolutions
from export.packed_matrix import FEWEST_VALUES, PackedMatrix, find_packed, round_to_levels

NAME = "gazeclip::store_packed"


def append_packing_pass(
    pipeline: Any, packed: Sequence[PackedMatrix], convolutions: bool
) -> list[str]:
    """Make the pass known to coremltools and the last one of `pipeline`.

    Every float32 constant that is one of `packed` is then stored small. int8 levels are expanded by
    `constexpr_affine_dequantize`, as the convolutions' weights are, half precision by
    `constexpr_cast`: Core ML does both when it loads a package. With `convolutions` their weights
    are stored in 8 bits too, where that pays.

    Returns:
        the names of the matrices that were found, once the conversion is over.
    """
    from coremltools.converters.mil.mil.passes.graph_pass import AbstractGraphPass
    from coremltools.converters.mil.mil.passes.pass_registry import PASS_REGISTRY, register_pass

    if NAME not in PASS_REGISTRY.passes:

        class store_packed(AbstractGraphPass):
            packed: Sequence[PackedMatrix] = ()
            found: Sequence[str] = ()
            convolutions: bool = False

            def apply(self, prog: Any) -> None:
                self.found.extend(_store_packed(prog, self.packed))  # type: ignore[attr-defined]
                if self.convolutions:
                    require_packed_convolutions(_store_convolutions(prog), "coreml w8")

        register_pass(namespace="gazeclip")(store_packed)
    found: list[str] = []
    pipeline.append_pass(NAME)
    options = {"packed": packed, "found": found, "convolutions": convolutions}
    pipeline.set_options(NAME, options)
    return found


def _store_packed(program: Any, packed: Sequence[PackedMatrix]) -> list[str]:
    found = []
    for function in program.functions.values():
        for operation in list(function.operations):
            if operation.op_type != "const":
                continue
            matrix = find_packed(packed, np.asarray(operation.outputs[0].val))
            if matrix is not None:
                _expand(operation, matrix)
                found.append(matrix.name)
    return found


def _store_convolutions(program: Any) -> list[str]:
    """The names of convolutions whose weights are no constants; the others' are stored."""
    constants = {}
    left = []
    for function in program.functions.values():
        for operation in list(function.operations):
            if operation.op_type != "conv":
                continue
            constant = operation.weight.op
            if constant is None or constant.op_type != "const":
                left.append(operation.name)
            elif operation.weight.val.size >= FEWEST_VALUES:
                constants[constant.name] = constant
    for name, constant in constants.items():
        weight = np.asarray(constant.outputs[0].val)  # (N, K / groups, H, W)
        _expand(constant, round_to_levels(name, weight))
    return left


def _expand(constant: Any, matrix: PackedMatrix) -> None:
    """Replace a constant by the operation that makes its values of the small ones."""
    from coremltools.converters.mil.mil import Builder as mb

    block = constant.enclosing_block
    place = {"name": f"{constant.name}_expanded", "before_op": constant}
    with block:
        if matrix.scale is None:
            expanded = mb.constexpr_cast(source_val=matrix.values, output_dtype="fp32", **place)
        else:
            expanded = mb.constexpr_affine_dequantize(
                quantized_data=matrix.values,
                zero_point=np.int8(0),
                scale=matrix.scale.reshape(-1),
                axis=np.int32(matrix.axis),
                **place,
            )
    block.replace_uses_of_var_after_op(
        anchor_op=constant, old_var=constant.outputs[0], new_var=expanded
    )
    block.remove_ops([constant])
