"""What a model card says of a text bank: where classes come from, and who answers for them.

Of a bundle whose classes are part of its model there is nothing to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gazeclip.bundle.bank_input import read_bank_input
from gazeclip.bundle.layout import TEXT_BANK


def describe_bank_input(meta: Mapping[str, Any]) -> str:
    """The second input with its shape, and what is padded; empty where there is none."""
    port = read_bank_input(meta)
    if port is None:
        return ""
    rows = "K"
    padding = "any number K of them"
    if port.rows is not None:
        rows = str(port.rows)
        padding = f"always {rows} of them: K rows of classes, and zeros below"
    return (
        f"Beside it the text bank, `{port.name}`, float32 `({rows}, {meta['embedding_dim']})`: one "
        f"row for each class, in the order of its classes, `real` first; {padding}. "
        f"`{TEXT_BANK}` is the bundle's own."
    )


def describe_logits(meta: Mapping[str, Any]) -> str:
    """The output with its shape, and which of it counts."""
    port = read_bank_input(meta)
    if port is None:
        return f"`logits (B, {len(meta['classes'])})`"
    if port.rows is None:
        return "`logits (B, K)`"
    return f"`logits (B, {port.rows})`, of which the first K count"


def tell_whose_classes(meta: Mapping[str, Any]) -> str:
    """Whose the listed classes are; empty where they are part of the model."""
    if read_bank_input(meta) is None:
        return ""
    return (
        f"Those of the bundle's own bank, `{TEXT_BANK}`, which its hashes and its signature cover. "
        "Another bank brings its own classes and says itself whose they are: neither covers it, "
        "and whoever can replace it can rename what a forgery is attributed to. It changes "
        "nothing else: `fake_logit`, evidence and verdict do not depend on it."
    )


def list_bank_limits(meta: Mapping[str, Any]) -> list[str]:
    """What a bank cannot do."""
    if read_bank_input(meta) is None:
        return []
    return [
        "A class that a text bank adds was never trained on: nothing here says how often it is "
        "the right answer."
    ]
