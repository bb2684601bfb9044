"""Tensors come back bit by bit, damaged and foreign files are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gazeclip.errors import ArtifactError
from gazeclip.files.tensors import load_tensors, save_tensors


def test_tensors_come_back_bit_identical_with_their_meta(tmp_path: Path) -> None:
    base = torch.randn(4, 6)
    tensors = {
        "view": base.t(),
        "same": base,
        "half": base.half(),
        "count": torch.tensor(3),
        "nan": torch.tensor([float("nan")]),
    }
    save_tensors(tmp_path / "t", tensors, {"epoch": 3, "b": [1]})
    loaded, meta = load_tensors(tmp_path / "t")
    assert meta == {"epoch": 3, "b": [1]}
    assert loaded.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert loaded[name].dtype == tensor.dtype
        assert torch.equal(loaded[name].nan_to_num(7), tensor.nan_to_num(7))
    first = (tmp_path / "t").read_bytes()
    save_tensors(tmp_path / "t", tensors, {"b": [1], "epoch": 3})
    assert (tmp_path / "t").read_bytes() == first


@pytest.mark.parametrize("keep", [0, 4, 20, -1, -100])
def test_truncated_tensors_are_refused(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "t"
    save_tensors(path, {"a": torch.randn(100)})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ArtifactError, match="damaged"):
        load_tensors(path)


def test_missing_tensors_and_pickles_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="missing"):
        load_tensors(tmp_path / "none")
    torch.save({"a": torch.ones(1)}, tmp_path / "p")
    with pytest.raises(ArtifactError, match="damaged"):
        load_tensors(tmp_path / "p")
