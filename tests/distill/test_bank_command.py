"""`distill text-bank few-shot` with a bundle, and what both commands refuse before any work."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gazeclip.bundle.contents import BundleContents
from gazeclip.bundle.text_bank import TextBankFile
from gazeclip.bundle.write import write_bundle
from gazeclip.cli.verbs import run_verb
from gazeclip.errors import ArtifactError, ConfigError, GazeClipError, ImageError
from runtimes import load

STUDENT = "c" * 64
WHAT = ("--category", "face_swap", "--family", "gan")


def few_shot(*words: str | Path) -> int:
    return run_verb("distill", ["text-bank", "few-shot", *map(str, words)], "gazeclip distill")


@pytest.fixture
def bundle(bundles: dict[str, Path], contents: BundleContents, tmp_path: Path) -> Path:
    """One that says of which student it is."""
    pytest.importorskip("onnxruntime")
    folder = tmp_path / "bundle"
    folder.mkdir()
    shutil.copyfile(bundles["onnx"] / "model.onnx", folder / "model.onnx")
    sources = {**contents.provenance, "student_sha256": STUDENT}
    write_bundle(folder, replace(contents, provenance=sources))
    return folder


def test_a_class_from_photographs_by_a_bundle(
    bundle: Path,
    photos: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "bank.safetensors"
    images = [photos[name] for name in ("fake", "unsure", "whole", "text")]
    assert few_shot("new", *images, *WHAT, "--bundle", bundle, "--out", out) == 0
    told = capsys.readouterr()
    assert told.out.strip() == str(out)
    assert "text.jpg" in told.err and "'new' from 3 photographs" in told.err
    bank = TextBankFile.read(out)
    assert bank.student == STUDENT and bank.teacher == "a" * 64
    verdicts = load(bundle).verify(images[:3])
    mean = np.mean([verdict.embedding for verdict in verdicts], axis=0)
    cosine = bank.embeddings[-1] @ mean / np.linalg.norm(bank.embeddings[-1]) / np.linalg.norm(mean)
    assert cosine == pytest.approx(1.0, abs=1e-5)


def test_nothing_is_overwritten_and_a_bank_is_extended_in_its_place(
    bundle: Path, photos: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "bank.safetensors"
    images = [photos[name] for name in ("fake", "unsure", "whole")]
    few_shot("new", *images, *WHAT, "--bundle", bundle, "--out", out)
    with pytest.raises(ConfigError, match=r"is there already\. Extend it with --bank"):
        few_shot("newer", *images, *WHAT, "--bundle", bundle, "--out", out)
    with pytest.raises(ArtifactError, match="the class 'new' is there already"):
        few_shot("new", *images, *WHAT, "--bundle", bundle, "--bank", out)
    few_shot("newer", *images, *WHAT, "--bundle", bundle, "--bank", out)
    names = [entry.name for entry in TextBankFile.read(out).classes]
    assert names == ["real", "swap", "gan", "flow", "new", "newer"]


def test_a_bank_of_another_teacher_is_refused(
    bundle: Path, photos: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "bank.safetensors"
    images = [photos[name] for name in ("fake", "unsure", "whole")]
    few_shot("new", *images, *WHAT, "--bundle", bundle, "--out", out)
    bank = TextBankFile.read(out)
    replace(bank, teacher="e" * 64).write(out)
    before = out.read_bytes()
    with pytest.raises(GazeClipError, match="is of the teacher eeeeeeeeeeee, and bundle") as caught:
        few_shot("newer", *images, *WHAT, "--bundle", bundle, "--bank", out)
    assert caught.value.exit_code == 2 and "\n" not in str(caught.value)
    assert out.read_bytes() == before


def test_faulty_requests(bundle: Path, photos: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "bank.safetensors"
    given = (*WHAT, "--bundle", bundle, "--out", out)
    with pytest.raises(ConfigError, match=r"no such file: nothing\.png, nowhere\.png"):
        few_shot("new", "nothing.png", photos["fake"], "nowhere.png", *given)
    with pytest.raises(ImageError, match="1 photographs are too few"):
        few_shot("new", photos["fake"], photos["text"], photos["empty"], *given)
    with pytest.raises(ConfigError, match="nothing here knows the generator"):
        few_shot("new", photos["fake"], "--bundle", bundle, "--out", out)
    assert not out.exists()


@pytest.mark.parametrize("action", ["add", "few-shot"])
def test_each_action_has_its_own_help(action: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run_verb("distill", ["text-bank", action, "--help"], "gazeclip distill")
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: gazeclip distill text-bank {action} ")
    assert ("--levels" in text) == (action == "add")
