"""What the forensic gate said of a bundle's file, and who may use one that it refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gazeclip.bundle.values import is_count, is_number
from gazeclip.errors import BundleError, GateError

KEY = "gate"  # of bundle.json
_DROP_KEYS = {"figure", "before", "after", "limit", "outcome", "generator"}
_KEYS = {"outcome", "accepted", "agreement", "split", "n_real", "n_fake", "twin", "drops"}


def find_gate_faults(meta: Mapping[str, Any]) -> list[str]:
    """Faults of the entry; a bundle without one is older, or of fp32, or was not judged."""
    entry = meta.get(KEY)
    if entry is None:
        return []
    if not isinstance(entry, dict) or set(entry) != _KEYS:
        return [f"'{KEY}' needs exactly {', '.join(sorted(_KEYS))}"]
    drops = entry["drops"]
    if not isinstance(entry["accepted"], bool) or not isinstance(drops, list):
        return [f"'{KEY}' has the wrong types"]
    if any(not isinstance(drop, dict) or not set(drop) >= _DROP_KEYS for drop in drops):
        return [f"each drop of '{KEY}' needs {', '.join(sorted(_DROP_KEYS))}"]
    counted = is_count(entry["n_real"]) and is_count(entry["n_fake"])
    if not (counted and isinstance(entry["outcome"], str) and all(map(_is_drop, drops))):
        return [f"a value of '{KEY}' has the wrong type"]
    return []


def _is_drop(drop: Mapping[str, Any]) -> bool:
    """Whether `describe_drop` can tell it."""
    texts = [drop["figure"], drop["outcome"]]
    if drop["generator"] is not None:
        texts.append(drop["generator"])
    figures = [drop[key] for key in ("before", "after") if drop[key] is not None]
    figures.append(drop["limit"])
    return all(isinstance(text, str) for text in texts) and all(map(is_number, figures))


def is_rejected(meta: Mapping[str, Any]) -> bool:
    """Whether the gate refused the file of this bundle.json."""
    entry = meta.get(KEY)
    return entry is not None and not entry["accepted"]


def explain_rejection(meta: Mapping[str, Any]) -> str:
    """One sentence of why; only of a rejected bundle."""
    entry = meta[KEY]
    drops = [drop for drop in entry["drops"] if drop["outcome"] == entry["outcome"]]
    figures = ", ".join(describe_drop(drop) for drop in drops)
    if entry["outcome"] == "fail":
        return f"it judges worse than its fp32 twin: {figures}"
    n = entry["n_real"] + entry["n_fake"]
    return f"{n} images of val cannot tell whether it judges as its fp32 twin does: {figures}"


def describe_drop(drop: Mapping[str, Any]) -> str:
    """A drop in a few words, from its JSON values."""
    name = drop["figure"] if drop["generator"] is None else f"AUC of {drop['generator']}"
    before, after = (
        "unknown" if drop[key] is None else f"{drop[key]:.3f}" for key in ("before", "after")
    )
    return f"{name} {before} -> {after} (allowed {drop['limit']:g})"


def refuse_rejected(folder: Path, meta: Mapping[str, Any]) -> None:
    """Refuse to run the file of this bundle.json if the gate refused it.

    Raises:
        BundleError: it did.
    """
    if is_rejected(meta):
        raise BundleError(
            f"bundle {folder} was rejected when it was exported: {explain_rejection(meta)}",
            remedy="Export a better one (docs/gate.md), use its fp32 twin, or force it: "
            "--allow-rejected, runtimes.load(..., allow_rejected=True)",
        )


def refuse_rejected_ones(rejected: Sequence[tuple[Path, Mapping[str, Any]]]) -> None:
    """Refuse bundles of which nothing is wrong but that the gate refused their files.

    Args:
        rejected: folder and bundle.json of each; only rejected ones.

    Raises:
        GateError: there are any.
    """
    if rejected:
        told = [f"{folder} ({explain_rejection(meta)})" for folder, meta in rejected]
        raise GateError(
            f"the gate rejected {'; '.join(told)}",
            remedy="Export a better one (docs/gate.md), use its fp32 twin, or take it all the "
            "same: --allow-rejected",
        )
