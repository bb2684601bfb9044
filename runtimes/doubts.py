"""What must be said beside verdicts: rates that are not shown, and answers that cannot be given."""

from __future__ import annotations

from gazeclip.bundle.contents import OperatingPoint
from gazeclip.scoring.evidence import Evidence
from gazeclip.scoring.thresholds import count_needed


def describe_doubts(point: OperatingPoint, evidence: Evidence) -> list[str]:
    """One sentence for each doubt about an operating point of a bundle with this evidence."""
    doubts = []
    for rate, bound, count, kind in (
        (point.target_fpr, point.fpr_bound, point.n_real, "real"),
        (point.target_miss, point.miss_bound, point.n_fake, "forged"),
    ):
        if rate is not None and bound is not None and bound > rate:
            what = "false alarms" if kind == "real" else "misses"
            doubts.append(
                f"operating point {point.name} asks for at most {rate:.2%} {what}; its {count} "
                f"persons on {kind} calibration images show no more than that they are below "
                f"{bound:.2%} (at least {count_needed(rate)} are needed)"
            )
    if point.fake_from > evidence.highest:
        doubts.append(
            f"no image can be fake: that takes an LLR of {point.fake_from:.2f}, and the "
            f"calibration images show {evidence.highest:.2f} at most"
        )
    if point.real_below <= evidence.lowest:
        doubts.append(
            f"no image can be real: that takes an LLR below {point.real_below:.2f}, and the "
            f"calibration images show {evidence.lowest:.2f} at least"
        )
    return doubts
