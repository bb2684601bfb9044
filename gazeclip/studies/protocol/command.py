"""`python -m gazeclip protocol`: run a model of a run over the test splits and write the protocol's
tables.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gazeclip.cli.options import find_run
from gazeclip.console.progress import progress_callback, say
from gazeclip.errors import ConfigError, ManifestError, nearest

if TYPE_CHECKING:
    from gazeclip.data.manifest import Manifest
    from gazeclip.run.context import Context
    from gazeclip.scoring.outputs import SplitOutputs

MODELS = ("teacher", "baseline", "student")
TESTS = ("test", "test_unseen")


def add_protocol(commands: Any) -> None:
    """The sub-command on the program's sub-parsers."""
    text = "score a run's model on seen and unseen generators, unseen families and another data set"
    parser = commands.add_parser("protocol", help=text, description=text, allow_abbrev=False)
    parser.add_argument(
        "--run", type=Path, metavar="DIR", help="run folder (default: the most recent one)"
    )
    parser.add_argument(
        "--model", default="teacher", metavar="NAME", help=f"{', '.join(MODELS)} (default: teacher)"
    )
    parser.add_argument(
        "--manifest", type=Path, metavar="FILE", help="manifest of another data set, for P4"
    )
    parser.add_argument(
        "--taxonomy", metavar="NAME", help="its taxonomy, preset or YAML file (default: the run's)"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="where to write (default: RUN/protocol/MODEL)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.set_defaults(command=run_protocol)


def run_protocol(args: argparse.Namespace) -> int:
    """Measure, write `protocol.json` and `protocol.md`, print.

    Raises:
        ConfigError: unknown model, or a taxonomy without a manifest.
        StageError: no such run, or the stage that makes the model has not run.
    """
    if args.model not in MODELS:
        raise ConfigError(f"unknown model '{args.model}'", remedy=nearest(args.model, MODELS))
    if args.taxonomy is not None and args.manifest is None:
        raise ConfigError(
            "--taxonomy is that of another data set",
            remedy="Name its manifest as well: --manifest FILE",
        )
    run = find_run(args.run)
    for stage in ("data", args.model):
        run.manifest(stage)
    from gazeclip.files.atomic import write_json, write_text
    from gazeclip.run.context import Context
    from gazeclip.studies.protocol.tables import markdown, print_report

    report = measure(Context(run), args.model, args.manifest, args.taxonomy)
    out = args.out if args.out is not None else run.folder("protocol") / args.model
    write_json(out / "protocol.json", report)
    write_text(out / "protocol.md", markdown(report))
    if args.json:
        print(json.dumps(report, indent=2, allow_nan=False, ensure_ascii=False))
    else:
        print_report(report, sys.stdout)
    say(f"protocol: {out / 'protocol.md'}")
    return 0


def measure(
    context: Context, name: str, other: Path | None = None, other_taxonomy: str | None = None
) -> dict[str, Any]:
    """The contents of `protocol.json`."""
    from gazeclip.studies.protocol.evaluate import evaluate_other, evaluate_protocol, fit_threshold
    from gazeclip.taxonomy import Taxonomy

    taxonomy, classes, recipe = context.taxonomy, context.classes, context.recipe
    made_from: dict[str, Any] = {
        "manifest_sha256": context.manifest.content_hash(),
        "model_sha256": context.run.output_hash(name),
        "taxonomy": f"{taxonomy.name} ({taxonomy.hash})",
        "cite": list(taxonomy.cite),
        "seed": recipe.seed,
        "bootstrap": recipe.report.bootstrap,
    }
    second = None
    if other is not None:  # before anything is computed: a faulty manifest is told at once
        second = _read_other(
            other,
            Taxonomy.load(other_taxonomy) if other_taxonomy is not None else taxonomy,
            context,
        )
        made_from |= {"other_manifest": str(other), "other_manifest_sha256": second.content_hash()}
        made_from["other_taxonomy"] = f"{second.taxonomy.name} ({second.taxonomy.hash})"
        made_from["cite"] += [
            text for text in second.taxonomy.cite if text not in made_from["cite"]
        ]
    model = _load(context, name)
    run = {
        split: outputs_on(context, model, context.manifest, (split,), f"{name} on {split}")
        for split in ("val", *TESTS)
    }
    threshold = fit_threshold(run["val"])
    options: dict[str, Any] = {
        "threshold": threshold,
        "bootstrap": recipe.report.bootstrap,
        "seed": recipe.seed,
    }
    protocols = evaluate_protocol(
        {split: run[split] for split in TESTS}, taxonomy, classes, **options
    )
    if second is not None:
        outputs = outputs_on(context, model, second, TESTS, f"{name} on {second.path.name}")
        protocols["P4"] = evaluate_other(outputs, second.taxonomy, taxonomy, classes, **options)
    at = None if threshold is None else asdict(threshold)
    return {
        "run": context.run.name,
        "model": name,
        "classes": list(classes),
        "threshold": at,
        "protocols": protocols,
        "made_from": made_from,
    }


def _load(context: Context, name: str) -> Callable[[Any], Any]:
    """`pixels -> outputs` of the run's model of that name."""
    if name == "teacher":
        from gazeclip.stages.load import load_teacher, teacher_function

        return teacher_function(load_teacher(context))  # type: ignore[no-any-return]
    if name == "baseline":
        from gazeclip.stages.load import load_classifier

        return load_classifier(context, "baseline")
    from gazeclip.stages.load import load_run_student

    return load_run_student(context)


def outputs_on(
    context: Context,
    model: Callable[[Any], Any],
    manifest: Manifest,
    splits: tuple[str, ...],
    title: str,
) -> SplitOutputs:
    """Outputs on all images of these splits, with a bar."""
    import numpy as np

    from gazeclip.data.dataset import FaceDataset
    from gazeclip.scoring.outputs import SplitOutputs
    from gazeclip.training.validation import predict

    datasets = [FaceDataset(manifest, split, context.contract, context.classes) for split in splits]
    total, done = sum(map(len, datasets)), 0
    parts: list[dict[str, Any]] = []
    with progress_callback(title) as update:

        def counted(batch: Any) -> Any:
            nonlocal done
            output = model(batch["pixels"])
            done += len(batch["pixels"])
            update(done, total)
            return output

        parts = [
            predict(counted, dataset, workers=context.recipe.data.workers)
            for dataset in datasets
            if len(dataset)
        ]
    samples = [sample for dataset in datasets for sample in dataset.samples]
    labels, people = (
        tuple(sample.label for sample in samples),
        tuple(sample.person for sample in samples),
    )
    if not parts:
        return SplitOutputs(
            np.zeros(0), np.zeros((0, len(context.classes))), labels, identities=people
        )
    fake_logit, logits = (
        np.concatenate([part[key] for part in parts]) for key in ("fake_logit", "logits")
    )
    return SplitOutputs(fake_logit, logits, labels, identities=people)


def _read_other(path: Path, taxonomy: Any, context: Context) -> Manifest:
    """The test images of another manifest, which needs no other splits.

    Raises:
        ManifestError: unusable rows, no test image, missing files, or images that the run has
            trained or tuned on.
    """
    from gazeclip.data.manifest import TUNED, Manifest
    from gazeclip.data.rows import read_samples

    samples = tuple(sample for sample in read_samples(path, taxonomy) if sample.split in TESTS)
    if not samples:
        raise ManifestError(
            f"{path} has no image in {' or '.join(TESTS)}",
            remedy="P4 scores these two splits; give its images one of them",
        )
    missing = [sample.path for sample in samples if not sample.path.is_file()]
    if missing:
        raise ManifestError(
            f"{len(missing)} image(s) of {path} are missing, the first: {missing[0]}",
            remedy="Correct the paths",
        )
    learned = [sample.path for sample in context.manifest.samples if sample.split in TUNED]
    shared = _same_files([sample.path for sample in samples], learned)
    if shared:
        what = f"{len(shared)} test image(s) of {path} are among those that this run was trained or tuned on, the first: {shared[0]}"
        raise ManifestError(
            what, remedy="Leave them out; figures on them are no figures on another data set"
        )
    return Manifest(path, samples, taxonomy)


def _same_files(tests: list[Path], learned: list[Path]) -> list[Path]:
    """Those of `tests` whose content is that of a file of `learned`. Only files of equal size are
    read.
    """
    from gazeclip.files.hashes import sha256

    sizes: dict[int, list[Path]] = {}
    for path in learned:
        sizes.setdefault(path.stat().st_size, []).append(path)
    hashes: dict[int, set[str]] = {}
    shared = []
    for path in tests:
        size = path.stat().st_size
        if size in sizes and size not in hashes:
            hashes[size] = {sha256(file) for file in sizes[size]}
        if size in hashes and sha256(path) in hashes[size]:
            shared.append(path)
    return shared
