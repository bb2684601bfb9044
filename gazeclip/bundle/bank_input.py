"""The entry `text_bank` of bundle.json: a model that takes the rows of its classes as an input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gazeclip.bundle.contents import BankInput
from gazeclip.bundle.layout import BANK_SCHEMA


def read_bank_input(meta: Mapping[str, Any]) -> BankInput | None:
    """The model's input for the text bank; None: its classes are part of it."""
    entry = meta.get("text_bank")
    return None if entry is None else BankInput(entry["name"], entry["rows"])


def find_bank_faults(meta: Mapping[str, Any]) -> list[str]:
    """What is wrong with the entry of a model that takes its classes from outside."""
    entry = meta.get("text_bank")
    if meta["schema"] != BANK_SCHEMA:
        return [] if entry is None else ["only schema 3 has an entry 'text_bank'"]
    if not isinstance(entry, dict) or set(entry) != {"name", "rows"}:
        return ["the entry 'text_bank' needs exactly name, rows"]
    faults = []
    if not isinstance(entry["name"], str):
        faults.append("the input of the text bank has no name")
    rows = entry["rows"]
    if rows is not None and not (type(rows) is int and rows >= len(meta["classes"])):
        faults.append(f"the text bank has {rows!r} rows for {len(meta['classes'])} classes")
    # Classes may change then, and evidence must not: only the fake logit does not know them.
    weights = meta["evidence"].get("weights")
    if not isinstance(weights, dict) or set(weights) != {"detection"}:
        faults.append("its classes may change, so its evidence may only weigh 'detection'")
    return faults
