"""Bundles as they are shipped today: they say how their training images were cut."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gazeclip.bundle.contents import BundleContents
from gazeclip.bundle.write import write_bundle
from gazeclip.images.crop_rule import CropRule
from tests.conftest import Weights, write_model


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
