"""The whole path on a few tiny faces: stages run, are skipped, resume; their bundles judge."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from benchmarks.report.schema import validate_report
from gazeclip.bundle.text_bank import TextBankFile
from gazeclip.cli.verbs import run_verb
from gazeclip.errors import GazeClipError
from gazeclip.files.hashes import sha256
from runtimes import load

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parent.parent
TRAIN = {"epochs": 1, "batch_size": 16, "lr": 1e-3, "ema_decay": 0.5}
RECIPE = {
    "name": "tiny",
    "data": {
        "image_size": 64,
        "workers": 0,
        "faces": {
            "size": 64,
            "identities": 80,
            "train_real": 16,
            "train_fake": 6,
            "val_real": 8,
            "val_fake": 2,
            "calibration_real": 8,
            "calibration_fake": 2,
            "test_real": 8,
            "test_fake": 2,
            "unseen_real": 8,
            "unseen_fake": 2,
        },
    },
    "teacher": {
        "gaze_train": {**TRAIN, "augment": 0.5},
        "model": {
            "backbone": "mobilenetv4_conv_small_050",
            "width": 32,
            "depth": 1,
            "heads": 2,
            "embed_dim": 32,
            "text": {"width": 32, "layers": 1, "heads": 2, "context_length": 24},
        },
        "train": TRAIN,
    },
    "backbone": {"enabled": True, "train": TRAIN},
    "baseline": {"train": TRAIN},
    "cache": {"augmentations": 2, "shard_size": 24},
    "student": {
        "backbone": "mobilenetv4_conv_small_050",
        "weights": "teacher",
        "train": {**TRAIN, "epochs": 3},
    },
    "quantize": {
        "calibration_images": 16,
        "train": {**TRAIN, "lr": 1e-5, "warmup_epochs": 0, "ema_decay": 0},
    },
    # So few images can tell nothing.
    "gate": {"allow_undecided": True},
    "export": {
        "targets": ["onnx", "openvino", "tflite", "coreml"],
        "precisions": ["int8"],
        "parity_images": 8,
    },
    "report": {"threads": 1, "latency_seconds": 0.2, "bootstrap": 20},
}


def command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a module of this project in `folder`, as a user would."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
    )


def kill_when(path: Path, folder: Path, *arguments: str) -> None:
    """Start a command and kill it, as a power cut would, as soon as `path` is there."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (folder / "killed.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments], cwd=folder, env=environment, stdout=log, stderr=log
        )
        deadline = time.monotonic() + 600
        while not path.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert path.exists(), (folder / "killed.log").read_text()[-3000:]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the tiny recipe was killed in the student's training, and resumed."""
    folder = tmp_path_factory.mktemp("e2e")
    (folder / "tiny.yaml").write_text(yaml.safe_dump(RECIPE))
    kill_when(
        folder / "runs/tiny/.student.partial/resume/last.safetensors",
        folder,
        "gazeclip",
        "run",
        "tiny.yaml",
    )
    done = command(folder, "gazeclip", "run", "tiny.yaml")
    (folder / "resumed.log").write_text(done.stderr)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "report.html" in done.stdout
    if keep := os.environ.get("GAZECLIP_KEEP_TINY_RUN"):  # for the page's tests in CI
        shutil.copytree(folder, keep, dirs_exist_ok=True)
    return folder


def test_a_killed_run_went_on_where_it_was(workspace: Path) -> None:
    log = (workspace / "resumed.log").read_text()
    assert "student: resuming after epoch 1" in log
    assert [line for line in log.splitlines() if line.endswith("up to date")] == [
        f"{stage}: up to date"
        for stage in ("data", "backbone", "teacher", "baseline", "text_bank", "cache")
    ]


def test_report_follows_the_schema_and_names_every_subject(workspace: Path) -> None:
    report = json.loads((workspace / "runs/tiny/report/report.json").read_text())
    assert validate_report(report) == []
    found = {
        (subject["role"], subject["engine"], subject["precision"]) for subject in report["subjects"]
    }
    assert {
        ("baseline", "torch", "fp32"),
        ("teacher", "torch", "fp32"),
        ("student", "torch", "fp32"),
    } <= found
    assert {
        ("student", engine, "int8")
        for engine in ("onnxruntime", "openvino", "litert", "coreml-reference")
    } <= found
    for subject in report["subjects"]:
        assert (subject["latency_ms"]["p50"] is None) == (subject["engine"] == "coreml-reference")


def test_second_run_does_nothing(workspace: Path) -> None:
    again = command(workspace, "gazeclip", "run", "tiny.yaml")
    assert again.returncode == 0, again.stderr[-2000:]
    assert ": done in" not in again.stderr
    # Nine stages, four bundles and their fp32 twins.
    assert again.stderr.count("up to date") == 17


def test_damaged_output_is_made_again_and_what_follows_stays(workspace: Path) -> None:
    path = workspace / "runs/tiny/export/onnx/model.onnx"
    before = path.read_bytes()
    path.write_bytes(before[:-1])
    again = command(workspace, "export", "--target", "onnx")
    assert again.returncode == 0, again.stderr[-2000:]
    assert "export/onnx: done" in again.stderr
    assert path.stat().st_size == len(before)


@pytest.mark.parametrize("engine", ["onnx", "openvino", "tflite"])
def test_bundle_judges_images(workspace: Path, engine: str) -> None:
    photos = sorted((workspace / "runs/tiny/data/images/real").glob("*.jpg"))[:3]
    result = command(
        workspace,
        "runtimes",
        "verify",
        *map(str, photos),
        "--bundle",
        f"runs/tiny/export/{engine}",
        "--json",
        "--self-test",
        "--threshold",
        "0.5",
    )
    assert result.returncode in (0, 1), result.stderr
    document = json.loads(result.stdout)
    assert document["crop"] == "face"  # as the bundle says; every training image is such a crop
    assert len(document["results"]) == 3
    assert all(0.0 <= entry["fake_probability"] <= 1.0 for entry in document["results"])


def test_the_gate_marks_what_it_rejects_and_runtimes_refuses_it(workspace: Path) -> None:
    """A few images of val cannot tell, and the recipe no longer takes what they leave open."""
    recipe = workspace / "runs/tiny/recipe.yaml"
    allowing = recipe.read_text()
    recipe.write_text(allowing.replace("allow_undecided: true", "allow_undecided: false"))
    refused = command(workspace, "export", "--target", "onnx", "--max-drop", "tpr=0.5")
    assert refused.returncode == 3, refused.stderr[-2000:]
    assert "cannot tell" in refused.stdout and "TPR at the shipped threshold" in refused.stdout
    assert "the gate rejected export/onnx" in refused.stderr.splitlines()[-1]
    bundle = workspace / "runs/tiny/export/onnx"
    gate = json.loads((bundle / "bundle.json").read_text())["gate"]
    assert gate["outcome"] == "cannot tell" and gate["accepted"] is False
    photo = str(next((workspace / "runs/tiny/data/images/real").glob("*.jpg")))
    verify = ("runtimes", "verify", photo, "--bundle", str(bundle), "--threshold", "0.5")
    judged = command(workspace, *verify)
    assert judged.returncode == 2 and "was rejected when it was exported" in judged.stderr
    assert command(workspace, *verify, "--allow-rejected").returncode in (0, 1)
    allowed = command(workspace, "export", "--target", "onnx", "--allow-undecided")
    assert allowed.returncode == 0, allowed.stderr[-2000:]
    assert command(workspace, *verify).returncode in (0, 1)
    recipe.write_text(allowing)


@pytest.fixture(scope="module")
def longer_bank(workspace: Path) -> Path:
    """The run's text bank with a class by its name."""
    path = workspace / "longer.safetensors"
    assert add_class(workspace, "swap_alpha", "--out", str(path)) == 0
    return path


def add_class(workspace: Path, name: str, *words: str) -> int:
    """`distill text-bank add`, here: a process more would import torch once more."""
    options = ("--levels", "3", "--run", str(workspace / "runs/tiny"))
    return run_verb("distill", ["text-bank", "add", name, *options, *words], "gazeclip distill")


def test_a_class_is_added_by_name_to_banks_of_this_teacher_only(
    workspace: Path, longer_bank: Path
) -> None:
    bank = TextBankFile.read(longer_bank)
    assert bank.classes[-1].name == "swap_alpha" and len(bank.rows[-1].sources) == 3
    assert bank.teacher == sha256(workspace / "runs/tiny/teacher/model.safetensors")
    student = json.loads((workspace / "runs/tiny/student/config.json").read_text())
    assert student["teacher_sha256"] == bank.teacher
    foreign = workspace / "foreign.safetensors"
    replace(bank, teacher="e" * 64).write(foreign)
    before = foreign.read_bytes()
    with pytest.raises(GazeClipError, match="is of the teacher eeeeeeeeeeee, and run") as refused:
        add_class(workspace, "synth_gan_v2", "--bank", str(foreign))
    assert refused.value.exit_code == 2 and "\n" not in str(refused.value)
    assert foreign.read_bytes() == before


def test_a_bundle_beside_the_run_takes_classes_of_names_and_of_photographs(
    workspace: Path, longer_bank: Path
) -> None:
    run = workspace / "runs/tiny"
    photos = sorted((run / "data/images/swap_gan").glob("*.jpg"))[:4]
    bank = workspace / "longest.safetensors"
    words = ["text-bank", "few-shot", "mine", *map(str, photos), "--run", str(run)]
    words += ["--category", "face_swap", "--family", "gan"]
    words += ["--bank", str(longer_bank), "--out", str(bank)]
    assert run_verb("distill", words, "gazeclip distill") == 0
    before = (run / "export/onnx-fp32/bundle.json").read_bytes()
    words = ["--run", str(run), "--target", "onnx", "--precision", "fp32"]
    words += ["--text-bank", "external", "--out", str(workspace / "beside")]
    assert run_verb("export", words, "gazeclip export") == 0
    assert (run / "export/onnx-fp32/bundle.json").read_bytes() == before  # only read
    verifier = load(workspace / "beside/onnx-fp32", text_bank=bank)
    names = [entry.name for entry in verifier.bundle.classes]
    assert names[-2:] == ["swap_alpha", "mine"]
    outputs = verifier.infer(verifier.bundle.contract.apply(photos[0])[None])
    assert outputs["logits"].shape == (1, len(names))


def test_core_ml_export_tells_how_it_was_checked(workspace: Path) -> None:
    bundle = json.loads((workspace / "runs/tiny/export/coreml/bundle.json").read_text())
    assert bundle["parity"]["engine"] == (
        "coreml" if sys.platform == "darwin" else "coreml-reference"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("distill",), "Run first: python -m gazeclip run"),
        (("gazeclip", "run", "nothing.yaml"), "does not exist"),
        (("export", "--target", "onxx"), "Did you mean 'onnx'?"),
        (("benchmarks",), "Run first"),
    ],
)
def test_user_errors_are_one_line_and_exit_2(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    result = command(tmp_path, *arguments)
    assert result.returncode == 2
    assert said in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
