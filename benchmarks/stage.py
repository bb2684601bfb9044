"""Stage `report`: accuracy and latency of every subject of a run, on the files that ship.

Written as report.json, report.md, report.html and scores.json.
"""

from __future__ import annotations

import datetime
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks.caveats import list_caveats
from benchmarks.devices.measure import check_device, measure_device
from benchmarks.measure import machine, sweep
from benchmarks.measure.gather import find_usable_targets, gather_subjects
from benchmarks.measure.grid import measure_grid
from benchmarks.measure.judge import Judged, judge_subjects, load_images
from benchmarks.measure.twins import build_gates, list_slower_files
from benchmarks.peers.ask import check_if_asked, measure_if_asked
from benchmarks.protocols import build_run_protocols, choose_exit_code, hash_other, read_other
from benchmarks.report import compose
from benchmarks.report.console import console_table
from benchmarks.report.data import ReportData
from benchmarks.report.gaze import list_gaze_caveats, list_gaze_warnings
from benchmarks.report.scores import build_scores
from benchmarks.report.write import write_report
from gazeclip.console.lines import print_line
from gazeclip.console.progress import say
from gazeclip.files.atomic import read_json
from gazeclip.recipe.stages import ReportStage
from gazeclip.run.context import Context
from gazeclip.run.execute import execute
from gazeclip.run.folder import Run
from gazeclip.run.stages import bundle_stage
from gazeclip.system.threads import usable_threads


def run_stage(run: Run, force: bool = False, on_device: Mapping[str, Any] | None = None) -> bool:
    """Write `report/`.

    Args:
        on_device: `device` and `benchmark_model` of this report alone, which is made anew then; one
            that is up to date keeps what it has of a device.
    """
    context = Context(run)
    recipe = context.recipe
    measured = replace(recipe.report, **(on_device or {}))
    stages = ["data", "teacher", "student"]
    if recipe.baseline.enabled:
        stages.append("baseline")
    for precision in recipe.export.precisions:
        for target in recipe.export.targets:
            stages.append(bundle_stage(target, precision))
    inputs = {name: run.output_hash(name) for name in stages}
    # Part of what the report is made from: a bundle that could not be run is not in it.
    usable = find_usable_targets(recipe.export.targets)
    if recipe.report.other_manifest is not None:
        inputs["other"] = hash_other(recipe.report)
    ran = execute(
        run,
        "report",
        config={**asdict(recipe.report), "usable_targets": usable},
        inputs=inputs,
        body=lambda folder: make_report(context, folder, inputs, measured),
        force=force or bool(on_device),
    )
    print_result(run)
    return ran


def find_exit_code(run: Run) -> int:
    """What a command ends with after this stage, see `choose_exit_code`."""
    return choose_exit_code(read_json(run.folder("report") / "report.json"))


def print_result(run: Run) -> None:
    """Print the result table of a finished report, its warnings, and where its page lies."""
    report = read_json(run.folder("report") / "report.json")
    console_table(report, sys.stdout)
    for warning in list_gaze_warnings(report["subjects"]):
        say(warning)
    print_line(f"report: {run.folder('report') / 'report.html'}")


def make_report(
    context: Context, folder: Path, inputs: Mapping[str, str], stage: ReportStage
) -> dict[str, Any]:
    """Measure everything and write the files; returns the stage's metrics."""
    threads = stage.threads or usable_threads()
    # Before anything is computed: what is faulty or missing is told at once.
    check_device(stage)
    check_if_asked(stage)
    other = read_other(context)
    gathered, left_out = gather_subjects(context, threads)
    images = load_images(context)
    judged = judge_subjects(context, gathered, images, threads)
    headline = compose.choose_headline(judged)
    entries = compose.build_entries(context, judged)
    (shown,) = (entry for entry, item in zip(entries, judged, strict=True) if item is headline)
    data = ReportData(
        run=context.run.name,
        machine=machine.describe_machine(),
        subjects=entries,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        caveats=list_caveats(context)
        + list_gaze_caveats(entries)
        + list_slower_files(judged)
        + left_out,
        provenance={
            "seed": context.recipe.seed,
            "stages": dict(inputs),
            "command": "gazeclip benchmark",
            "source": machine.read_commit(),
        },
        headline=headline.subject.name,
        gaze=compose.build_gaze(headline, shown),
        flips=compose.build_flips(judged, images),
        gates=build_gates(context, judged),
        gallery=compose.build_gallery(context, headline, images["test"]),
        scores=build_scores(context, judged),
        protocols=build_run_protocols(context, judged, headline.subject.name, other),
        robustness=measure_robustness(context, judged),
        speed=sweep.measure_speed(list_bundles(context), stage, threads),
        peers=measure_if_asked(list_bundles(context), stage),
        device=measure_device(list_bundles(context), stage),
    )
    write_report(folder, data)
    return {"subjects": len(data.subjects)}


def measure_robustness(context: Context, judged: Sequence[Judged]) -> dict[str, Any] | None:
    """The grid of the float student and of every bundle that an engine runs, if it is asked for.

    Reference evaluators are left out: they judge as the engine's file does, too slowly for a grid.
    """
    stage = context.recipe.report
    if not stage.robustness:
        return None
    subjects = [
        item.subject
        for item in judged
        if item.subject.role == "student" and item.latency is not None
    ]
    limit = stage.robustness_images
    return measure_grid(context.manifest, context.contract, subjects, limit, context.recipe.seed)


def list_bundles(context: Context) -> list[Path]:
    """The folders of the bundles of the recipe's targets and precisions."""
    stage = context.recipe.export
    return [
        context.run.folder(bundle_stage(target, precision))
        for precision in stage.precisions
        for target in stage.targets
    ]
