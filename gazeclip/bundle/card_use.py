"""What a model card says to whoever decides about using it: intended use, figures, limits.

All of it follows from bundle.json, so that a card cannot promise what its bundle does not say.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gazeclip.bundle.answers import KEY
from gazeclip.bundle.card_bank import list_bank_limits
from gazeclip.bundle.contents import OperatingPoint
from gazeclip.bundle.gate import KEY as GATE
from gazeclip.bundle.gate import explain_rejection, is_rejected
from gazeclip.bundle.layout import SHIPPED_POINT
from gazeclip.console.tables import Table, markdown_table
from gazeclip.images.crop_rule import CropRule
from gazeclip.scoring.thresholds import FAKE, INCONCLUSIVE, REAL
from gazeclip.taxonomy import UNKNOWN

_ONE_IMAGE = ("coreml", "tflite")  # their graphs take a batch of 1


def describe_use(meta: Mapping[str, Any]) -> str:
    """What it is meant for and what not, as two lists."""
    generators = [entry["title"] for entry in meta["classes"][1:]]
    kinds = sorted({entry["category"] for entry in meta["classes"][1:]} - {UNKNOWN})
    if not kinds:
        kinds = ["nobody said which"]
    return (
        "For:\n\n"
        "- a hint, on a phone or a gateway, whether the face in a picture may be forged, for a "
        "person who looks further\n"
        f"- forgeries of the kinds that it was trained on: {', '.join(kinds)} "
        f"({', '.join(generators)})\n\n"
        "Not for:\n\n"
        "- a decision about a person without anybody looking: refusing, accusing, or paying\n"
        "- proof that a picture is genuine: `real` means that it found nothing\n"
        "- recognising who somebody is, or what somebody feels or attends to"
    )


def tabulate_answers(meta: Mapping[str, Any]) -> str:
    """Per class, how the calibration images are answered at the shipped threshold."""
    counts = meta["metrics"].get(KEY)
    if not counts:
        return "Not counted when this bundle was made."
    rows = []
    for name, entry in counts.items():
        shares = [
            f"{100 * entry[answer] / entry['n']:.1f}%" for answer in (FAKE, INCONCLUSIVE, REAL)
        ]
        rows.append((name, str(entry["n"]), *shares))
    header = ("class", "images", "called fake", "inconclusive", "called real")
    about = (
        f"The calibration images at `{SHIPPED_POINT}`, by what they really are. The threshold was "
        "placed on these very images: the rates that it keeps are those of the next section, and "
        "what it does on others is in the report of its run."
    )
    return f"{about}\n\n{markdown_table(Table(header, rows))}"


def list_limits(meta: Mapping[str, Any]) -> str:
    """Limits that hold for every bundle, and those that its own figures show."""
    limits = [
        "A score is evidence, not proof: do not decide about a person on it alone.",
        "Generators, cameras and compression unlike the training data lower the accuracy.",
        "It judges one face; it neither finds faces nor recognises whom they belong to.",
        *_find_data_limits(meta),
        *_find_rate_limits(meta),
        *_find_file_limits(meta),
        *list_bank_limits(meta),
    ]
    return "\n".join(f"- {limit}" for limit in limits)


def _find_data_limits(meta: Mapping[str, Any]) -> list[str]:
    limits = []
    if meta["metrics"].get("images") == "rendered":
        limits.append(
            "It was trained and calibrated on faces that this program drew: its figures say "
            "nothing about photographs."
        )
    if CropRule.from_entry(meta["contract"]) is None:
        limits.append("How its training images were cut is not known.")
    return limits


def _find_rate_limits(meta: Mapping[str, Any]) -> list[str]:
    point = OperatingPoint.from_entry(SHIPPED_POINT, meta["thresholds"][SHIPPED_POINT])
    limits = []
    for what, n, bound, target in (
        ("false alarms", point.n_real, point.fpr_bound, point.target_fpr),
        ("misses", point.n_fake, point.miss_bound, point.target_miss),
    ):
        if bound is not None and target is not None and bound > target:
            limits.append(
                f"{n} persons are too few to show that {what} stay below {100 * target:g}%: "
                f"they show no more than {100 * bound:.2g}%."
            )
    return limits


def _find_file_limits(meta: Mapping[str, Any]) -> list[str]:
    limits = []
    if meta["target"] in _ONE_IMAGE:
        limits.append("The file takes one image at a time.")
    if is_rejected(meta):
        why = explain_rejection(meta)
        limits.append(f"REJECTED by the gate, and not to be used: {why}.")
    elif meta["precision"] != "fp32" and meta.get(GATE) is None:
        limits.append("Nobody compared how it judges with its fp32 twin.")
    return limits
