"""P1 to P4 of a report's subjects, and how many of the images that nobody checked were judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure.coverage import EXIT_UNJUDGED, Coverage, describe_coverage, judge_covered
from benchmarks.measure.judge import SPLITS, Judged
from benchmarks.measure.protocols import (
    BOTH,
    OTHER,
    Figures,
    Resampling,
    measure_images,
    measure_protocols,
)
from benchmarks.measure.subject import Subject
from gazeclip.bundle.bundle import Bundle
from gazeclip.console.progress import say
from gazeclip.data.manifest import Manifest
from gazeclip.errors import ManifestError
from gazeclip.files.hashes import fingerprint, sha256
from gazeclip.images.preprocess import PixelContract
from gazeclip.recipe.stages import ReportStage
from gazeclip.run.context import Context
from gazeclip.scoring.outputs import SplitOutputs
from gazeclip.stages.data import hash_file_times
from gazeclip.studies.judge import label_outputs
from gazeclip.studies.protocol.leaks import read_other_manifest
from gazeclip.taxonomy import Taxonomy


def read_other(context: Context) -> Manifest | None:
    """The data set of P4 that the recipe names; None where it names none.

    Raises:
        ManifestError: it is faulty, or holds images that the run has learned from.
    """
    stage = context.recipe.report
    if stage.other_manifest is None:
        return None
    taxonomy = context.taxonomy
    if stage.other_taxonomy is not None:
        taxonomy = Taxonomy.load(stage.other_taxonomy)
    return read_other_manifest(Path(stage.other_manifest), taxonomy, context.manifest)


def hash_other(stage: ReportStage) -> str:
    """What P4's figures depend on: the rows, the taxonomy, and each image's size and time.

    An image that could not be read and was mended since makes them anew.

    Raises:
        ManifestError: the manifest is not there.
    """
    manifest = Path(str(stage.other_manifest))
    if not manifest.is_file():
        remedy = "Name another: --manifest FILE; or leave P4 out: --set report.other_manifest=null"
        raise ManifestError(f"manifest {manifest} does not exist", remedy=remedy)
    named = stage.other_taxonomy
    taxonomy = None if named is None else Taxonomy.load(named).hash
    return fingerprint([sha256(manifest), hash_file_times(manifest), taxonomy])


def build_run_protocols(
    context: Context, judged: Sequence[Judged], headline: str, other: Manifest | None
) -> dict[str, Any]:
    """`protocols` of report.json: P1 to P3 of every subject, and of every one that is timed P4."""
    resampling = Resampling(context.recipe.report.bootstrap, context.recipe.seed)
    subjects = []
    for item in judged:
        of_run = measure_protocols(
            item.outputs, item.rule, context.taxonomy, context.classes, resampling
        )
        subjects.append(_describe(item.subject, of_run))
    coverage = None
    if other is not None:
        coverage = Coverage()
        samples = [sample for split in SPLITS for sample in other.split(split)]
        # Reference evaluators judge as the engine's file does, and take minutes.
        timed = [number for number, item in enumerate(judged) if item.latency is not None]
        predictors = [judged[number].subject.predict for number in timed]
        title = other.path.name
        kept, found = judge_covered(samples, context.contract, coverage, title, predictors)
        for number, arrays in zip(timed, found, strict=True):
            outputs = label_outputs(kept, arrays)
            rule = judged[number].rule
            figures = measure_images(OTHER, BOTH, outputs, rule, resampling)
            subjects[number]["protocols"][OTHER] = figures
    return _finish(subjects, headline, coverage)


def judge_manifest(
    manifest: Manifest, contract: PixelContract, subjects: Sequence[Subject]
) -> tuple[list[dict[str, SplitOutputs]], Coverage]:
    """What each subject says of the test splits of a data set that nobody has checked."""
    coverage = Coverage()
    predictors = [subject.predict for subject in subjects]
    judged: list[dict[str, SplitOutputs]] = [{} for _ in subjects]
    for split in SPLITS:
        samples = manifest.split(split)
        if samples:
            kept, answers = judge_covered(samples, contract, coverage, split, predictors)
            for outputs, arrays in zip(judged, answers, strict=True):
                outputs[split] = label_outputs(kept, arrays)
    return judged, coverage


def build_bundle_protocols(
    manifest: Manifest,
    subjects: Sequence[Subject],
    bundles: Sequence[Bundle],
    judged: Sequence[Mapping[str, SplitOutputs]],
    coverage: Coverage,
    resampling: Resampling,
) -> dict[str, Any]:
    """The same of bundles: P1 to P3 on the data they were made from, else P4.

    Another data set that names the same generators has other images of them: P4, as
    `build_run_protocols` has it.

    Args:
        judged, coverage: of `judge_manifest`.
    """
    entries = []
    for subject, bundle, outputs in zip(subjects, bundles, judged, strict=True):
        found = _measure_bundle(subject, bundle, outputs, manifest, resampling)
        entries.append(_describe(subject, found))
    return _finish(entries, None, coverage)


def is_made_from(bundle: Bundle, manifest: Manifest) -> bool:
    """Whether a bundle's classes were learned from this very data set."""
    classes = {one.name for one in bundle.classes}
    known = {one.name for one in manifest.taxonomy.generators}
    own = bundle.meta["provenance"].get("data_manifest_sha256") == manifest.hash_file()
    return own and classes <= known


def _measure_bundle(
    subject: Subject,
    bundle: Bundle,
    outputs: Mapping[str, SplitOutputs],
    manifest: Manifest,
    resampling: Resampling,
) -> dict[str, Figures]:
    rule = subject.require_rule()
    if is_made_from(bundle, manifest):
        classes = [one.name for one in bundle.classes]
        return measure_protocols(outputs, rule, manifest.taxonomy, classes, resampling)
    return {
        f"{OTHER} {split}": measure_images(OTHER, split, one, rule, resampling)
        for split, one in outputs.items()
    }


def _describe(subject: Subject, found: dict[str, Figures]) -> dict[str, Any]:
    return {
        "name": subject.name,
        "engine": subject.engine,
        "precision": subject.precision,
        "protocols": found,
    }


def _finish(
    subjects: list[dict[str, Any]], headline: str | None, coverage: Coverage | None
) -> dict[str, Any]:
    return {
        "subjects": subjects,
        "headline": headline,
        "coverage": None if coverage is None else coverage.to_dict(),
    }


def choose_exit_code(report: Mapping[str, Any]) -> int:
    """3 and a line if more images than may be could not be judged; else 0."""
    coverage = (report.get("protocols") or {}).get("coverage")
    if coverage is None or not coverage["not_judged"]:
        return 0
    say(f"report: {describe_coverage(coverage)}")
    return 0 if coverage["covered"] else EXIT_UNJUDGED
