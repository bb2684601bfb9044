"""The forensic gate on the val split of a run: what is judged by it, and by which limits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from gazeclip.bundle.rule import Rule
from gazeclip.errors import StageError
from gazeclip.recipe.stages import GateConfig
from gazeclip.run.context import Context
from gazeclip.scoring.drops import CANNOT_TELL, PASS, Gate, Judged, Truth
from gazeclip.scoring.gate import judge_drops
from gazeclip.scoring.thresholds import decide_all

VAL = "val"


def read_truth(context: Context, split: str = VAL) -> Truth:
    """What is known of a split's images, in their order."""
    samples = context.manifest.split(split)
    unknown = (np.nan, np.nan)
    gaze = np.array([sample.gaze or unknown for sample in samples], dtype=np.float64)
    return Truth(
        targets=context.list_targets(split),
        classes=context.classes,
        persons=np.array([sample.person for sample in samples]),
        gaze=gaze if np.isfinite(gaze).any() else None,
        has_gaze=context.recipe.teacher.model.gaze.kind != "none",
    )


def require_finite(outputs: Mapping[str, np.ndarray]) -> None:
    """Refuse scores that are not numbers: an order of them would look like a good one.

    Raises:
        StageError: some are not.
    """
    if not all(np.isfinite(outputs[name]).all() for name in ("fake_logit", "logits")):
        raise StageError(
            "the model's scores are not finite",
            remedy="Lower the learning rate (quantize.train.lr) and run the stage again",
        )


def judge_outputs(outputs: Mapping[str, np.ndarray], rule: Rule) -> Judged:
    """What a file says of images by its own rule.

    `outputs`: `fake_logit (N, 1)`, `logits (N, C)` and `gaze (N, 2)`.

    Raises:
        StageError: scores are not finite.
    """
    require_finite(outputs)
    fake_logit = outputs["fake_logit"]
    logits = outputs["logits"]
    llr = rule.evidence.weigh(fake_logit, logits)
    return Judged(
        rank=rule.evidence.weigh_unlimited(fake_logit, logits),
        llr=llr,
        answers=decide_all(llr, rule.point.fake_from, rule.point.real_below),
        named=logits.argmax(axis=1),
        gaze=outputs["gaze"],
    )


def judge_by_config(
    config: GateConfig,
    before: Judged,
    after: Judged,
    truth: Truth,
    seed: int,
    rounds: int | None = None,
) -> Gate:
    """The gate with these limits; `rounds` of the bootstrap other than theirs."""
    draws = config.rounds if rounds is None else rounds
    return judge_drops(before, after, truth, asdict(config.max_drop), draws, seed)


def is_accepted(config: GateConfig, gate: Gate) -> bool:
    """Whether a file with this outcome is taken."""
    allowed = config.allow_undecided and gate.outcome == CANNOT_TELL
    return gate.outcome == PASS or allowed


def build_entry(config: GateConfig, gate: Gate, truth: Truth, twin: str) -> dict[str, Any]:
    """What bundle.json holds, see `gazeclip/bundle/gate.py`.

    `twin`: digest of the fp32 bundle that the file was compared with.
    """
    fake = truth.targets != 0
    return {
        "outcome": gate.outcome,
        "accepted": is_accepted(config, gate),
        "agreement": gate.agreement,
        "split": VAL,
        "n_real": int((~fake).sum()),
        "n_fake": int(fake.sum()),
        "twin": twin,
        "drops": describe_drops(gate),
    }


def describe_drops(gate: Gate) -> list[dict[str, Any]]:
    """The drops as JSON values."""
    return [_replace_infinities(vars(drop)) for drop in gate.drops]


def _replace_infinities(drop: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has no infinities: a bound that is none becomes null."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in drop.items()
    }
