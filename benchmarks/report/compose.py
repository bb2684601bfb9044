"""From judged subjects to what the report shows of each, and of all together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.measure import curves
from benchmarks.measure.accuracy import LEVELS, evaluate_splits
from benchmarks.measure.gaze import measure_gaze
from benchmarks.measure.judge import Judged
from benchmarks.measure.shipped import find_flips, measure_agreement
from benchmarks.measure.subject import TORCH
from benchmarks.report.data import Flips, GalleryItem, describe_subject, encode_thumbnail
from benchmarks.report.gaze import may_draw
from gazeclip.run.context import Context
from gazeclip.taxonomy import REAL

GALLERY_PER_LABEL = 1


def build_entries(context: Context, judged: Sequence[Judged]) -> list[dict[str, Any]]:
    """The subjects as report.json lists them, exported ones compared with the float student."""
    reference = next(
        item
        for item in judged
        if item.subject.role == "student" and item.subject.framework == TORCH
    )
    entries = []
    for item, gaze in zip(judged, measure_gaze(context, judged), strict=True):
        accuracy = evaluate_splits(
            item.outputs,
            context.taxonomy,
            context.classes,
            temperature=item.subject.temperature,
            rule=item.subject.rule,
            bootstrap=context.recipe.report.bootstrap,
            seed=context.recipe.seed,
        )
        drawn = build_curves(context, item)
        entry = describe_subject(item.subject, item.latency, accuracy, drawn, gaze)
        if item.subject.role == "student" and item is not reference:
            agreement = measure_agreement(
                reference.outputs, reference.rule, item.outputs, item.rule
            )
            entry["parity"]["verdict_agreement_fp32"] = agreement
        entries.append(entry)
    return entries


def build_curves(context: Context, item: Judged) -> dict[str, Any]:
    """Split -> ROC points and confusion matrix."""
    temperature = item.subject.temperature
    found = {}
    for split, outputs in item.outputs.items():
        found[split] = {
            "roc": curves.roc_points(outputs.is_fake, item.rule.rank(outputs)),
            "confusion": curves.confusion_counts(
                outputs, context.taxonomy, context.classes, LEVELS[split], temperature
            ),
        }
    return found


def choose_headline(judged: Sequence[Judged]) -> Judged:
    """The student that the page shows in detail.

    The first INT8 bundle that a real engine runs and the gate did not reject, else the float
    student.
    """
    students = [item for item in judged if item.subject.role == "student"]
    for item in students:
        said = item.subject.gate
        is_rejected = said is not None and not said["accepted"]
        if item.latency is not None and item.subject.precision == "int8" and not is_rejected:
            return item
    return students[0]


def build_gaze(item: Judged, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Split -> gaze of real and forged faces as the subject reads it.

    Empty if it reads none. A split on which its gaze is not shown to beat a constant is left out: a
    histogram of it would say where faces look, and nothing is known of that.
    """
    found = {}
    for split, outputs in item.outputs.items():
        if outputs.gaze is None or not may_draw(entry, split):
            continue
        histogram = curves.gaze_histogram(outputs.gaze, outputs.is_fake)
        if histogram is not None:
            found[split] = histogram
    return found


def build_flips(judged: Sequence[Judged], images: Mapping[str, np.ndarray]) -> list[Flips]:
    """Exported fp32 against its INT8 twin, each answering as its bundle says."""
    by_identity = {item.subject.identity: item for item in judged}
    result = []
    for before in judged:
        subject = before.subject
        after = by_identity.get(subject.identity.at_precision("int8"))
        if subject.framework == TORCH or subject.precision != "fp32" or after is None:
            continue
        for split, pixels in images.items():
            items = find_flips(
                (before.outputs[split], before.rule), (after.outputs[split], after.rule)
            )
            shown = [{**item, "image": encode_thumbnail(pixels[item["index"]])} for item in items]
            result.append(Flips(subject.name, after.subject.name, split, len(pixels), shown))
    return result


def build_gallery(context: Context, item: Judged, images: np.ndarray) -> list[GalleryItem]:
    """The first images of every label of `test`, `images (N, S, S, 3)`, with their verdicts."""
    outputs = item.outputs["test"]
    llr = item.rule.weigh(outputs)
    answers = item.rule.answer(outputs)
    forged = 1 + outputs.logits[:, 1:].argmax(axis=1)  # class 0 is real
    labels = np.array(outputs.labels)
    items = []
    for label in dict.fromkeys(outputs.labels):
        for place in np.flatnonzero(labels == label)[:GALLERY_PER_LABEL]:
            title = ""
            if answers[place] != REAL:
                title = context.taxonomy.get(context.classes[forged[place]]).title
            thumbnail = encode_thumbnail(images[place])
            answer = str(answers[place])
            items.append(GalleryItem(thumbnail, label, answer, float(llr[place]), title))
    return items
