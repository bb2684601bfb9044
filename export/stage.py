"""Stage `export/<target>`: convert, compare with PyTorch, calibrate on the exported file, and only
then publish the bundle.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from export import registry
from export.calibrate import calibrate
from export.job import ExportJob, Precision
from export.parity import BOUNDS, compare, require_integer, require_parity
from export.runner import open_runner, unfinished_bundle
from gazeclip.bundle.contents import BundleClass, BundleContents, Golden
from gazeclip.bundle.write import write_bundle
from gazeclip.console.progress import say, working
from gazeclip.faces.dataset import render_golden
from gazeclip.files.hashes import sha256
from gazeclip.networks.student import Student
from gazeclip.run.context import Context
from gazeclip.run.execute import execute
from gazeclip.run.folder import Run
from gazeclip.run.stages import bundle_stage
from gazeclip.stages.load import load_run_student
from gazeclip.system.packages import read_versions
from quantize.encoder import count_quantizers
from quantize.stage import load_quantized_student
from runtimes.batches import infer_in_batches

GOLDEN_IMAGES = 8
BATCH_SIZE = 16
# Golden vectors are the file's own outputs; another CPU may round differently. int8: a few
# quantization steps of the last layers, in units of each output (logits carry the logit scale).
GOLDEN_TOLERANCE = {
    "fp32": {"embedding": 2e-3, "logits": 2e-2, "fake_logit": 2e-2, "gaze": 2e-3},
    "fp16": {"embedding": 2e-2, "logits": 2e-1, "fake_logit": 2e-1, "gaze": 2e-2},
    "int8": {"embedding": 1e-1, "logits": 1.0, "fake_logit": 1.0, "gaze": 5e-2},
}


@dataclass(frozen=True)
class Exporter:
    """Everything that the exports of one run share, each read or computed once."""

    run: Run

    @cached_property
    def context(self) -> Context:
        """Recipe and data of the run."""
        return Context(self.run)

    @cached_property
    def student(self) -> Student:
        """The float student."""
        return load_run_student(self.context)

    @cached_property
    def quantized(self) -> Student:
        """The student with fake quantizers."""
        return load_quantized_student(self.context)

    @cached_property
    def golden(self) -> np.ndarray:
        """Procedural faces `(8, S, S, 3)` uint8, the launch self-test of every bundle."""
        return render_golden(
            GOLDEN_IMAGES, self.context.contract.size, seed=self.context.recipe.seed
        )

    @cached_property
    def calibration(self) -> np.ndarray:
        """The calibration split `(N, S, S, 3)` uint8."""
        return self._images("calibration", None)

    @cached_property
    def probes(self) -> np.ndarray:
        """Images for parity: some of val, spread over all labels, and the golden ones."""
        return np.concatenate(
            [self._images("val", self.context.recipe.export.parity_images), self.golden]
        )

    def _images(self, split: str, limit: int | None) -> np.ndarray:
        samples = self.context.manifest.split(split)
        if (
            limit is not None and len(samples) > limit
        ):  # spread over all labels: manifests are sorted by them
            samples = [
                samples[i] for i in np.linspace(0, len(samples) - 1, limit).round().astype(int)
            ]
        return np.stack([self.context.contract.apply(sample.path) for sample in samples])

    def model(self, precision: Precision) -> Student:
        """The PyTorch model that an export of this precision must reproduce."""
        return self.quantized if precision == "int8" else self.student

    @torch.inference_mode()
    def reference(self, precision: Precision) -> dict[str, np.ndarray]:
        """Outputs of that model on `probes`."""
        model = self.model(precision)

        def infer(images: np.ndarray) -> dict[str, np.ndarray]:
            output = model(torch.from_numpy(images).permute(0, 3, 1, 2))
            return {name: value.float().numpy() for name, value in output._asdict().items()}

        return infer_in_batches(infer, self.probes, BATCH_SIZE)


def export_one(exporter: Exporter, target: str, precision: Precision, force: bool = False) -> bool:
    """Write one bundle.

    Raises:
        ConfigError: unknown target or impossible precision.
        StageError: parity was missed; the earlier bundle, if any, is untouched.
    """
    run = exporter.run
    module = registry.load_target(target)
    inputs = {
        name: run.output_hash(name)
        for name in (("student", "quantized") if precision == "int8" else ("student",))
    }
    recipe = exporter.context.recipe
    inputs["data"] = run.output_hash("data")
    config = {
        "target": target,
        "precision": precision,
        "bounds": vars(BOUNDS[precision]),
        "golden_tolerance": GOLDEN_TOLERANCE[precision],
        "parity_images": recipe.export.parity_images,
        "contract": exporter.context.contract.to_dict(),
        "seed": recipe.seed,
    }

    def body(folder: Path) -> dict[str, Any]:
        with working(f"exporting {target} {precision}"):
            return _write(exporter, module, target, precision, folder)

    return execute(
        run,
        bundle_stage(target, precision),
        config=config,
        inputs=inputs,
        body=body,
        force=force,
    )


def _write(
    exporter: Exporter, module: Any, target: str, precision: Precision, folder: Path
) -> dict[str, Any]:
    context, model = exporter.context, exporter.model(precision)
    size = context.contract.size
    started = time.perf_counter()
    encoder = exporter.quantized.encoder if precision == "int8" else None
    job = ExportJob(
        _float_shell(exporter, model),
        encoder,
        precision,
        folder,
        context.classes,
        size,
        {"run": exporter.run.name},
    )
    result = module.export(job)
    seconds = time.perf_counter() - started
    if precision == "int8":
        require_integer(
            result["notes"],
            count_quantizers(exporter.quantized.encoder)["convolutions"],
            f"{target} int8",
        )
    infer, engine = open_runner(
        unfinished_bundle(folder, target, precision, result["model"], size, result.get("io", {}))
    )
    parity = compare(
        exporter.reference(precision), infer_in_batches(infer, exporter.probes, BATCH_SIZE)
    )
    require_parity(parity, precision, f"{target} {precision}")
    calibration = calibrate(
        infer_in_batches(infer, exporter.calibration, BATCH_SIZE), _targets(context)
    )
    contents = BundleContents(
        target=target,
        precision=precision,
        model_file=result["model"],
        classes=[BundleClass(**entry) for entry in context.taxonomy.describe(context.classes)],
        contract=context.contract,
        temperature=calibration.temperature,
        thresholds=calibration.thresholds,
        metrics={**calibration.metrics, "conversion": result["notes"]},
        parity={**parity, "engine": engine, "bounds": vars(BOUNDS[precision])},
        provenance=_provenance(exporter),
        versions=read_versions(),
        text_bank=model.head.text_bank.numpy(),
        golden=Golden(
            exporter.golden,
            infer_in_batches(infer, exporter.golden, BATCH_SIZE),
            GOLDEN_TOLERANCE[precision],
        ),
        io_names=result.get("io", {}),
    )
    write_bundle(folder, contents)
    say(
        f"export: {target} {precision}: {model_size_mb(folder, result['model']):.2f} MB, parity in {engine}: "
        f"embedding cosine min {parity['embedding_cosine_min']:.5f}, probability error max {parity['prob_max_abs']:.2e}, "
        f"verdict agreement {parity['verdict_agreement']:.3f}"
    )
    return {
        "engine": engine,
        "parity": parity,
        "convert_s": round(seconds, 2),
        "model_mb": model_size_mb(folder, result["model"]),
        **result["notes"],
    }


def _float_shell(exporter: Exporter, model: Student) -> Student:
    """The float encoder under the head of `model`: int8 exports take the encoder from the job's
    `quantized_encoder`.
    """
    from quantize.stage import with_encoder

    return with_encoder(model, exporter.student.encoder)


def _targets(context: Context) -> np.ndarray:
    place = {name: number for number, name in enumerate(context.classes)}
    return np.array([place[label] for label in context.manifest.labels("calibration")])


def _provenance(exporter: Exporter) -> dict[str, str]:
    run = exporter.run
    return {
        "student_sha256": sha256(run.folder("student") / "model.safetensors"),
        "teacher_sha256": sha256(run.folder("teacher") / "model.safetensors"),
        "data_manifest_sha256": exporter.context.manifest.content_hash(),
        "taxonomy_sha256": exporter.context.taxonomy.hash,
    }


def model_size_mb(folder: Path, model_file: str) -> float:
    """Size of what an app must carry: the model file, its weight file beside it, or the whole
    package.
    """
    path = folder / model_file
    files = (
        [f for f in path.rglob("*") if f.is_file()]
        if path.is_dir()
        else list(folder.glob(f"{path.stem}.*"))
    )
    return sum(file.stat().st_size for file in files) / 1e6


def run_stage(run: Run, force: bool = False) -> bool:
    """All targets and precisions of the recipe."""
    exporter = Exporter(run)
    stage = exporter.context.recipe.export
    ran = [
        export_one(exporter, target, precision, force)
        for precision in stage.precisions
        for target in stage.targets
    ]
    return any(ran)
