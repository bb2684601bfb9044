"""Place the thresholds of finished bundles for other rates, and see what they really do.

Nothing is trained: a bundle's own evidence on the calibration split gives the thresholds, and the
test splits show what they do. With a folder to write to, copies of the bundles carry them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure.gather import gather_bundle
from benchmarks.measure.judge import SPLITS, judge_images, read_splits
from benchmarks.measure.shipped import measure_answers
from benchmarks.report.tables import format_interval, format_share
from gazeclip.bundle.contents import OperatingPoint
from gazeclip.bundle.rule import Rule
from gazeclip.bundle.write import copy_with_point
from gazeclip.console.progress import say
from gazeclip.console.tables import MISSING, Table
from gazeclip.errors import MissingDependencyError, StageError
from gazeclip.run.context import Context
from gazeclip.scoring.evidence import measure_evidence
from gazeclip.stages.calibrate import CALIBRATION, place_point
from gazeclip.system.place import command_line
from gazeclip.system.threads import usable_threads


@dataclass(frozen=True)
class Refit:
    """One bundle with its new operating point.

    `answers`: split -> `measure_answers` at it. `metrics`: of the evidence on the calibration
    split, within its new limits.
    """

    stage: str
    engine: str
    rule: Rule
    answers: dict[str, dict[str, Any]]
    metrics: dict[str, float | None]


def refit_bundles(context: Context, target_fpr: float, target_miss: float) -> list[Refit]:
    """Every bundle of a run that can be run here, judged anew.

    Raises:
        StageError: the run has none, or none can be run here.
    """
    images = read_splits(context, (CALIBRATION, *SPLITS))
    name = name_point(target_fpr, target_miss, context.recipe.export.target_miss)
    found = []
    for stage in _list_bundles(context):
        try:
            subject = gather_bundle(context, stage, usable_threads()).subject
        except MissingDependencyError as error:
            say(f"thresholds: {stage} is not judged: {error}")
            continue
        outputs = judge_images(context, subject, images)
        given = outputs.pop(CALIBRATION)
        evidence = subject.require_rule().evidence
        llr = evidence.weigh_unlimited(given.fake_logit, given.logits)
        persons = given.clusters
        point = place_point(name, llr, given.is_fake, target_fpr, target_miss, persons)
        rule = Rule(evidence.widen(point.fake_from, point.real_below), point)
        answers = {
            split: measure_answers(one, rule, context.taxonomy) for split, one in outputs.items()
        }
        metrics = measure_evidence(rule.weigh(given), llr, given.is_fake)
        found.append(Refit(stage, subject.engine, rule, answers, metrics))
    if not found:
        raise StageError(f"no bundle of {context.run.root} can be run here")
    return found


def name_point(target_fpr: float, target_miss: float, usual_miss: float) -> str:
    """`fpr0.5` for a rate of 0.005; with another rate of misses than usual `fpr0.5-miss10`."""
    name = f"fpr{100 * target_fpr:g}"
    return name if target_miss == usual_miss else f"{name}-miss{100 * target_miss:g}"


def _list_bundles(context: Context) -> list[str]:
    present = list(context.run.bundles())
    if not present:
        remedy = f"Run first: {command_line('export', '--target', 'all')}"
        raise StageError(f"{context.run.root} has no bundle", remedy=remedy)
    return present


def write_copies(context: Context, refits: Sequence[Refit], out: Path) -> list[Path]:
    """A copy of each bundle in `out`, with the new operating point besides its own."""
    written = []
    for refit in refits:
        source = context.run.folder(refit.stage)
        target = out / source.name
        copy_with_point(source, target, refit.rule.point, refit.rule.evidence, refit.metrics)
        written.append(target)
    return written


def build_table(refits: Sequence[Refit], splits: Sequence[str]) -> Table:
    """One row a bundle: the thresholds, what they promise, and what they do on each split."""
    header = ["bundle", "fake\nfrom", "real\nbelow", "false alarms\nat most", "misses\nat most"]
    for split in splits:
        short = split.replace("test_", "")
        header += [f"{short}\nFPR", f"{short}\nTPR", f"{short}\nunsure"]
    rows = []
    for refit in refits:
        point = refit.rule.point
        row = [
            f"{refit.stage.rsplit('/', 1)[-1]} ({refit.engine})",
            f"{point.fake_from:+.2f}",
            f"{point.real_below:+.2f}",
            _format_bound(point.fpr_bound, point.target_fpr),
            _format_bound(point.miss_bound, point.target_miss),
        ]
        for split in splits:
            row += _format_answers(refit.answers.get(split))
        rows.append(row)
    return Table(header, rows, title=describe_point(refits[0].rule.point) if refits else "")


def describe_point(point: OperatingPoint) -> str:
    """What the thresholds were asked for, and what they rest on."""
    return (
        f"{point.name}: at most {point.target_fpr:.3%} false alarms by {point.n_real} real images, "
        f"at most {point.target_miss:.1%} misses by {point.n_fake} forged ones, 95% confidence; "
        "* too few images to show it"
    )


def _format_bound(bound: float | None, target: float | None) -> str:
    if bound is None or target is None:
        return MISSING
    return f"{bound:.2%}" + ("" if bound <= target else " *")


def _format_answers(answers: dict[str, Any] | None) -> list[str]:
    if answers is None:
        return [MISSING] * 3
    interval = format_interval(answers["fpr_interval"])
    fpr = format_share(answers["fpr"])
    return [
        f"{fpr} ({interval})" if interval else fpr,
        format_share(answers["tpr"]),
        format_share(answers["inconclusive"]),
    ]
