"""The forensic gate on exported files: each against the fp32 file of the same target and engine."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from export.runner import open_runner
from gazeclip.bundle.bundle import Bundle
from gazeclip.bundle.gate import explain_rejection
from gazeclip.bundle.layout import Precision
from gazeclip.bundle.rule import Rule
from gazeclip.console.progress import say
from gazeclip.console.tables import Table, print_table
from gazeclip.errors import GateError
from gazeclip.run.context import Context
from gazeclip.run.folder import Run
from gazeclip.run.stages import bundle_stage
from gazeclip.scoring.gate import FIGURES, Judged
from gazeclip.stages.gate import VAL, build_entry, judge_by_recipe, judge_outputs, read_truth
from runtimes.batches import Infer, infer_in_batches

TWIN: Precision = "fp32"
BATCH_SIZE = 16
_COLUMNS = ("figure", "fp32", "file", "worse by", "from", "to", "allowed", "outcome", "would do")


class Gatekeeper:
    """Judges files of one run; the images and each twin's answers are read once."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.truth = read_truth(context)
        self._twins: dict[str, tuple[Judged, str]] = {}

    @cached_property
    def pixels(self) -> np.ndarray:
        """The val split `(N, S, S, 3)` uint8."""
        contract = self.context.contract
        return np.stack([contract.apply(item.path) for item in self.context.manifest.split(VAL)])

    def judge_file(
        self, target: str, precision: Precision, infer: Infer, rule: Rule
    ) -> dict[str, Any]:
        """Judge a new file against its twin, which must be exported; what its bundle says of it.

        Args:
            infer: runs the file in its engine.
            rule: of the file, from the calibration split.
        """
        before, twin = self._judge_twin(target)
        after = judge_outputs(infer_in_batches(infer, self.pixels, BATCH_SIZE), rule)
        gate = judge_by_recipe(self.context, before, after, self.truth)
        entry = build_entry(self.context, gate, self.truth, twin)
        state = "accepted" if entry["accepted"] else "REJECTED"
        n = len(self.truth.targets)
        say(
            f"gate: {target} {precision} {state} against its {TWIN} twin on {n} images of val: "
            f"{gate.outcome}, worst {gate.worst_ratio:.2f} of what is allowed; "
            f"{gate.agreement:.1%} of the verdicts agree"
        )
        return entry

    def _judge_twin(self, target: str) -> tuple[Judged, str]:
        if target not in self._twins:
            bundle = Bundle.load(self.context.run.folder(bundle_stage(target, TWIN)))
            infer, _ = open_runner(bundle)
            rule = Rule(bundle.evidence, bundle.operating_point())
            outputs = infer_in_batches(infer, self.pixels, BATCH_SIZE)
            self._twins[target] = (judge_outputs(outputs, rule), bundle.digest)
        return self._twins[target]


def refuse_rejected_files(run: Run, stages: Sequence[str]) -> None:
    """Print the table of each of these bundles that was rejected, then refuse them.

    Raises:
        GateError: one was.
    """
    rejected = {}
    for name in stages:
        entry = run.manifest(name)["metrics"].get("gate")
        if entry is not None and not entry["accepted"]:
            rejected[name] = entry
    for name, entry in rejected.items():
        print_table(build_table(name, entry), sys.stdout)
    if rejected:
        first = next(iter(rejected.values()))
        raise GateError(
            f"the gate rejected {', '.join(rejected)}: {explain_rejection({'gate': first})}",
            remedy="The files are kept and marked, and runtimes refuses them. "
            "docs/gate.md says what helps: quantize --auto, more images of val, "
            "gate.max_drop, or --allow-undecided",
        )


def build_table(name: str, entry: Mapping[str, Any]) -> Table:
    """The table of a gate's entry in bundle.json."""
    n = f"{entry['n_real']} real and {entry['n_fake']} forged images of {entry['split']}"
    rows = [_format_drop(drop) for drop in entry["drops"]]
    return Table(_COLUMNS, rows, title=f"{name}: {entry['outcome']} on {n}", left=(0, 7, 8))


def _format_drop(drop: Mapping[str, Any]) -> tuple[str, ...]:
    title, unit, _ = FIGURES[drop["figure"]]
    if drop["generator"] is not None:
        title = f"{title}: {drop['generator']}"
    figures = [drop[key] for key in ("before", "after", "drop", "low", "high", "limit")]
    enough = "" if drop["enough"] is None else f"about {drop['enough']} images"
    return (
        f"{title} ({unit})" if unit else title,
        *("-" if value is None else f"{value:.4f}" for value in figures),
        drop["outcome"],
        enough,
    )
