"""What the conditions say of a comparison: it passes, it fails, or it cannot be decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.compare.condition import Condition
from benchmarks.compare.differences import Comparison, Difference, Pair, describe_change

PASSED = 0
FAILED = 1
UNDECIDED = 3
WORDS = {PASSED: "passes", FAILED: "fails", UNDECIDED: "cannot be decided"}


@dataclass(frozen=True)
class Finding:
    """One condition on one subject; `reason` is the change, or why nothing can be said."""

    condition: Condition
    label: str
    outcome: int
    reason: str


def apply_conditions(
    comparison: Comparison, conditions: Sequence[Condition]
) -> tuple[Finding, ...]:
    """Every condition on every exported subject, or on all where nothing was exported.

    A figure that neither report has (a reference evaluator has no latency) is no subject's fault
    and left out, unless that leaves a condition with nothing to look at.
    """
    chosen = [pair for pair in comparison.pairs if pair.exported] or list(comparison.pairs)
    found: list[Finding] = []
    for condition in conditions:
        before = len(found)
        for pair in chosen:
            finding = _judge_pair(condition, pair)
            if finding is not None:
                found.append(finding)
        for label in comparison.only_a:
            found.append(Finding(condition, label, UNDECIDED, "is not in the second report"))
        if len(found) == before:
            found.append(Finding(condition, "all", UNDECIDED, "neither report has the figure"))
    return tuple(found)


def _judge_pair(condition: Condition, pair: Pair) -> Finding | None:
    one = pair.differences[condition.figure.key]
    if one.a is None and one.b is None:
        return None
    if one.a is None or one.b is None:
        which = "first" if one.a is None else "second"
        return Finding(condition, pair.label, UNDECIDED, f"the {which} report does not have it")
    if one.obstacle is not None:
        return Finding(condition, pair.label, UNDECIDED, one.obstacle)
    outcome = FAILED if condition.holds(one.a, one.b) else PASSED
    return Finding(condition, pair.label, outcome, _explain_change(one, outcome))


def _explain_change(one: Difference, outcome: int) -> str:
    text = describe_change(one)
    if outcome == FAILED and one.interval is not None and one.interval[0] <= 0.0 <= one.interval[1]:
        text += ", which chance alone may give: the interval holds zero"
    return text


def decide_outcome(findings: Sequence[Finding]) -> int:
    """The exit code: one failure is enough, then one thing that nobody can know."""
    outcomes = {finding.outcome for finding in findings}
    if FAILED in outcomes:
        return FAILED
    return UNDECIDED if UNDECIDED in outcomes else PASSED
