"""What a subject's gaze is worth: against the teacher's, against labels, beside a constant.

A head that says the same of every face can have a small error, because most faces look into the
camera. It is worth something only where it errs less than the best constant does.

    compare_gaze(gaze, reference, clusters)["beats_constant"]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gazeclip.scoring import metrics
from gazeclip.scoring.angles import build_vectors, measure_errors

if TYPE_CHECKING:
    from benchmarks.measure.judge import Judged
    from gazeclip.run.context import Context
    from gazeclip.scoring.outputs import SplitOutputs

TEACHER = "teacher"
LABELS = "labels"
REFERENCES = (TEACHER, LABELS)
FIGURES = (
    "n",
    "error_deg",
    "pearson_pitch",
    "pearson_yaw",
    "constant_deg",
    "constant_error_deg",
    "gain_deg",
    "gain_deg_interval",
    "beats_constant",
)
NO_GAZE = "the subject gives no gaze"
STEPS = 500
CLOSE = 1e-9  # radians: a step of this size moves no figure that anybody reads
STILL = 1e-9  # radians: the standard deviation of an angle that does not move


@dataclass(frozen=True)
class Reference:
    """What gaze is compared with: `angles (N, 2)` in radians, NaN where unknown; or why not."""

    angles: np.ndarray | None
    missing: str = ""


def find_best_constant(angles: np.ndarray) -> np.ndarray:
    """The one gaze `(2,)` whose mean angular error to `angles (N, 2)` is the smallest, in radians.

    The geometric median on the sphere (Fletcher et al. 2009, DOI 10.1016/j.neuroimage.2008.10.052),
    by Weiszfeld's steps from the mean vector. The mean itself would be beaten by a head that learnt
    no more than the median.
    """
    vectors = build_vectors(angles)  # (N, 3)
    point = vectors.mean(axis=0)
    length = np.linalg.norm(point)
    point = point / length if length > CLOSE else vectors[0]
    for _ in range(STEPS):
        cosine = vectors @ point
        across = vectors - cosine[:, None] * point  # of every gaze the part at right angles
        sine = np.linalg.norm(across, axis=1)
        away = np.arctan2(sine, cosine)
        # Directions of length one, pulled on by all gazes alike; one that lies here does not pull.
        directions = across / np.maximum(sine, CLOSE)[:, None]
        weights = 1.0 / np.maximum(away, CLOSE)
        step = directions.sum(axis=0) / weights.sum()
        size = np.linalg.norm(step)
        if size < CLOSE:
            break
        point = np.cos(size) * point + np.sin(size) * step / size
        point /= np.linalg.norm(point)
    return np.array([-np.arcsin(np.clip(point[1], -1, 1)), np.arctan2(-point[0], -point[2])])


def correlate(first: np.ndarray, second: np.ndarray) -> float | None:
    """Pearson's correlation of `(N,)` and `(N,)`; None where one of them does not move."""
    a = first - first.mean()
    b = second - second.mean()
    if min(a.std(), b.std()) < STILL:
        return None
    return float((a @ b) / np.sqrt((a @ a) * (b @ b)))


def compare_gaze(
    gaze: np.ndarray,
    reference: np.ndarray,
    clusters: np.ndarray | None = None,
    *,
    bootstrap: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Error and correlation of a subject's gaze, and how much less it errs than the best constant.

    The constant is fitted on the reference of these very images, which favours it: no constant
    does better on them. `gain_deg` is its mean error less the subject's. `beats_constant` says
    whether the 95% interval of that lies above zero; without intervals, whether the gain does.

    Args:
        gaze: `(N, 2)` pitch and yaw in radians.
        reference: `(N, 2)`; rows that hold NaN are left out.
        clusters: `(N,)` persons, drawn together (None: each image by itself).
        bootstrap: resamplings for the interval; 0 for none.
    """
    known = np.isfinite(reference).all(axis=1)
    if not known.any():
        return explain_missing("no image of the split has a gaze to compare with")
    mine = np.asarray(gaze, dtype=np.float64)[known]
    theirs = np.asarray(reference, dtype=np.float64)[known]
    persons = np.arange(len(mine)) if clusters is None else clusters[known]
    constant = find_best_constant(theirs)
    errors = measure_errors(mine, theirs)
    constant_errors = measure_errors(constant[None], theirs)
    gains = constant_errors - errors
    found: dict[str, Any] = {
        "n": len(mine),
        "error_deg": float(errors.mean()),
        "pearson_pitch": correlate(mine[:, 0], theirs[:, 0]),
        "pearson_yaw": correlate(mine[:, 1], theirs[:, 1]),
        "constant_deg": np.rad2deg(constant).tolist(),
        "constant_error_deg": float(constant_errors.mean()),
        "gain_deg": float(gains.mean()),
        "gain_deg_interval": _find_interval(gains, persons, bootstrap, seed),
    }
    interval = found["gain_deg_interval"]
    if bootstrap:
        found["beats_constant"] = interval is not None and interval[0] > 0
    else:
        found["beats_constant"] = found["gain_deg"] > 0
    found["why_null"] = _explain_nulls(found, mine, theirs, bootstrap)
    return found


def explain_missing(why: str) -> dict[str, Any]:
    """All figures null, each with the reason."""
    return {**dict.fromkeys(FIGURES), "why_null": dict.fromkeys(FIGURES, why)}


def measure_gaze(context: Context, judged: Sequence[Judged]) -> list[dict[str, Any]]:
    """Of every subject: split -> reference -> figures; the `gaze` of a subject in report.json.

    References are the gaze of the teacher among the subjects, on the same images, and the labels of
    the manifest.
    """
    teacher = next((item for item in judged if item.subject.role == "teacher"), None)
    measured = []
    for item in judged:
        splits = {}
        for split, outputs in item.outputs.items():
            references = {
                TEACHER: _refer_to_teacher(teacher, item, split),
                LABELS: _refer_to_labels(context, split),
            }
            splits[split] = _compare_split(
                outputs,
                references,
                bootstrap=context.recipe.report.bootstrap,
                seed=context.recipe.seed,
            )
        measured.append(splits)
    return measured


def _compare_split(
    outputs: SplitOutputs, references: Mapping[str, Reference], *, bootstrap: int, seed: int
) -> dict[str, Any]:
    found = {}
    for name, reference in references.items():
        if outputs.gaze is None:
            found[name] = explain_missing(NO_GAZE)
        elif reference.angles is None:
            found[name] = explain_missing(reference.missing)
        else:
            found[name] = compare_gaze(
                outputs.gaze, reference.angles, outputs.clusters, bootstrap=bootstrap, seed=seed
            )
    return found


def _refer_to_teacher(teacher: Judged | None, item: Judged, split: str) -> Reference:
    if teacher is None:
        return Reference(None, "the report has no teacher")
    if item is teacher:
        return Reference(None, "the teacher is the reference itself")
    angles = teacher.outputs[split].gaze
    return Reference(angles, "" if angles is not None else "the teacher gives no gaze")


def _refer_to_labels(context: Context, split: str) -> Reference:
    samples = context.manifest.split(split)
    unknown = (np.nan, np.nan)
    angles = np.array([sample.gaze or unknown for sample in samples], dtype=np.float64)
    if np.isnan(angles).all():
        return Reference(None, "the manifest has no gaze labels of this split")
    return Reference(angles)


def _find_interval(
    gains: np.ndarray, persons: np.ndarray, rounds: int, seed: int
) -> list[float] | None:
    """95% interval of the mean of `gains (N,)` over draws of persons; None of a single one."""
    if len(np.unique(persons)) < 2:
        return None
    counts = metrics.bootstrap_counts(len(gains), rounds, seed, persons)
    interval = metrics.percentile_interval([float(drawn @ gains / drawn.sum()) for drawn in counts])
    return None if interval is None else list(interval)


def _explain_nulls(
    found: Mapping[str, Any], mine: np.ndarray, theirs: np.ndarray, bootstrap: int
) -> dict[str, str]:
    why = {}
    for axis, name in enumerate(("pitch", "yaw")):
        if found[f"pearson_{name}"] is None:
            still = "reference" if theirs[:, axis].std() < STILL else "subject"
            why[f"pearson_{name}"] = f"the {name} of the {still} is the same on all images"
    if found["gain_deg_interval"] is None:
        one_person = "all images are of one person"
        why["gain_deg_interval"] = one_person if bootstrap else "intervals were switched off"
    return why
