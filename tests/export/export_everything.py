"""Export a student and its quantized encoder to every target: `python export_everything.py IN OUT`.

A process of its own for the test of equal bytes. Calibration and self-test are on pictures that are
drawn here.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from export.job import ExportJob
from export.registry import TARGETS, load_target
from export.runner import open_runner, unfinished_bundle
from gazeclip.bundle.contents import BundleClass, BundleContents, Golden
from gazeclip.bundle.layout import OUTPUTS, Precision
from gazeclip.bundle.write import write_bundle
from gazeclip.networks.student import Student, load_student
from gazeclip.run.versions import read_versions
from gazeclip.stages.calibrate import calibrate_outputs
from quantize.encoder import load_quantized
from quantize.nncf_setup import load_quantizers
from runtimes.batches import infer_in_batches

PRECISIONS: tuple[Precision, ...] = ("fp32", "int8")


def export_everything(source: Path, out: Path) -> None:
    """A bundle for each target and precision below `out`."""
    load_quantizers()
    student = load_student(source / "student")
    quantized = load_quantized(source / "quantized", student.encoder)
    contract = student.spec.contract
    size = contract.size
    images = np.random.default_rng(0).integers(0, 256, (24, size, size, 3), dtype=np.uint8)
    for target in TARGETS:
        for precision in PRECISIONS:
            folder = out / f"{target}-{precision}"
            folder.mkdir(parents=True)
            job = ExportJob(student, quantized, precision, folder, student.spec.classes, size)
            result = load_target(target).export(job)
            names = result.get("io", {})
            bundle = unfinished_bundle(folder, target, precision, result["model"], size, names)
            outputs = infer_in_batches(open_runner(bundle, 1)[0], images, 8)
            write_bundle(folder, gather(student, job, target, result, images, outputs))


def gather(
    student: Student,
    job: ExportJob,
    target: str,
    result: dict,
    images: np.ndarray,
    outputs: dict[str, np.ndarray],
) -> BundleContents:
    """All of the bundle but the model, from what the file itself says."""
    classes = student.spec.classes
    calibration = calibrate_outputs(outputs, np.arange(len(images)) % len(classes))
    golden = {name: outputs[name][:8] for name in OUTPUTS}
    return BundleContents(
        target=target,
        precision=job.precision,
        model_file=result["model"],
        classes=[BundleClass(name, name, category=name, family=name) for name in classes],
        contract=student.spec.contract,
        temperature=calibration.temperature,
        evidence=calibration.evidence,
        thresholds=calibration.thresholds,
        metrics={**calibration.metrics, "conversion": result["notes"]},
        parity={},
        provenance={},
        versions=read_versions(),
        text_bank=student.head.text_bank.numpy(),
        golden=Golden(images[:8], golden, dict.fromkeys(OUTPUTS, 1.0)),
        io_names=result.get("io", {}),
    )


if __name__ == "__main__":
    export_everything(Path(sys.argv[1]), Path(sys.argv[2]))
