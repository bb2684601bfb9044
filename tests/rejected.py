"""Bundles that the forensic gate refused: what it writes, and such a bundle around the network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from gazeclip.bundle.contents import BundleContents
from gazeclip.bundle.write import write_bundle

DROP = {
    "figure": "tpr",
    "before": 0.9,
    "after": 0.5,
    "drop": 0.4,
    "low": 0.3,
    "high": 0.5,
    "limit": 0.03,
    "outcome": "fail",
    "images": 100,
    "enough": None,
    "generator": None,
}


def build_entry(**changes: Any) -> dict[str, Any]:
    """The gate's entry in bundle.json; by default of a file that it refused."""
    entry = {
        "outcome": "fail",
        "accepted": False,
        "agreement": 0.9,
        "split": "val",
        "n_real": 50,
        "n_fake": 100,
        "twin": "0" * 64,
        "drops": [DROP],
    }
    return {**entry, **changes}


def reject_bundle(folder: Path, contents: BundleContents) -> None:
    """Write a bundle anew, as one whose file the gate refused."""
    write_bundle(folder, replace(contents, gate=build_entry()))
