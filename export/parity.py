"""Is the exported file still the model? Its outputs in its engine against those of PyTorch.

The bounds are part of the code, stated in every bundle, and an export that misses one is never
moved to its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gazeclip.errors import StageError
from gazeclip.scoring.metrics import sigmoid, softmax
from gazeclip.system.place import command_line

Outputs = dict[str, np.ndarray]


@dataclass(frozen=True)
class Bounds:
    """What a precision must keep against the PyTorch model of the same precision.

    For INT8 that is the fake-quantized one.
    """

    embedding_cosine_min: float
    prob_max_abs: float
    prob_mean_abs: float
    sign_agreement: float
    gaze_max_abs_rad: float


# fp32: the same arithmetic in another order. fp16: eleven bits of mantissa through some fifty
# layers. w8: as fp32, but for the head's matrices, which are rounded in the file only. int8:
# engines round a value that lies between two steps either way, and the difference of one step
# travels on; a single image near the threshold moves far. Worst of four engines on the students of
# the recipes: cosine 0.995, probability 0.16 on one image and 0.01 in the mean, one
# verdict of 72. A layer that is really broken misses the mean first.
BOUNDS = {
    "fp32": Bounds(0.9999, 2e-3, 2e-4, 0.99, 2e-3),
    "fp16": Bounds(0.999, 2e-2, 2e-3, 0.98, 1e-2),
    "w8": Bounds(0.999, 2e-2, 2e-3, 0.98, 1e-2),
    "int8": Bounds(0.98, 0.25, 0.03, 0.95, 0.1),
}
# Of the convolutions of an int8 file; LiteRT leaves those in float that have no quantizer after
# them: the one behind the pooling and the one over all places.
INTEGER_SHARE = 0.9


def compare_outputs(reference: Outputs, exported: Outputs) -> dict[str, float]:
    """Parity figures over N images.

    Both hold `embedding (N, D)`, `logits (N, C)`, `fake_logit (N, 1)` and `gaze (N, 2)`.
    """
    # In float64, so that the figures are those of the files and not of this sum.
    a = reference["embedding"].astype(np.float64)
    b = exported["embedding"].astype(np.float64)
    cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    # Probabilities at temperature 1: the bundle's own are fitted only after this has passed.
    fake_a = sigmoid(reference["fake_logit"][:, 0])
    fake_b = sigmoid(exported["fake_logit"][:, 0])
    classes = np.abs(softmax(reference["logits"]) - softmax(exported["logits"]))
    return {
        "embedding_cosine_min": float(cosine.min()),
        "embedding_cosine_mean": float(cosine.mean()),
        # np.maximum keeps a NaN, which the bounds then refuse; max() would drop it.
        "prob_max_abs": float(np.maximum(np.abs(fake_a - fake_b).max(), classes.max())),
        "prob_mean_abs": float(np.abs(fake_a - fake_b).mean()),
        "gaze_max_abs_rad": float(np.abs(reference["gaze"] - exported["gaze"]).max()),
        "sign_agreement": float(((fake_a >= 0.5) == (fake_b >= 0.5)).mean()),
        "images": len(a),
    }


def require_parity(figures: dict[str, float], precision: str, what: str) -> None:
    """Refuse an export that drifted.

    Raises:
        StageError: naming each bound that is missed, with its figure.
    """
    bounds = BOUNDS[precision]
    faults = []
    # `not a >= b` rather than `a < b`: a NaN must not pass.
    if not figures["embedding_cosine_min"] >= bounds.embedding_cosine_min:
        found = figures["embedding_cosine_min"]
        faults.append(f"embedding cosine {found:.5f} < {bounds.embedding_cosine_min}")
    if not figures["prob_max_abs"] <= bounds.prob_max_abs:
        faults.append(f"probability error {figures['prob_max_abs']:.4f} > {bounds.prob_max_abs}")
    if not figures["prob_mean_abs"] <= bounds.prob_mean_abs:
        faults.append(
            f"mean probability error {figures['prob_mean_abs']:.4f} > {bounds.prob_mean_abs}"
        )
    if not figures["sign_agreement"] >= bounds.sign_agreement:
        faults.append(
            f"agreement of signs {figures['sign_agreement']:.4f} < {bounds.sign_agreement}"
        )
    if not figures["gaze_max_abs_rad"] <= bounds.gaze_max_abs_rad:
        faults.append(
            f"gaze error {figures['gaze_max_abs_rad']:.4f} rad > {bounds.gaze_max_abs_rad}"
        )
    if faults:
        raise StageError(
            f"{what} differs from PyTorch: {'; '.join(faults)}",
            remedy="Nothing was written; please report the backbone and versions",
        )


def is_integer(notes: Mapping[str, Any], convolutions: int) -> bool:
    """Whether `INTEGER_SHARE` of the convolutions with quantizers are integer ones in a file."""
    return int(notes["quantized_convolutions"]) >= INTEGER_SHARE * convolutions


def require_integer(notes: Mapping[str, Any], convolutions: int, what: str) -> None:
    """Refuse an int8 file whose convolutions compute in float.

    It would be right to the last digit, and neither small nor fast.

    Raises:
        StageError: fewer than `INTEGER_SHARE` of the convolutions are integer ones.
    """
    if not is_integer(notes, convolutions):
        facts = [f"{notes['quantized_convolutions']} of {convolutions}"]
        readers: Mapping[str, int] = notes.get("float_readers", {})
        facts += [f"{name} takes floats of {count}" for name, count in readers.items()]
        facts += [f"such as {name}" for name in notes.get("float_layers", ())[:1]]
        raise StageError(
            f"{what}: too few convolutions are integer ones after conversion ({'; '.join(facts)})",
            remedy=f"Install the pinned versions ({command_line('doctor')}), "
            "or export this student as w8",
        )
