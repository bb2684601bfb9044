"""Bundles as they are shipped today: they say how their training images were cut."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gazeclip.bundle.contents import BankInput, BundleClass, BundleContents
from gazeclip.bundle.text_bank import BankRow, TextBankFile
from gazeclip.bundle.write import write_bundle
from gazeclip.images.crop_rule import CropRule
from gazeclip.scoring.evidence import Evidence
from tests.conftest import CLASSES, Weights, write_model
from tests.integrate.listings import read_listings

TEACHER = "a" * 64  # that of `contents`
STUDENT = "c" * 64


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The gateway's Python listing as a file."""
    (listing,) = read_listings("gateway.md", "python")
    path = tmp_path_factory.mktemp("gateway") / "gateway.py"
    path.write_text(listing, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def bundles(
    tmp_path_factory: pytest.TempPathFactory, weights: Weights, contents: BundleContents
) -> dict[str, Path]:
    """A bundle for each target that a guide is about and that can be written here."""
    root = tmp_path_factory.mktemp("cut")
    for target in ("onnx", "tflite"):
        name = write_model(root / target, target, weights)
        shipped = replace(contents, target=target, model_file=name, crop=CropRule())
        write_bundle(root / target, shipped)
    return {target: root / target for target in ("onnx", "tflite")}


@pytest.fixture(scope="session")
def external(
    tmp_path_factory: pytest.TempPathFactory, weights: Weights, contents: BundleContents
) -> Path:
    """A bundle for ONNX whose classes come with a text bank."""
    from tests.runtimes.test_bank import write_onnx  # skips where there is no ONNX Runtime

    folder = tmp_path_factory.mktemp("external") / "onnx"
    folder.mkdir()
    write_onnx(folder / "model.onnx", weights)
    shipped = replace(
        contents,
        crop=CropRule(),
        evidence=Evidence(("detection",), (0.7,), 0.1, -6.0, 5.7),
        bank_input=BankInput("text_bank", None),
        provenance={**contents.provenance, "student_sha256": STUDENT},
    )
    write_bundle(folder, shipped)
    return folder


@pytest.fixture(scope="session")
def bank(weights: Weights) -> TextBankFile:
    """The bundle's classes, and one that was made from images."""
    own = TextBankFile(weights["bank"], tuple(CLASSES), (BankRow("text"),) * 4, TEACHER)
    values = weights["project"] @ np.float32([0.86, 0.35, 0.12])
    # Where red images lie, and so long that it draws them.
    row = 1.5 * values / np.linalg.norm(values)
    new = BundleClass("new gan", "a new GAN", "face_swap", "gan")
    return replace(own.add(new, BankRow("images", ("d" * 64,), 1.5), row), student=STUDENT)


@pytest.fixture
def bank_file(bank: TextBankFile, tmp_path: Path) -> Path:
    """That bank as a file."""
    path = tmp_path / "bank.safetensors"
    bank.write(path)
    return path
