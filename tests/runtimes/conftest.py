"""A bundle that says how its training images were cut."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

from gazeclip.bundle.contents import BundleContents
from gazeclip.bundle.write import write_bundle
from gazeclip.images.crop_rule import CropRule


@pytest.fixture(scope="session")
def face_bundle(
    contents: BundleContents, bundles: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Its images were faces, in another framing than the usual one."""
    folder = tmp_path_factory.mktemp("faces") / "onnx"
    folder.mkdir()
    shutil.copyfile(bundles["onnx"] / "model.onnx", folder / "model.onnx")
    write_bundle(folder, dataclasses.replace(contents, crop=CropRule("face", side=1.3, lift=0.0)))
    return folder
