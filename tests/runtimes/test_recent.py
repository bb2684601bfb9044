"""Which bundle is taken where none is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from gazeclip.errors import ConfigError, StageError
from runtimes.recent import recent_bundle


def test_most_recent_run(
    bundles: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StageError, match="python -m gazeclip run"):
        recent_bundle()
    export = tmp_path / "runs" / "demo" / "export"
    export.mkdir(parents=True)
    (tmp_path / "runs" / "demo" / "recipe.yaml").write_text("{}")
    with pytest.raises(StageError, match="python -m gazeclip export --target all"):
        recent_bundle()
    for target in ("tflite", "onnx", "openvino"):
        (export / target).symlink_to(bundles[target])
        assert recent_bundle().name == target
    assert recent_bundle("onnxruntime").name == "onnx"
    with pytest.raises(ConfigError, match="unknown engine"):
        recent_bundle("tensorrt")
    with pytest.raises(StageError, match="no bundle for coreml"):
        recent_bundle("coreml")


def test_a_retired_or_half_made_bundle_is_never_the_recent_one(
    bundles: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    export = tmp_path / "runs" / "demo" / "export"
    export.mkdir(parents=True)
    (tmp_path / "runs" / "demo" / "recipe.yaml").write_text("{}")
    for name in (".onnx.old", ".onnx.partial"):
        (export / name).symlink_to(bundles["onnx"])
    with pytest.raises(StageError, match="has no exported bundle"):
        recent_bundle()
    (export / "onnx").symlink_to(bundles["onnx"])
    assert recent_bundle().name == "onnx"
