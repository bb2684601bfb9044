"""The gate on PyTorch models: the float student is the twin of everything that is made from it."""

from __future__ import annotations

import numpy as np

from gazeclip.bundle.layout import SHIPPED_POINT
from gazeclip.bundle.rule import Rule
from gazeclip.data.dataset import FaceDataset
from gazeclip.networks.student import Student
from gazeclip.run.context import Context
from gazeclip.scoring.drops import Gate, Judged
from gazeclip.stages.calibrate import CALIBRATION, calibrate_on_run
from gazeclip.stages.gate import VAL, judge_by_config, judge_outputs, read_truth, require_finite
from gazeclip.training.validation import predict


class StudentJudge:
    """Compares quantized students with the float one on val.

    Each is calibrated as a bundle is, on the calibration split, and judges val by its own
    thresholds. Files are judged again after their export; this one comes before it and is quick.
    """

    def __init__(self, context: Context, student: Student) -> None:
        self.context = context
        self.truth = read_truth(context)
        self._datasets = {
            split: FaceDataset(context.manifest, split, context.contract, context.classes)
            for split in (CALIBRATION, VAL)
        }
        self.twin_rule = self._calibrate(student)
        self.twin = self._judge(student, self.twin_rule)

    def compare(self, model: Student) -> Gate:
        """The gate of a model in eval mode."""
        return self._compare(model, None)

    def measure(self, model: Student) -> dict[str, float]:
        """Its figures alone, without the bootstrap that only a decision needs."""
        return summarise_gate(self._compare(model, 1))

    def _compare(self, model: Student, rounds: int | None) -> Gate:
        recipe = self.context.recipe
        judged = self._judge(model, self._calibrate(model))
        return judge_by_config(recipe.gate, self.twin, judged, self.truth, recipe.seed, rounds)

    def _judge(self, model: Student, rule: Rule) -> Judged:
        return judge_outputs(self._predict(model, VAL), rule)

    def _calibrate(self, model: Student) -> Rule:
        outputs = self._predict(model, CALIBRATION)
        require_finite(outputs)
        found = calibrate_on_run(self.context, outputs)
        return Rule(found.evidence, found.thresholds[SHIPPED_POINT])

    def _predict(self, model: Student, split: str) -> dict[str, np.ndarray]:
        device = next(model.parameters()).device
        return predict(lambda batch: model(batch["pixels"]), self._datasets[split], device=device)


def summarise_gate(gate: Gate) -> dict[str, float]:
    """What a model is after the gate, for logs: figures, agreement, and `score`, larger is better.

    `score` is the largest drop in units of what is allowed, negated.
    """
    figures = {drop.figure: drop.after for drop in gate.drops}
    return {
        "auc": figures["auc"],
        "tpr": figures["tpr"],
        "cllr": figures["cllr"],
        "attribution_macro_acc": figures["attribution"],
        "agreement": gate.agreement,
        "score": -gate.worst_ratio,
    }
