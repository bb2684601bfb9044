"""Run one model of a run over val and the test splits: the contents of `protocol.json`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gazeclip.data.manifest import Manifest
from gazeclip.run.context import Context
from gazeclip.stages.load import load_classifier, load_run_student, load_teacher, teacher_function
from gazeclip.studies.judge import judge_splits
from gazeclip.studies.protocol.evaluate import evaluate_other, evaluate_protocol, fit_threshold
from gazeclip.studies.protocol.leaks import TESTS, read_other_manifest
from gazeclip.taxonomy import Taxonomy


def measure_model(
    context: Context, name: str, other: Path | None = None, other_taxonomy: str | None = None
) -> dict[str, Any]:
    """Threshold, P1 to P3, and with the manifest of another data set P4.

    Args:
        name: `teacher`, `baseline` or `student`.
        other: that manifest; `other_taxonomy`: what its labels mean (default: as in the run).

    Raises:
        ManifestError: the other manifest is faulty, or holds images that the model has learned.
        StageError: the stage that makes the model has not run.
    """
    second = None
    if other is not None:  # before anything is computed: a faulty manifest is told at once
        taxonomy = context.taxonomy
        if other_taxonomy is not None:
            taxonomy = Taxonomy.load(other_taxonomy)
        second = read_other_manifest(other, taxonomy, context.manifest)
    made_from = _describe_origin(context, name, second)

    model = load_model(context, name)
    outputs = {}
    for split in ("val", *TESTS):
        title = f"{name} on {split}"
        outputs[split] = judge_splits(context, model, context.manifest, (split,), title)
    threshold = fit_threshold(outputs.pop("val"))
    options: dict[str, Any] = {
        "threshold": threshold,
        "bootstrap": context.recipe.report.bootstrap,
        "seed": context.recipe.seed,
    }
    protocols = evaluate_protocol(outputs, context.taxonomy, context.classes, **options)
    if second is not None:
        found = judge_splits(context, model, second, TESTS, f"{name} on {second.path.name}")
        protocols["P4"] = evaluate_other(
            found, second.taxonomy, context.taxonomy, context.classes, **options
        )
    return {
        "run": context.run.name,
        "model": name,
        "classes": list(context.classes),
        "threshold": None if threshold is None else asdict(threshold),
        "protocols": protocols,
        "made_from": made_from,
    }


def load_model(context: Context, name: str) -> Callable[[Any], Any]:
    """The run's model of that name: pixels uint8 `(B, 3, S, S)` -> outputs."""
    if name == "teacher":
        return teacher_function(load_teacher(context))  # type: ignore[no-any-return]
    if name == "baseline":
        return load_classifier(context, "baseline")
    return load_run_student(context)


def _describe_origin(context: Context, name: str, other: Manifest | None) -> dict[str, Any]:
    """Data, model and settings behind the figures, with what to cite."""
    origin: dict[str, Any] = {
        "manifest_sha256": context.manifest.hash_file(),
        "model_sha256": context.run.output_hash(name),
        "taxonomy": _name_taxonomy(context.taxonomy),
        "cite": list(context.taxonomy.cite),
        "seed": context.recipe.seed,
        "bootstrap": context.recipe.report.bootstrap,
    }
    if other is not None:
        origin["other_manifest"] = str(other.path)
        origin["other_manifest_sha256"] = other.hash_file()
        origin["other_taxonomy"] = _name_taxonomy(other.taxonomy)
        origin["cite"] = list(dict.fromkeys([*origin["cite"], *other.taxonomy.cite]))
    return origin


def _name_taxonomy(taxonomy: Taxonomy) -> str:
    return f"{taxonomy.name} ({taxonomy.hash})"
