"""Stage `report`: accuracy and latency of every subject of a run, on the files that ship, as
report.json, .md and .html.
"""

from __future__ import annotations

import datetime
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import curves, machine
from benchmarks.measure.accuracy import LEVELS, evaluate
from benchmarks.measure.gather import Gathered, gather
from benchmarks.measure.latency import LatencyConfig, measure
from benchmarks.measure.subject import Subject
from benchmarks.report.write import (
    Flips,
    GalleryItem,
    ReportData,
    console_table,
    subject_entry,
    thumbnail,
    write_report,
)
from gazeclip.console.progress import progress_callback, say
from gazeclip.files.atomic import read_json
from gazeclip.run.context import Context
from gazeclip.run.execute import execute
from gazeclip.run.folder import Run
from gazeclip.run.stages import bundle_stage
from gazeclip.scoring.outputs import SplitOutputs
from gazeclip.system.threads import usable_threads

SPLITS = ("test", "test_unseen")
GALLERY_PER_LABEL = 1


def run_stage(run: Run, force: bool = False) -> bool:
    """Write `report/`."""
    context = Context(run)
    recipe = context.recipe
    stages = ["data", "teacher", "student", *(["baseline"] if recipe.baseline.enabled else [])]
    stages += [
        bundle_stage(target, precision)
        for precision in recipe.export.precisions
        for target in recipe.export.targets
    ]
    inputs = {name: run.output_hash(name) for name in stages}
    ran = execute(
        run,
        "report",
        config=asdict(recipe.report),
        inputs=inputs,
        body=lambda f: _write_report(context, f, inputs),
        force=force,
    )
    show(run)
    return ran


def show(run: Run) -> None:
    """Print the result table of a finished report and where its page lies."""
    console_table(read_json(run.folder("report") / "report.json"), sys.stdout)
    print(f"report: {run.folder('report') / 'report.html'}")


def _write_report(context: Context, folder: Path, inputs: Mapping[str, str]) -> dict[str, Any]:
    recipe = context.recipe
    threads = recipe.report.threads or usable_threads()
    left_out: list[str] = []
    subjects = gather(context, threads, left_out)
    images = {split: _images(context, split) for split in SPLITS if context.manifest.split(split)}
    outputs = {item.subject.name: _outputs(context, item.subject, images) for item in subjects}
    latency = _latency(subjects, images["test"], threads, recipe.report.latency_seconds)
    float_student = next(
        item
        for item in subjects
        if item.subject.role == "student" and item.subject.engine == "torch"
    )
    entries = []
    for item in subjects:
        subject, found = item.subject, outputs[item.subject.name]
        accuracy = evaluate(
            found,
            context.taxonomy,
            context.classes,
            temperature=subject.temperature,
            bootstrap=recipe.report.bootstrap,
            seed=recipe.seed,
        )
        entries.append(
            subject_entry(
                subject, latency.get(subject.name), accuracy, _curves(context, subject, found)
            )
        )
        if subject.role == "student" and item is not float_student:
            entries[-1]["parity"]["verdict_agreement_fp32"] = curves.verdict_agreement(
                outputs[float_student.subject.name], found
            )
    data = ReportData(
        run=context.run.name,
        machine=machine.describe(),
        subjects=entries,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        caveats=_caveats(context) + left_out,
        provenance={
            "seed": recipe.seed,
            "stages": dict(inputs),
            "command": "python -m benchmarks",
            "source": machine.source(),
        },
        headline=_shipped(subjects).name,
        gaze=_gaze(outputs[_shipped(subjects).name]),
        flips=_flips(subjects, outputs, images),
        gallery=_gallery(context, _shipped(subjects), outputs, images["test"]),
    )
    write_report(folder, data)
    return {"subjects": len(entries)}


def _images(context: Context, split: str) -> np.ndarray:
    return np.stack(
        [context.contract.apply(sample.path) for sample in context.manifest.split(split)]
    )


def _outputs(
    context: Context, subject: Subject, images: Mapping[str, np.ndarray]
) -> dict[str, SplitOutputs]:
    result = {}
    for split, pixels in images.items():
        with progress_callback(f"{subject.name} on {split}") as update:
            found = subject.predict(pixels, progress=update)
        samples = context.manifest.split(split)
        labels, people = (
            tuple(sample.label for sample in samples),
            tuple(sample.person for sample in samples),
        )
        result[split] = SplitOutputs(
            found["fake_logit"], found["logits"], labels, found.get("gaze"), people
        )
    say(
        f"report: judged {sum(map(len, images.values()))} images: {subject.name} ({subject.engine})"
    )
    return result


def _latency(
    subjects: list[Gathered], images: np.ndarray, threads: int, seconds: float
) -> dict[str, Any]:
    calls = {}
    for item in subjects:
        if item.timed:
            calls[item.subject.name] = lambda infer=item.subject.infer: infer(images[:1]) and None
    with progress_callback("latency") as update:
        found = measure(calls, LatencyConfig(budget_s=seconds), threads=threads, progress=update)
    repeated = max((stats.rounds_repeated for stats in found.values()), default=0)
    say(
        f"report: timed {len(found)} subjects in interleaved rounds, {repeated} of them repeated because other work disturbed them"
    )
    return found


def _curves(
    context: Context, subject: Subject, found: Mapping[str, SplitOutputs]
) -> dict[str, Any]:
    temperature = subject.temperature_of("attribution")
    return {
        split: {
            "roc": curves.roc_points(outputs.is_fake, outputs.fake_logit),
            "confusion": curves.confusion(
                outputs, context.taxonomy, context.classes, LEVELS[split], temperature
            ),
        }
        for split, outputs in found.items()
    }


def _shipped(subjects: list[Gathered]) -> Subject:
    """The student that the page shows in detail: the first INT8 bundle that a real engine runs,
    else the float student.
    """
    students = [item for item in subjects if item.subject.role == "student"]
    return next(
        (item.subject for item in students if item.timed and item.subject.precision == "int8"),
        students[0].subject,
    )


def _gaze(found: Mapping[str, SplitOutputs]) -> dict[str, Any]:
    histograms = {
        split: curves.gaze_histogram(o.gaze, o.is_fake)
        for split, o in found.items()
        if o.gaze is not None
    }
    return {split: histogram for split, histogram in histograms.items() if histogram is not None}


def _flips(
    subjects: list[Gathered],
    outputs: Mapping[str, dict[str, SplitOutputs]],
    images: Mapping[str, np.ndarray],
) -> list[Flips]:
    """fp32 against INT8 of the same target, each calibrated as its bundle says."""
    by_name = {item.subject.name: item.subject for item in subjects}
    result = []
    for name, before in by_name.items():
        after = by_name.get(name.replace(" fp32", " int8"))
        if before.engine == "torch" or after is None or after is before:
            continue
        for split, pixels in images.items():
            items = curves.verdict_flips(
                outputs[name][split],
                outputs[after.name][split],
                temperature_before=before.temperature_of("detection"),
                temperature_after=after.temperature_of("detection"),
            )
            shown = [{**item, "image": thumbnail(pixels[item["index"]])} for item in items]
            result.append(Flips(name, after.name, split, len(pixels), shown))
    return result


def _gallery(
    context: Context,
    subject: Subject,
    outputs: Mapping[str, dict[str, SplitOutputs]],
    images: np.ndarray,
) -> list[GalleryItem]:
    found = outputs[subject.name]["test"]
    probability = found.fake_probability(subject.temperature_of("detection"))
    best = found.logits.argmax(axis=1)
    items = []
    for label in dict.fromkeys(found.labels):
        for place in [i for i, name in enumerate(found.labels) if name == label][
            :GALLERY_PER_LABEL
        ]:
            title = context.taxonomy.get(context.classes[best[place]]).title
            items.append(
                GalleryItem(thumbnail(images[place]), label, float(probability[place]), title)
            )
    return items


def _caveats(context: Context) -> list[str]:
    caveats = [
        "The teacher is a reconstruction of GazeCLIP from its abstract; none of the paper's figures are claimed.",
        f"One seed ({context.recipe.seed}). Intervals are over persons only, not over trainings.",
    ]
    if context.recipe.data.manifest is None:
        caveats.append(
            "Procedural faces: the figures show that the pipeline works, and say nothing about real forgeries."
        )
        probe = context.run.manifest("data")["metrics"]["linear_probe"]
        figures = (
            f"{probe['test_auc']:.3f} on test and {probe['test_unseen_auc']:.3f} on test_unseen"
        )
        caveats.append(f"A linear probe on the raw pixels reaches a detection AUC of {figures}.")
    else:
        caveats.append(
            "Sources that differ in composition, resolution or compression offer shortcuts; part of any score may be such a one."
        )
    caveats += _budget(context)
    reals = sum(sample.label == "real" for sample in context.manifest.split("calibration"))
    caveats.append(f"Operating thresholds rest on {reals} real calibration images.")
    return caveats


def _budget(context: Context) -> list[str]:
    """How long each network was trained; a peer that got less would be no peer."""
    recipe = context.recipe
    if not recipe.baseline.enabled:
        return []
    inherited = recipe.inherited_epochs
    before = f"{inherited} that it starts from, alone or in the teacher, and " if inherited else ""
    return [
        f"Training, epochs of the backbone: plain {recipe.baseline.train.epochs}; student {inherited + recipe.student.train.epochs} "
        f"({before}{recipe.student.train.epochs} of distillation), and {recipe.quantize.train.epochs} more with quantizers for INT8."
    ]
