"""The versions that every result carries."""

from __future__ import annotations

from importlib import metadata

from gazeclip import __version__
from gazeclip.run.versions import read_versions


def test_all_that_shapes_a_result_is_named_as_pip_names_it() -> None:
    found = read_versions()
    assert found.pop("gazeclip-edge") == __version__
    named = "numpy pillow torch timm open_clip_torch nncf openvino onnx onnxruntime coremltools"
    expected = {*named.split(), "litert-torch", "ai-edge-litert", "tflite-runtime"}
    installed = {entry.name.lower() for entry in metadata.distributions() if entry.name}
    installed = {name.replace("_", "-") for name in installed}
    wanted = {name for name in expected if name.replace("_", "-") in installed}
    assert set(found) == wanted and {"numpy", "pillow"} <= wanted
    assert found == {name: metadata.version(name) for name in wanted}
