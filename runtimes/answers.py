"""What a whole `verify` comes to: its exit code, and what `--json` prints."""

from __future__ import annotations

from collections import Counter
from typing import Any

from gazeclip.bundle.contents import OperatingPoint
from gazeclip.errors import FaceError, ImageError
from gazeclip.scoring.thresholds import ANSWERS, FAKE, INCONCLUSIVE
from runtimes.sources import WHOLE
from runtimes.verdict import Verdict
from runtimes.verifier import Outcome, Verifier

# Exit codes: all real, at least one fake, at least one not judged, none fake but one inconclusive,
# none fake but one photograph without a face that can be judged.
CLEAN = 0
SUSPICIOUS = 1
FAILED = 2
UNSURE = 3
FACELESS = 4
Judged = list[tuple[str, Outcome]]


def exit_code(judged: Judged) -> int:
    """2 if an image could not be judged, else 1 if one is fake, else 4, else 3, else 0.

    4 if a photograph has no face that can be judged, 3 if a verdict is inconclusive, 0 where all
    are real.
    """
    outcomes = [outcome for _, outcome in judged]
    faceless = any(isinstance(outcome, FaceError) for outcome in outcomes)
    if any(isinstance(item, ImageError) and not isinstance(item, FaceError) for item in outcomes):
        return FAILED
    answers = {outcome.verdict for outcome in outcomes if isinstance(outcome, Verdict)}
    if FAKE in answers:
        return SUSPICIOUS
    if faceless:
        return FACELESS
    return UNSURE if INCONCLUSIVE in answers else CLEAN


def describe_outcomes(
    verifier: Verifier, point: OperatingPoint, judged: Judged, crop: str, embedding: bool
) -> dict[str, Any]:
    """What `--json` prints (schema 2): every image in order, each with a verdict or an `error`.

    With `--crop face` every face has a verdict, and a photograph without a usable one an `outcome`.
    """
    results: list[dict[str, Any]] = []
    counts: Counter[str] = Counter()
    for source, outcome in judged:
        if isinstance(outcome, Verdict):
            results.append(outcome.to_dict(embedding))
            counts[outcome.verdict] += 1
            continue
        row: dict[str, Any] = {"source": source, "verdict": None}
        if isinstance(outcome, FaceError):
            row["outcome"] = outcome.outcome
            row["reason"] = outcome.message
            counts["no_usable_face"] += 1
        else:
            row["error"] = outcome.message
            counts["error"] += 1
        results.append({**row, "remedy": outcome.remedy})
    bundle = verifier.bundle
    summary = {key: counts[key] for key in (*ANSWERS, "error")}
    if crop != WHOLE:
        summary["no_usable_face"] = counts["no_usable_face"]
    return {
        "schema": 2,
        "bundle": {
            "folder": str(bundle.folder),
            "target": bundle.target,
            "precision": bundle.precision,
            "digest": bundle.digest,
        },
        "engine": verifier.engine.label,
        "threads": verifier.threads,
        "crop": crop,
        "operating_point": {
            "name": point.name,
            **point.to_entry(),
            "reliable": point.reliable,
        },
        "results": results,
        "summary": summary,
    }
