"""A report on any bundles: what they cost, and how they bear disturbances."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.devices.measure import check_device, measure_device
from benchmarks.measure import machine, sweep
from benchmarks.measure.accuracy import evaluate_splits
from benchmarks.measure.gather import Gathered, open_bundle
from benchmarks.measure.grid import measure_grid
from benchmarks.measure.latency import LatencyConfig, LatencyStats, measure_latency
from benchmarks.measure.protocols import Resampling
from benchmarks.measure.subject import Subject
from benchmarks.peers.ask import check_if_asked, measure_if_asked
from benchmarks.protocols import build_bundle_protocols, is_made_from, judge_manifest
from benchmarks.report.data import ReportData, describe_subject, find_headline
from benchmarks.report.write import write_report
from gazeclip.bundle.bundle import Bundle
from gazeclip.bundle.trust import load_trusted
from gazeclip.console.progress import progress_callback, say
from gazeclip.data.manifest import Manifest, read_manifest
from gazeclip.errors import ConfigError
from gazeclip.recipe.stages import ReportStage
from gazeclip.system.threads import usable_threads
from gazeclip.taxonomy import Taxonomy

CAVEAT = (
    "Bundles without their run: nothing is said here of accuracy but on images that were named, "
    "where each answers at its own threshold."
)


@dataclass(frozen=True)
class Images:
    """The data set whose test splits are judged, with --robustness under disturbances too."""

    manifest: Path
    taxonomy: str


def report_bundles(
    folders: Sequence[Path],
    stage: ReportStage,
    images: Images | None,
    out: Path,
    seed: int = 0,
    trusted: Path | None = None,
) -> dict[str, Any]:
    """Measure bundles and write report.json, report.md and report.html into `out`.

    Args:
        trusted: as of `load_trusted`.

    Returns the contents of report.json.

    Raises:
        ConfigError: a grid without images, or bundles that scale images in different ways.
        ConfigError, StageError: the device that was named cannot be reached, or there is no room
            for the peers.
        BundleError, ManifestError: a bundle or the manifest is unusable, or a bundle is not signed
            by the key that is pinned.
    """
    bundles = [load_trusted(folder, trusted) for folder in folders]
    check_device(stage)
    check_if_asked(stage)
    manifest = _read_images(bundles, stage, images)
    threads = stage.threads or usable_threads()
    gathered = []
    for bundle, name in zip(bundles, sweep.name_folders(folders), strict=True):
        gathered.append(_open_named(bundle, name, threads))
    latencies = _time_bundles(gathered, bundles, threads, stage.latency_seconds)
    found = Judgement()
    timed = [number for number, item in enumerate(gathered) if item.timed]
    if manifest is not None and timed:
        subjects = [gathered[number].subject for number in timed]
        found = _judge_images(manifest, subjects, [bundles[n] for n in timed], stage, seed)
    elif manifest is not None:
        say("report: no image is judged: none of these bundles' engines is here")
    entries = []
    for item in gathered:
        name = item.subject.name
        entries.append(
            describe_subject(item.subject, latencies.get(name), found.accuracy.get(name))
        )
    protocols = found.protocols
    if protocols is not None:
        shown = find_headline(entries)
        protocols = {**protocols, "headline": shown and shown["name"]}
    data = ReportData(
        run=", ".join(dict.fromkeys(folder.name for folder in folders)),
        machine=machine.describe_machine(),
        subjects=entries,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        caveats=[CAVEAT],
        provenance={
            "bundles": {str(bundle.folder): bundle.digest for bundle in bundles},
            "source": machine.read_commit(),
        },
        speed=sweep.measure_speed(folders, stage, threads),
        protocols=protocols,
        robustness=found.grid,
        peers=measure_if_asked(folders, stage),
        device=measure_device(folders, stage),
    )
    write_report(out, data)
    return data.to_json()


def _read_images(
    bundles: Sequence[Bundle], stage: ReportStage, images: Images | None
) -> Manifest | None:
    """The manifest, checked without decoding; None where no images are given."""
    if images is None:
        if not stage.robustness:
            return None
        raise ConfigError(
            "the robustness grid of bundles needs images",
            remedy="Name a data set: --manifest FILE --taxonomy NAME",
        )
    contracts = {bundle.contract for bundle in bundles}
    if len(contracts) > 1:
        ways = sorted(f"{one.size} px ({one.interpolation})" for one in contracts)
        raise ConfigError(
            f"bundles for images of {' and '.join(ways)} on one data set",
            remedy="Measure those of one way to scale images at a time",
        )
    return read_manifest(images.manifest, Taxonomy.load(images.taxonomy), check_images=False)


def _open_named(bundle: Bundle, name: str, threads: int) -> Gathered:
    """Called by its folder, as two bundles may be of the same target and precision."""
    found = open_bundle(bundle, threads)
    return replace(found, subject=replace(found.subject, name=name))


@dataclass(frozen=True)
class Judgement:
    """What named images say of bundles: `protocols` and `robustness` of report.json.

    `accuracy`: by name, of those that were made from these very images; what others learned is not
    known, and P4 is all that is said of them.
    """

    protocols: dict[str, Any] | None = None
    accuracy: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    grid: dict[str, Any] | None = None


def _judge_images(
    manifest: Manifest,
    subjects: Sequence[Subject],
    bundles: Sequence[Bundle],
    stage: ReportStage,
    seed: int,
) -> Judgement:
    contract = bundles[0].contract
    judged, coverage = judge_manifest(manifest, contract, subjects)
    resampling = Resampling(stage.bootstrap, seed)
    protocols = build_bundle_protocols(manifest, subjects, bundles, judged, coverage, resampling)
    accuracy = {}
    for subject, bundle, outputs in zip(subjects, bundles, judged, strict=True):
        if is_made_from(bundle, manifest):
            accuracy[subject.name] = evaluate_splits(
                outputs,
                manifest.taxonomy,
                [one.name for one in bundle.classes],
                temperature=subject.temperature,
                rule=subject.rule,
                bootstrap=stage.bootstrap,
                seed=seed,
            )
    grid = None
    if stage.robustness:
        grid = measure_grid(manifest, contract, subjects, stage.robustness_images, seed)
    return Judgement(protocols, accuracy, grid)


def _time_bundles(
    gathered: Sequence[Gathered], bundles: Sequence[Bundle], threads: int, seconds: float
) -> dict[str, LatencyStats]:
    """Each on one of its golden images."""
    calls = {}
    for item, bundle in zip(gathered, bundles, strict=True):
        if item.timed:
            calls[item.subject.name] = partial(item.subject.infer, bundle.golden[0][:1])
    config = LatencyConfig(budget_s=seconds)
    with progress_callback("latency") as update:
        return measure_latency(calls, config, threads=threads, progress=update)
