"""Which of the teacher's parameters are gates, which decay, and how fast each of them learns."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from torch import nn

# Scalars that start at 0: gamma and beta open a path, the level weights leave an even mix. Adam
# moves each by about the learning rate per step, and in a few hundred steps at the rate of the
# matrices none gets anywhere: hence `TeacherConfig.gate_lr_scale`.
_GATES = ("vpe.gamma", ".beta", "lre.level_weights")
# Of positions, tokens and queries: these are no maps, and pulling them to 0 means nothing.
_TABLES = (
    "positions",
    "positional_embedding",
    "class_embedding",
    "queries",
    "offsets",
    "cls",
    "token_embedding.weight",
)


@dataclass(frozen=True)
class Rates:
    """The learning rate, and by what it is multiplied for pretrained weights and for gates."""

    lr: float
    pretrained_scale: float
    gate_scale: float


def is_gate(name: str) -> bool:
    """Whether the parameter of this name is a scalar that starts at 0 and opens a path."""
    return name.endswith(_GATES)


def group_parameters(
    named: Iterable[tuple[str, nn.Parameter]],
    pretrained: Collection[nn.Parameter],
    rates: Rates,
    weight_decay: float,
) -> list[dict[str, Any]]:
    """Optimizer groups of what is trainable among `named`, one per learning rate and decay.

    Maps between features decay; biases, gains, gates and tables do not.
    """
    pretrained_ids = {id(parameter) for parameter in pretrained}
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in named:
        if not parameter.requires_grad:
            continue
        scale = 1.0
        if is_gate(name):
            scale = rates.gate_scale
        elif id(parameter) in pretrained_ids:
            scale = rates.pretrained_scale
        key = (rates.lr * scale, _is_map(name, parameter))
        groups.setdefault(key, []).append(parameter)
    return [
        {"params": found, "lr": rate, "weight_decay": weight_decay if decays else 0.0}
        for (rate, decays), found in groups.items()
    ]


def _is_map(name: str, parameter: nn.Parameter) -> bool:
    is_table = any(part in _TABLES for part in name.split(".")) or name.endswith(_TABLES)
    return parameter.dim() > 1 and not is_table and not name.endswith("bias")
