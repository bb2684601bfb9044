"""Stage `export/<target>`: convert, compare with PyTorch, calibrate, and only then publish."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from export import registry
from export.blame import blame_student
from export.coreml_options import list_options
from export.exporter import Exporter
from export.facts import (
    describe_answers,
    describe_crop,
    describe_parameters,
    describe_sources,
    model_size_mb,
)
from export.gate import BATCH_SIZE, TWIN, refuse_rejected_files
from export.head_weights import pack_head
from export.job import ExportJob, Result
from export.parity import BOUNDS, compare_outputs, require_integer, require_parity
from export.runner import open_runner, unfinished_bundle
from gazeclip.bundle.contents import BundleClass, BundleContents, Golden
from gazeclip.bundle.layout import SHIPPED_POINT, Precision
from gazeclip.bundle.rule import Rule
from gazeclip.bundle.write import write_bundle
from gazeclip.console.progress import say, working
from gazeclip.run.execute import execute
from gazeclip.run.folder import Run
from gazeclip.run.stages import bundle_stage
from gazeclip.run.versions import read_versions
from gazeclip.stages.calibrate import calibrate_on_run
from quantize.encoder import count_quantizers
from runtimes.batches import Infer, infer_in_batches

# Golden vectors are the file's own outputs; another CPU may round differently. int8: a few
# quantization steps of the last layers, in units of each output (logits carry the logit scale).
GOLDEN_TOLERANCE = {
    "fp32": {"embedding": 2e-3, "logits": 2e-2, "fake_logit": 2e-2, "gaze": 2e-3},
    "fp16": {"embedding": 2e-2, "logits": 2e-1, "fake_logit": 2e-1, "gaze": 2e-2},
    "w8": {"embedding": 2e-3, "logits": 2e-2, "fake_logit": 2e-2, "gaze": 2e-3},
    "int8": {"embedding": 1e-1, "logits": 1.0, "fake_logit": 1.0, "gaze": 5e-2},
}


def export_one(exporter: Exporter, target: str, precision: Precision, force: bool = False) -> bool:
    """Write one bundle; first its fp32 twin, if the gate needs it and it is out of date.

    Raises:
        ConfigError: unknown target or impossible precision.
        StageError: parity was missed; the earlier bundle, if any, is untouched.
    """
    run = exporter.run
    registry.load_target(target)  # refused before anything is read
    read = ("student", "quantized", "data") if precision == "int8" else ("student", "data")
    inputs = {name: run.output_hash(name) for name in read}
    config = describe_config(exporter, target, precision)
    if "gate" in config:
        export_one(exporter, target, TWIN)
        twin = bundle_stage(target, TWIN)
        inputs[twin] = run.output_hash(twin)

    def body(folder: Path) -> dict[str, Any]:
        with working(f"exporting {target} {precision}"):
            return _write_export(exporter, target, precision, folder)

    return execute(
        run,
        bundle_stage(target, precision),
        config=config,
        inputs=inputs,
        body=body,
        force=force,
    )


def describe_config(exporter: Exporter, target: str, precision: Precision) -> dict[str, Any]:
    """All settings that a bundle depends on beside those of the stages before."""
    recipe = exporter.context.recipe
    judged = exporter.gate.enabled and precision != TWIN
    return {
        "target": target,
        "precision": precision,
        "bounds": vars(BOUNDS[precision]),
        "golden_tolerance": GOLDEN_TOLERANCE[precision],
        "parity_images": recipe.export.parity_images,
        "target_miss": recipe.export.target_miss,
        **({"head_weights": recipe.export.head_weights} if precision in ("w8", "int8") else {}),
        # Nothing where it is baked, so that earlier exports stay up to date.
        **({"text_bank": "external"} if exporter.external_bank else {}),
        **list_options(exporter.coreml, target),
        "contract": exporter.context.contract.to_dict() | describe_crop(exporter.context),
        "seed": recipe.seed,
        **({"gate": asdict(exporter.gate)} if judged else {}),
    }


def _write_export(
    exporter: Exporter, target: str, precision: Precision, folder: Path
) -> dict[str, Any]:
    """Convert, compare, calibrate and write the bundle; what the stage's record says of it."""
    started = time.perf_counter()
    what = f"{target} {precision}"
    with blame_student(what):
        result = registry.load_target(target).export(_make_job(exporter, precision, folder))
    seconds = time.perf_counter() - started
    if precision == "int8":
        # `runtimes.load` warns by it where products of more bits would saturate.
        made = exporter.run.manifest("quantized")["config"].get("quantize")
        if made is not None:  # a folder without its stage's record does not say
            result["notes"]["overflow_fix"] = made["overflow_fix"]
        # Not all convolutions: the ladder may have left some in float.
        convolutions = count_quantizers(exporter.quantized.encoder)["weight_quantizers"]
        require_integer(result["notes"], convolutions, what)
    infer, engine = _open_file(exporter, target, precision, result, folder)
    parity = compare_outputs(
        exporter.compute_reference(precision), infer_in_batches(infer, exporter.probes, BATCH_SIZE)
    )
    require_parity(parity, precision, what)
    stated = {**parity, "engine": engine, "bounds": vars(BOUNDS[precision])}
    contents = _gather_contents(exporter, target, precision, result, infer, stated)
    write_bundle(folder, contents)
    size_mb = model_size_mb(folder, result["model"])
    say(
        f"export: {what}: {size_mb:.2f} MB, parity in {engine}: "
        f"embedding cosine min {parity['embedding_cosine_min']:.5f}, "
        f"probability error max {parity['prob_max_abs']:.2e}, "
        f"agreement of signs {parity['sign_agreement']:.3f}"
    )
    return {
        "engine": engine,
        "parity": parity,
        "convert_s": round(seconds, 2),
        "model_mb": size_mb,
        "gate": contents.gate,
        **result["notes"],
    }


def _open_file(
    exporter: Exporter, target: str, precision: Precision, result: Result, folder: Path
) -> tuple[Infer, str]:
    """The converted file in its engine, with the student's own classes; and the engine's name."""
    bank = None
    if "bank_input" in result:
        bank = (result["bank_input"], exporter.model_of(precision).head.text_bank.numpy())
    size = exporter.context.contract.size
    names = result.get("io", {})
    file = result["model"]
    return open_runner(unfinished_bundle(folder, target, precision, file, size, names, bank))


def _make_job(exporter: Exporter, precision: Precision, folder: Path) -> ExportJob:
    student = exporter.model_of(precision)
    if precision == "int8":
        # The head tuned for it over the float encoder: targets take the quantized one from the job.
        student = student.with_encoder(exporter.student.encoder)
    job = ExportJob(
        student=student,
        quantized_encoder=exporter.quantized.encoder if precision == "int8" else None,
        precision=precision,
        out_dir=folder,
        classes=exporter.context.classes,
        image_size=exporter.context.contract.size,
        metadata={"run": exporter.context.recipe.name},
        stripped=exporter.stripped if precision == "int8" else None,
        external_bank=exporter.external_bank,
        coreml=exporter.coreml,
    )
    return pack_head(job, exporter.context.recipe.export.head_weights)


def _gather_contents(
    exporter: Exporter,
    target: str,
    precision: Precision,
    result: Result,
    infer: Infer,
    parity: dict[str, Any],
) -> BundleContents:
    """All of a bundle but the model file; calibrated on what that file itself says."""
    context = exporter.context
    config = describe_config(exporter, target, precision)
    outputs = infer_in_batches(infer, exporter.calibration, BATCH_SIZE)
    calibration = calibrate_on_run(context, outputs, exporter.candidates)
    gate = None
    if exporter.gate.enabled and precision != TWIN:
        rule = Rule(calibration.evidence, calibration.thresholds[SHIPPED_POINT])
        gate = exporter.gatekeeper.judge_file(target, precision, infer, rule)
    golden_outputs = infer_in_batches(infer, exporter.golden, BATCH_SIZE)
    return BundleContents(
        target=target,
        precision=precision,
        model_file=result["model"],
        classes=[BundleClass(**entry) for entry in context.taxonomy.describe(context.classes)],
        contract=context.contract,
        temperature=calibration.temperature,
        evidence=calibration.evidence,
        thresholds=calibration.thresholds,
        metrics={
            **calibration.metrics,
            **describe_answers(context, outputs, calibration),
            "conversion": result["notes"],
        },
        parity=parity,
        gaze=exporter.student.head.gaze.is_trained,
        provenance=describe_sources(context, precision, config),
        parameters=describe_parameters(config),
        versions=read_versions(),
        text_bank=exporter.model_of(precision).head.text_bank.numpy(),
        golden=Golden(exporter.golden, golden_outputs, GOLDEN_TOLERANCE[precision]),
        io_names=result.get("io", {}),
        crop=context.crop,
        gate=gate,
        bank_input=result.get("bank_input"),
    )


def run_stage(run: Run, force: bool = False) -> bool:
    """All targets and precisions of the recipe.

    Raises:
        GateError: a file was rejected; all files are there, and that one is marked.
    """
    exporter = Exporter(run)
    stage = exporter.context.recipe.export
    wanted = [(target, precision) for precision in stage.precisions for target in stage.targets]
    ran = [export_one(exporter, *each, force) for each in wanted]
    refuse_rejected_files(run, [bundle_stage(*each) for each in wanted])
    return any(ran)
