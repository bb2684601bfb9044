"""Targets by name, refusals by name of what is possible."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from export import registry
from export.job import ExportJob
from gazeclip.errors import ConfigError


@pytest.mark.parametrize("name", sorted(registry.TARGETS))
def test_every_target_has_the_one_signature(name: str) -> None:
    if not registry.is_installed(name):
        pytest.skip(f"{name} is not installed")
    module = registry.get(name)
    assert {"fp32", "int8"} <= set(module.PRECISIONS) and callable(module.export)


def test_unknown_target_is_refused_with_a_hint() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'openvino'"):
        registry.get("openvin")


def test_impossible_precision_and_missing_encoder_are_refused(
    job: Any, student: Any, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="Choose one of: fp32, int8"):
        job("fp16").require_precision("onnx", ("fp32", "int8"))
    with pytest.raises(ConfigError, match="python -m quantize"):
        ExportJob(student, None, "int8", tmp_path, ("real",), 64).require_precision(
            "onnx", ("fp32", "int8")
        )
