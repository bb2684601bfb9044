"""Every subject over the same images: what it says of them, and how fast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from benchmarks.measure.gather import Gathered
from benchmarks.measure.latency import LatencyConfig, LatencyStats, measure_latency
from benchmarks.measure.subject import Subject
from gazeclip.bundle.layout import SHIPPED_POINT
from gazeclip.bundle.rule import Rule
from gazeclip.console.progress import progress_callback, say
from gazeclip.run.context import Context
from gazeclip.scoring.outputs import SplitOutputs
from gazeclip.stages.calibrate import CALIBRATION, calibrate_on_run
from gazeclip.studies.judge import label_outputs

SPLITS = ("test", "test_unseen")


@dataclass(frozen=True)
class Judged:
    """A subject, its outputs by split, and its latency; None where timing means nothing."""

    subject: Subject
    outputs: dict[str, SplitOutputs]
    latency: LatencyStats | None

    @property
    def rule(self) -> Rule:
        """How it answers, see `Subject.require_rule`."""
        return self.subject.require_rule()


def load_images(context: Context) -> dict[str, np.ndarray]:
    """Split -> its images uint8 `(N, S, S, 3)`; splits without images are left out."""
    return read_splits(context, SPLITS)


def read_splits(context: Context, splits: Sequence[str]) -> dict[str, np.ndarray]:
    """The same of any splits."""
    return {split: context.read_pixels(split) for split in splits if context.manifest.split(split)}


def judge_subjects(
    context: Context,
    gathered: Sequence[Gathered],
    images: Mapping[str, np.ndarray],
    threads: int,
) -> list[Judged]:
    """Outputs of all subjects on all images, then their latencies side by side.

    A subject that no bundle calibrates is calibrated as bundles are, on the same images.
    """
    subjects = _calibrate_subjects(context, [item.subject for item in gathered])
    count = sum(map(len, images.values()))
    outputs = []
    for subject in subjects:
        outputs.append(judge_images(context, subject, images))
        say(f"report: judged {count} images: {subject.name} ({subject.engine})")
    seconds = context.recipe.report.latency_seconds
    latencies = _measure_latencies(gathered, images["test"][:1], threads, seconds)
    return [
        Judged(subject, found, latencies.get(subject.name))
        for subject, found in zip(subjects, outputs, strict=True)
    ]


def _calibrate_subjects(context: Context, subjects: Sequence[Subject]) -> list[Subject]:
    """Those without a rule get one."""
    if all(subject.rule is not None for subject in subjects):
        return list(subjects)
    pixels = context.read_pixels(CALIBRATION)
    calibrated = []
    for subject in subjects:
        if subject.rule is None:
            with progress_callback(f"{subject.name} on {CALIBRATION}") as update:
                outputs = subject.predict(pixels, progress=update)
            found = calibrate_on_run(context, outputs)
            rule = Rule(found.evidence, found.thresholds[SHIPPED_POINT])
            subject = replace(subject, rule=rule, temperature=found.temperature["attribution"])
        calibrated.append(subject)
    return calibrated


def judge_images(
    context: Context, subject: Subject, images: Mapping[str, np.ndarray]
) -> dict[str, SplitOutputs]:
    """Split -> what a subject says of its images `(N, S, S, 3)`, with their labels and persons."""
    outputs = {}
    for split, pixels in images.items():
        with progress_callback(f"{subject.name} on {split}") as update:
            found = subject.predict(pixels, progress=update)
        outputs[split] = label_outputs(context.manifest.split(split), found)
    return outputs


def _measure_latencies(
    gathered: Sequence[Gathered], image: np.ndarray, threads: int, seconds: float
) -> dict[str, LatencyStats]:
    """By name, which stands in the message if a subject fails; `image` is uint8 `(1, S, S, 3)`."""
    calls = {
        item.subject.name: partial(item.subject.infer, image) for item in gathered if item.timed
    }
    config = LatencyConfig(budget_s=seconds)
    with progress_callback("latency") as update:
        found = measure_latency(calls, config, threads=threads, progress=update)
    repeated = max((stats.rounds_repeated for stats in found.values()), default=0)
    say(
        f"report: timed {len(found)} subjects in interleaved rounds, {repeated} of them repeated "
        "because other work disturbed them"
    )
    return found
