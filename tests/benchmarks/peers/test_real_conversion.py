"""One real peer: from the catalogue to files, by the process that makes them, into engines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.peers import files
from benchmarks.peers.catalogue import PEERS
from benchmarks.peers.engines import open_file

NAME = "MobileNetV4-S"  # the smallest one
TARGETS = ("onnx", "openvino")  # LiteRT's converter takes minutes, and the students' tests have it


@pytest.mark.slow
def test_a_peer_of_the_catalogue_answers_in_engines_as_in_pytorch(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    peer = next(peer for peer in PEERS if peer.name == NAME)
    forms = [files.name_form(target, "fp32") for target in TARGETS]
    made = files.prepare_files({NAME: forms}, tmp_path)
    example = peer.make_example()
    with torch.no_grad():
        expected = peer.build()(example).numpy()
    # Random weights may answer near zero, where an absolute bound would hold for anything.
    scale = float(np.abs(expected).max())
    assert scale > 0
    for target, form in zip(TARGETS, forms, strict=True):
        file = made[NAME, form]
        assert file.path is not None, file.reason
        answer: Any = open_file(target, file.path, example=example.numpy(), threads=1)()
        found = next(iter(answer if isinstance(answer, list) else answer.values()))
        np.testing.assert_allclose(found, expected, atol=1e-4 * scale)
