"""How much work one pass of a network is: multiplications, values moved, weights read.

What is counted are the products of convolutions, matrices and attention, wherever in a module they
are made: they are watched as PyTorch dispatches them. Sums, norms and activations are left out, as
is usual.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_BYTES = {"fp32": 4, "fp16": 2, "int8": 1}
_OPERATIONS = torch.ops.aten


@dataclass(frozen=True)
class Work:
    """One pass.

    Attributes:
        macs: multiplications, each with its addition.
        weights: values of the parameters that are read.
        ends: values of the input and of the outputs.
        moved: values that go into and come out of all counted operations, weights among them: what
            is moved where nothing stays in a cache between two layers.
    """

    macs: int
    weights: int
    ends: int
    moved: int

    def count_least_bytes(self, precision: str) -> int:
        """What no execution can do without: weights, input and outputs once."""
        return (self.weights + self.ends) * _BYTES[precision]

    def count_moved_bytes(self, precision: str) -> int:
        """What layers move that share nothing."""
        return self.moved * _BYTES[precision]


def count_work(network: nn.Module, example: Tensor) -> Work:
    """Watch one pass over `example`."""
    watch = _Watch(network)
    with torch.no_grad(), _take_steps_apart(), watch:
        output = network(example)
    ends = example.numel() + sum(leaf.numel() for leaf in _list_tensors(output))
    return Work(watch.macs, sum(watch.read.values()), ends, watch.moved)


@contextmanager
def _take_steps_apart() -> Iterator[None]:
    """Attention layers otherwise go through one operation of their own in eval mode."""
    enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(enabled)


class _Watch(TorchDispatchMode):
    """Adds up what the operations of one pass do."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.macs = 0
        self.moved = 0
        self.read: dict[int, int] = {}  # parameters that were read, by where they lie
        # Views of a parameter, such as a transposed one, lie in the same storage.
        self._sizes = {_find_place(value): value.numel() for value in network.parameters()}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        output = func(*args, **(kwargs or {}))
        given = _list_tensors((args, kwargs))
        for value in given:
            place = _find_place(value)
            if place in self._sizes:
                self.read[place] = self._sizes[place]
        rule = _RULES.get(func.overloadpacket)
        if rule is not None:
            made = _list_tensors(output)[0]
            self.macs += rule(args, made)
            self.moved += made.numel() + sum(value.numel() for value in given)
        return output


def _list_tensors(value: Any) -> Sequence[Tensor]:
    """Those inside nested arguments."""
    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor)]


def _find_place(value: Tensor) -> int:
    return int(value.untyped_storage().data_ptr())


def _count_convolution(args: Sequence[Any], made: Tensor) -> int:
    """Every output value is a sum over one filter, `(Cout, Cin / groups, kh, kw)`."""
    filters: Tensor = args[1]
    return made.numel() * filters[0].numel()


def _count_product(place: int) -> Callable[[Sequence[Any], Tensor], int]:
    """Every output value is a sum over the last axis of argument `place`."""
    return lambda args, made: made.numel() * int(args[place].shape[-1])


def _count_attention(args: Sequence[Any], made: Tensor) -> int:
    """Queries `(B, H, L, E)` times keys `(B, H, S, E)`, then their weights times the values."""
    query: Tensor = args[0]
    key: Tensor = args[1]
    value: Tensor = args[2]
    pairs = query.numel() // query.shape[-1] * key.shape[-2]
    return pairs * (query.shape[-1] + value.shape[-1])


_RULES: dict[Any, Callable[[Sequence[Any], Tensor], int]] = {
    _OPERATIONS.convolution: _count_convolution,
    _OPERATIONS.mm: _count_product(0),
    _OPERATIONS.bmm: _count_product(0),
    _OPERATIONS.addmm: _count_product(1),
    _OPERATIONS.baddbmm: _count_product(1),
    _OPERATIONS._scaled_dot_product_flash_attention_for_cpu: _count_attention,
}
