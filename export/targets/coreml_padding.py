"""A conversion pass for Core ML: zero padding moves into the convolution behind it.

Networks that come from TensorFlow (`tf_*` in timm) pad by one side only, which PyTorch's
convolution cannot, so that a trace holds a padding of its own. Standing between `dequantize` and
the convolution it keeps the two from becoming one integer operation; Core ML's convolution can pad
any side by itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np

NAME = "gazeclip::padding_into_convolution"


def register_padding_pass() -> str:
    """Make the pass known to coremltools; returns its name for a `PassPipeline`."""
    from coremltools.converters.mil.mil.passes.graph_pass import AbstractGraphPass
    from coremltools.converters.mil.mil.passes.pass_registry import PASS_REGISTRY, register_pass

    if NAME not in PASS_REGISTRY.passes:

        class padding_into_convolution(AbstractGraphPass):
            def apply(self, prog: Any) -> None:
                for function in prog.functions.values():
                    for operation in list(function.operations):
                        if operation.op_type == "conv":
                            _merge_padding(operation)

        register_pass(namespace="gazeclip")(padding_into_convolution)
    return NAME


def _merge_padding(convolution: Any) -> None:
    """Replace a padding and this convolution by one that pads, where that is the same."""
    from coremltools.converters.mil.mil import Builder as mb

    padding = convolution.x.op
    if (
        padding is None
        or padding.op_type != "pad"
        or not _pads_zeros_of_the_image(padding)
        or _has_padding(convolution)
    ):
        return
    block = convolution.enclosing_block
    inputs = {
        name: value
        for name, value in convolution.inputs.items()
        if value is not None and name not in ("x", "pad_type", "pad")
    }
    amounts = np.asarray(padding.pad.val)[-4:].astype(np.int32)  # top, bottom, left, right
    with block:
        merged = mb.conv(
            x=padding.x,
            pad_type="custom",
            pad=amounts,
            **inputs,
            name=convolution.name,
            before_op=convolution,
        )
    block.replace_uses_of_var_after_op(
        anchor_op=convolution, old_var=convolution.outputs[0], new_var=merged
    )
    unused = [convolution, *([padding] if padding.outputs[0].child_ops == [convolution] else [])]
    block.remove_ops(unused)


def _pads_zeros_of_the_image(padding: Any) -> bool:
    """Zeros, at known places, and not along batch or channels."""
    if padding.pad.val is None or padding.mode.val != "constant":
        return False
    value = padding.constant_val.val if padding.constant_val is not None else 0.0
    return (
        float(value) == 0.0
        and padding.x.rank == 4
        and len(padding.pad.val) >= 4
        and not np.any(padding.pad.val[:-4])
    )


def _has_padding(convolution: Any) -> bool:
    kind = convolution.pad_type.val
    return kind != "valid" and not (kind == "custom" and not np.any(convolution.pad.val))
