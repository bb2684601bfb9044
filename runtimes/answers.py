"""What a whole `verify` comes to: its exit code, and what `--json` prints."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from gazeclip.bundle.contents import OperatingPoint
from gazeclip.errors import FaceError
from gazeclip.images.crop_rule import WHOLE
from gazeclip.scoring.thresholds import ANSWERS, FAKE, INCONCLUSIVE
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
# What a tally counts beside the answers.
_ERROR = "error"
_FACELESS = "no_usable_face"
# The first of these that was seen decides.
_CODES = {_ERROR: FAILED, FAKE: SUSPICIOUS, _FACELESS: FACELESS, INCONCLUSIVE: UNSURE}


class Tally:
    """What a number of outcomes comes to, without any of them being kept."""

    def __init__(self, crop: str = WHOLE) -> None:
        self.crop = crop
        self.counts: Counter[str] = Counter()

    def add(self, outcome: Outcome) -> None:
        """Count one."""
        if isinstance(outcome, Verdict):
            self.counts[outcome.verdict] += 1
        else:
            self.counts[_FACELESS if isinstance(outcome, FaceError) else _ERROR] += 1

    def exit_code(self) -> int:
        """2 if an image could not be judged, else 1 if one is fake, else 4, else 3, else 0.

        4 if a photograph has no face that can be judged, 3 if a verdict is inconclusive, 0 where
        all are real.
        """
        for name, code in _CODES.items():
            if self.counts[name]:
                return code
        return CLEAN

    def total(self) -> int:
        """How many were counted."""
        return self.counts.total()

    def count_unjudged(self) -> int:
        """Images without a verdict, for whatever reason."""
        return self.counts[_ERROR] + self.counts[_FACELESS]

    def summarise(self) -> dict[str, int]:
        """The summary of `--json`."""
        summary = {key: self.counts[key] for key in (*ANSWERS, _ERROR)}
        if self.crop != WHOLE:
            summary[_FACELESS] = self.counts[_FACELESS]
        return summary


def describe_run(verifier: Verifier, point: OperatingPoint, crop: str) -> dict[str, Any]:
    """What `--json` (schema 2) says before the results: what judges, and how it decides."""
    bundle = verifier.bundle
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
    }


def describe_outcome(
    source: str, outcome: Outcome, embedding: bool, copy: Path | None = None
) -> dict[str, Any]:
    """One of the results of `--json`: a verdict, or why there is none.

    With `--crop face` every face has a verdict, and a photograph without a usable one an `outcome`.

    Args:
        copy: where an annotated copy of its image lies.
    """
    saved = {} if copy is None else {"copy": str(copy)}
    if isinstance(outcome, Verdict):
        return outcome.to_dict(embedding) | saved
    row: dict[str, Any] = {"source": source, "verdict": None}
    if isinstance(outcome, FaceError):
        row["outcome"] = outcome.outcome
        row["reason"] = outcome.message
    else:
        row["error"] = outcome.message
    return {**row, "remedy": outcome.remedy, **saved}


def describe_outcomes(
    verifier: Verifier, point: OperatingPoint, judged: Judged, crop: str, embedding: bool
) -> dict[str, Any]:
    """What `--json` prints, whole: every image in order, each with a verdict or an `error`."""
    tally = Tally(crop)
    results = []
    for source, outcome in judged:
        tally.add(outcome)
        results.append(describe_outcome(source, outcome, embedding))
    run = describe_run(verifier, point, crop)
    return {**run, "results": results, "summary": tally.summarise()}
