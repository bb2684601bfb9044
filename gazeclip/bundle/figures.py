"""The figures in bundle.json that verdicts and the self-test are made with."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from gazeclip.bundle.contents import OperatingPoint
from gazeclip.bundle.layout import OUTPUTS, SHIPPED_POINT
from gazeclip.bundle.values import is_count, is_number, is_pair
from gazeclip.scoring.evidence import SCORES

_POINT_KEYS = {field.name for field in dataclasses.fields(OperatingPoint)} - {"name"}


def find_figure_faults(meta: Mapping[str, Any]) -> list[str]:
    """What is wrong with temperature, evidence, thresholds and the bounds of the self-test.

    Args:
        meta: bundle.json, in which these are objects.
    """
    faults = []
    for name, value in {"attribution": None, **meta["temperature"]}.items():
        if not is_number(value) or value <= 0:
            faults.append(f"temperature of {name} is {value!r}, not a number above 0")
    faults += _evidence_faults(meta["evidence"])
    if SHIPPED_POINT not in meta["thresholds"]:
        faults.append(f"it has no operating point '{SHIPPED_POINT}'")
    for name, entry in meta["thresholds"].items():
        faults += _threshold_faults(name, entry)
    return faults + _golden_faults(meta["golden"])


def _golden_faults(entry: Mapping[str, Any]) -> list[str]:
    faults = []
    count = entry.get("n")
    if not is_count(count) or count < 1:
        faults.append(f"n of golden is {count!r}, not a number of at least 1")
    tolerance = entry.get("tolerance", {})
    if not isinstance(tolerance, dict):
        return [*faults, "tolerance of golden is not an object"]
    for name, value in {**dict.fromkeys(OUTPUTS), **tolerance}.items():
        if not is_number(value) or value < 0:
            faults.append(f"golden tolerance of {name} is {value!r}, not a number of at least 0")
    return faults


def _evidence_faults(entry: Mapping[str, Any]) -> list[str]:
    weights = entry.get("weights")
    if not isinstance(weights, dict) or not weights or not set(weights) <= set(SCORES):
        return [f"evidence needs weights of some of {', '.join(SCORES)}"]
    faults = [
        f"evidence weight of {name} is {value!r}, not a number of at least 0"
        for name, value in weights.items()
        if not is_number(value) or value < 0
    ]
    if not is_number(entry.get("bias")):
        faults.append(f"evidence bias is {entry.get('bias')!r}, not a number")
    limits = entry.get("limits")
    if not is_pair(limits) or not limits[0] < limits[1]:
        faults.append(f"evidence limits are {limits!r}, not two rising numbers")
    return faults


def _threshold_faults(name: str, entry: object) -> list[str]:
    if not isinstance(entry, dict) or set(entry) != _POINT_KEYS:
        return [f"threshold '{name}' needs exactly {', '.join(sorted(_POINT_KEYS))}"]
    faults = []
    for key in ("fake_from", "real_below"):
        if not is_number(entry[key]):
            faults.append(f"{key} of threshold '{name}' is {entry[key]!r}, not a number")
    if not faults and entry["real_below"] > entry["fake_from"]:
        faults.append(f"real_below of threshold '{name}' is above its fake_from")
    for key in ("target_fpr", "target_miss", "fpr_bound", "miss_bound"):
        value = entry[key]
        if value is not None and not (is_number(value) and 0 <= value <= 1):
            faults.append(f"{key} of threshold '{name}' is {value!r}, not a rate or null")
    for key in ("n_real", "n_fake"):
        if not isinstance(entry[key], int | None) or isinstance(entry[key], bool):
            faults.append(f"{key} of threshold '{name}' is {entry[key]!r}, not a count or null")
    return faults
