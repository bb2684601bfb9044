"""The forensic gate on exported files: each against the fp32 file of the same target and engine."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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
from gazeclip.errors import GateError, nearest
from gazeclip.recipe.stages import GateConfig
from gazeclip.run.context import Context
from gazeclip.run.folder import Run
from gazeclip.run.stages import bundle_stage
from gazeclip.scoring.drops import FIGURES, Judged, title_figure
from gazeclip.stages.gate import VAL, build_entry, judge_by_config, judge_outputs, read_truth
from runtimes.batches import Infer, infer_in_batches

TWIN: Precision = "fp32"
BATCH_SIZE = 16
_COLUMNS = ("figure", "fp32", "file", "worse by", "from", "to", "allowed", "outcome", "would do")


@dataclass(frozen=True)
class GateOptions:
    """What a command says of the gate for this time.

    `max_drop`: figure -> limit. None of it enters the recipe.
    """

    max_drop: tuple[tuple[str, float], ...] = ()
    allow_undecided: bool = False

    def apply(self, config: GateConfig) -> GateConfig:
        """The recipe's gate, changed."""
        limits = replace(config.max_drop, **dict(self.max_drop))
        allowed = config.allow_undecided or self.allow_undecided
        return replace(config, max_drop=limits, allow_undecided=allowed)


def parse_max_drop(text: str) -> tuple[str, float]:
    """The option `--max-drop`: FIGURE=VALUE.

    Raises:
        argparse.ArgumentTypeError: no such figure, or the value is no number of at least 0.
    """
    figure, _, value = text.partition("=")
    if figure not in FIGURES:
        raise argparse.ArgumentTypeError(f"'{figure}' is no figure. {nearest(figure, FIGURES)}")
    try:
        limit = float(value)
    except ValueError:
        limit = -1.0
    if not 0.0 <= limit < math.inf:
        raise argparse.ArgumentTypeError(f"'{value}' of {figure} is no number of at least 0")
    return figure, limit


class Gatekeeper:
    """Judges files of one run; the images and each twin's answers are read once."""

    def __init__(self, context: Context, config: GateConfig) -> None:
        self.context = context
        self.config = config
        self.truth = read_truth(context)
        self._twins: dict[str, tuple[Judged, str]] = {}

    @cached_property
    def pixels(self) -> np.ndarray:
        """The val split `(N, S, S, 3)` uint8."""
        return self.context.read_pixels(VAL)

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
        seed = self.context.recipe.seed
        gate = judge_by_config(self.config, before, after, self.truth, seed)
        entry = build_entry(self.config, gate, self.truth, twin)
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
        name, first = next(iter(rejected.items()))
        raise GateError(
            f"the gate rejected {', '.join(rejected)}; {name}: "
            f"{explain_rejection({'gate': first})}",
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
    figures = [drop[key] for key in ("before", "after", "drop", "low", "high", "limit")]
    kind = "forged images" if drop["figure"] == "tpr" else "images"
    enough = "" if drop["enough"] is None else f"about {drop['enough']} {kind}"
    return (
        title_figure(drop["figure"], drop["generator"]),
        *("-" if value is None else f"{value:.4f}" for value in figures),
        drop["outcome"],
        enough,
    )
