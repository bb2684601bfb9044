"""A student's folder alone becomes bundles, by the images that it was trained by."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from export.__main__ import main
from export.registry import TARGETS
from gazeclip.bundle.bundle import Bundle
from gazeclip.bundle.contents import BundleClass
from gazeclip.bundle.text_bank import BankRow, TextBankFile
from gazeclip.errors import ConfigError
from gazeclip.faces.dataset import write_dataset
from gazeclip.files.hashes import sha256
from gazeclip.files.tensors import save_tensors
from gazeclip.images.preprocess import PixelContract
from gazeclip.networks.student import Student, StudentSpec, load_student, save_student
from gazeclip.networks.student_encoder import build_student_encoder
from gazeclip.recipe.faces import FacesConfig
from gazeclip.run.stages import bundle_stage
from gazeclip.taxonomy import Taxonomy
from quantize.encoder import quantize_encoder, save_quantized
from runtimes.bank import open_with_bank

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
SIZE = 64
DIM = 32
TEACHER = "a" * 64
FACES = FacesConfig(
    size=SIZE,
    identities=80,
    train_real=4,
    train_fake=2,
    val_real=4,
    val_fake=2,
    calibration_real=6,
    calibration_fake=2,
    test_real=4,
    test_fake=2,
    unseen_real=4,
    unseen_fake=2,
)
SEEN = (
    "swap_poisson",
    "swap_gan",
    "reenact_warp",
    "reenact_gan",
    "synth_gan",
    "synth_diffusion",
    "synth_flow",
)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn faces, as if they were somebody's own."""
    return write_dataset(tmp_path_factory.mktemp("faces"), FACES)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A student's folder; nothing was learnt in it."""
    return write_student(tmp_path_factory.mktemp("checkpoint"), "mobilenetv4_conv_small_050")


def write_student(folder: Path, backbone: str) -> Path:
    """A student with random weights, its batch statistics those of noise."""
    torch.manual_seed(0)
    classes = Taxonomy.load("demo").classes(set(SEEN))
    means = (0.48, 0.46, 0.41)
    spec = StudentSpec(backbone, DIM, classes, PixelContract(SIZE), means, (0.27, 0.26, 0.28))
    bank = torch.randn(len(classes), DIM)
    student = Student(spec, build_student_encoder(backbone, SIZE), bank, 10.0)
    save_student(folder, student.eval())
    return folder


def test_bundles_of_a_student_without_a_run(
    checkpoint: Path, manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--checkpoint", str(checkpoint), "--manifest", str(manifest), "--taxonomy", "demo"]
    command = [*options, "--out", str(tmp_path / "out"), "--target", "onnx"]
    assert main(command) == 0
    told = capsys.readouterr()
    assert "int8 is left out" in told.err
    assert [line.split()[:2] for line in told.out.splitlines() if " ok" in line] == [
        ["onnx", "fp32"]
    ]
    bundle = Bundle.load(tmp_path / "out" / "onnx-fp32")
    assert bundle.meta["provenance"]["student_sha256"] == sha256(checkpoint / "model.safetensors")
    assert "teacher_sha256" not in bundle.meta["provenance"]
    assert bundle.meta["metrics"]["calibration_n"] == 6 + 2 * len(SEEN)
    assert [entry.name for entry in bundle.classes] == ["real", *SEEN]
    assert main(command) == 0
    assert "up to date" in capsys.readouterr().err
    assert main([*options, "--out", str(tmp_path / "again"), "--target", "onnx"]) == 0
    assert Bundle.load(tmp_path / "again" / "onnx-fp32").digest == bundle.digest


def test_another_manifest_is_refused(checkpoint: Path, manifest: Path, tmp_path: Path) -> None:
    lines = manifest.read_text().splitlines(keepends=True)
    fewer = manifest.with_name("fewer.csv")
    fewer.write_text("".join(line for line in lines if "synth_flow" not in line))
    options = ["--checkpoint", str(checkpoint), "--manifest", str(fewer), "--taxonomy", "demo"]
    with pytest.raises(ConfigError, match=r"knows the classes real, .*, and the train split of"):
        main([*options, "--out", str(tmp_path), "--target", "onnx"])
    assert not (tmp_path / "onnx-fp32").exists()


@pytest.fixture(scope="module")
def quantized(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its quantized encoder and head, without the record of a stage."""
    return write_quantized(tmp_path_factory.mktemp("quantized"), checkpoint)


def write_quantized(folder: Path, checkpoint: Path) -> Path:
    student = load_student(checkpoint)
    noise = torch.rand(8, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    encoder = quantize_encoder(student.encoder, [noise], overflow_fix=True)
    save_quantized(folder, encoder, image_size=SIZE)
    save_tensors(folder / "head.safetensors", student.head.state_dict(), {"kind": "head"})
    return folder


def read_files(root: Path) -> dict[str, bytes]:
    """Every file below a folder by its path in it."""
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def read_record(data: bytes) -> dict[str, Any]:
    """A stage's record without what was measured by the clock."""
    record: dict[str, Any] = json.loads(data)
    assert record.pop("seconds") > 0 and record["metrics"].pop("convert_s") > 0
    return record


def test_files_of_every_precision_take_the_banks_of_the_teacher(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], quantizers: None
) -> None:
    """Of a network of few layers, with the bank as an input, and a table at the end."""
    student = write_student(tmp_path / "student", "test_resnet")
    quantized = write_quantized(tmp_path / "quantized", student)
    path = write_bank(tmp_path / "bank.safetensors", student)
    command = ["--checkpoint", student, "--quantized", quantized, "--manifest", manifest]
    command += ["--taxonomy", "demo", "--out", tmp_path / "out", "--text-bank", "external"]
    command += ["--target", "onnx", "--precision", "all", "--set", "gate.enabled=false"]
    command = [str(word) for word in command]
    with pytest.raises(ConfigError, match="does not say of which it is"):
        main(command)
    assert not (tmp_path / "out" / "onnx").exists()
    capsys.readouterr()
    assert main([*command, "--bank", str(path)]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if " ok" in line]
    precisions = TARGETS["onnx"].precisions
    assert [(row[0], row[1]) for row in rows] == [("onnx", name) for name in precisions]
    for precision in precisions:
        folder = bundle_stage("onnx", precision).removeprefix("export/")
        bundle = Bundle.load(tmp_path / "out" / folder)
        assert bundle.meta["provenance"]["teacher_sha256"] == TEACHER
        taken = open_with_bank(bundle, path)
        assert [entry.name for entry in taken.classes] == ["real", *SEEN, "new"]


def write_bank(path: Path, student: Path) -> Path:
    """The bank that a student was distilled with, and a class more."""
    loaded = load_student(student)
    described = Taxonomy.load("demo").describe(loaded.spec.classes)
    classes = [BundleClass(**entry) for entry in described]
    classes.append(BundleClass("new", "new", "face_swap", "gan"))
    rows = (BankRow("text"),) * len(classes)
    more = np.full((1, DIM), DIM**-0.5, np.float32)
    values = np.vstack([loaded.head.text_bank.numpy(), more])
    TextBankFile(values, tuple(classes), rows, TEACHER).write(path)
    return path


@pytest.mark.parametrize(
    ("target", "precisions"),
    [
        ("onnx", ("fp32", "w8", "int8")),
        ("openvino", ("fp32", "fp16", "w8", "int8")),
        # Their conversions take minutes.
        ("coreml", ("fp32", "int8")),
        ("tflite", ("fp32", "int8")),
    ],
)
def test_two_processes_write_the_same_bytes(
    target: str,
    precisions: tuple[str, ...],
    checkpoint: Path,
    quantized: Path,
    manifest: Path,
    tmp_path: Path,
) -> None:
    """Whatever their hash seed and working directory are.

    Only the record of the stage, which is no part of a bundle, says how long it took.
    """
    found = []
    for seed in ("1", "2"):
        place = tmp_path / f"place{seed}"
        place.mkdir()
        command = [sys.executable, "-m", "export", "--checkpoint", checkpoint]
        command += ["--quantized", quantized, "--manifest", manifest, "--taxonomy", "demo"]
        command += ["--out", place / "out", "--target", target, "--set", "gate.enabled=false"]
        for precision in precisions:
            command += ["--precision", precision]
        paths = {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed}
        done = subprocess.run(
            command, cwd=place, env={**os.environ, **paths}, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        found.append(read_files(place / "out"))
    first, second = found
    assert first.keys() == second.keys()
    for precision in precisions:
        folder = target if precision == "int8" else f"{target}-{precision}"
        assert f"{folder}/bundle.json" in first
    records = {name for name in first if name.endswith("/manifest.json")}
    assert [name for name in first if first[name] != second[name] and name not in records] == []
    for name in records:
        assert read_record(first[name]) == read_record(second[name])
