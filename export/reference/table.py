"""The table of operations that the modules here fill, and what they share.

Source: the operation reference of coremltools (`converters/mil/mil/ops/defs`). The functions'
defaults are those that MIL gives them. Tensors are float32 or integers here; the evaluator rounds
each result to the type that the program declares. A parameter that a function does not name is one
that it does not implement, and the evaluator refuses the program.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

Operation = Callable[..., Any]
OPERATIONS: dict[str, Operation] = {}


def register_operation(function: Operation) -> Operation:
    """Enter a function under its own name, as MIL calls it."""
    OPERATIONS[function.__name__] = function
    return function


def read_ints(value: Tensor | Sequence[int] | int) -> list[int]:
    """The elements of a tensor of any shape as whole numbers."""
    return [int(item) for item in torch.as_tensor(value).flatten()]
