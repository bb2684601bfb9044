"""Each smaller file beside its fp32 twin: what the gate said on val, and the same drops on test.

Nothing is decided on test; it shows whether what val promised holds on other persons.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.measure.judge import Judged
from benchmarks.measure.subject import TORCH, Subject
from gazeclip.run.context import Context
from gazeclip.scoring.drops import Judged as Answers
from gazeclip.stages.gate import describe_drops, judge_by_config, judge_outputs, read_truth

TEST = "test"


def build_gates(context: Context, judged: Sequence[Judged]) -> list[dict[str, Any]]:
    """An entry for each exported file that the gate judged or that has an fp32 twin here.

    Keys: `before` and `after` (names of subjects), `outcome` and `accepted` (on val; None where the
    gate was off), `val` (its drops, as bundle.json has them) and `test` (drops on test; none where
    the report does not measure the twin).
    """
    truth = read_truth(context, TEST)
    entries = []
    for before, after in _pair_files(judged):
        subject = after.subject
        if before is None:
            if subject.gate is not None:
                entries.append(_describe_val(subject))
            continue
        found = judge_by_config(
            context.recipe.gate, _judge(before), _judge(after), truth, context.recipe.seed
        )
        entries.append(
            {
                **_describe_val(subject),
                "before": before.subject.name,
                "test": describe_drops(found),
                "test_agreement": found.agreement,
            }
        )
    return entries


def _pair_files(judged: Sequence[Judged]) -> list[tuple[Judged | None, Judged]]:
    """Each exported file that is not fp32, behind its fp32 twin, if that is here."""
    by_identity = {item.subject.identity: item for item in judged}
    return [
        (by_identity.get(item.subject.identity.at_precision("fp32")), item)
        for item in judged
        if item.subject.framework != TORCH and item.subject.precision != "fp32"
    ]


def _describe_val(subject: Subject) -> dict[str, Any]:
    """What the gate said when the file was exported."""
    said = subject.gate or {}
    return {
        "before": None,
        "after": subject.name,
        "outcome": said.get("outcome"),
        "accepted": said.get("accepted"),
        "val": said.get("drops", []),
        "val_agreement": said.get("agreement"),
        "test": [],
        "test_agreement": None,
    }


def list_slower_files(judged: Sequence[Judged]) -> list[str]:
    """A sentence for each smaller file that takes longer here than its fp32 twin."""
    sentences = []
    for twin, item in _pair_files(judged):
        if twin is None or item.latency is None or twin.latency is None:
            continue
        if item.latency.p50 > twin.latency.p50:
            sentences.append(
                f"{item.subject.name} takes longer here than {twin.subject.name} "
                f"({item.latency.p50:.2f} and {twin.latency.p50:.2f} ms): on such a machine take "
                "the latter, or w8 where its size matters."
            )
    return sentences


def _judge(item: Judged) -> Answers:
    outputs = item.outputs[TEST]
    arrays = {"fake_logit": outputs.fake_logit, "logits": outputs.logits, "gaze": outputs.gaze}
    return judge_outputs(arrays, item.rule)  # type: ignore[arg-type]
