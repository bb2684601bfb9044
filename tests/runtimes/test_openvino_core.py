"""OpenVINO without its converter: what is imported when, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("openvino")

_IMPORT = "import sys; from runtimes.openvino_core import import_openvino; ov = import_openvino(); "


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_converter_is_not_imported_and_its_name_is_free() -> None:
    assert run(_IMPORT + "print('openvino.tools.ovc' in sys.modules, ov.Core().__class__)") == (
        "False <class 'openvino._ov_api.Core'>"
    )


def test_the_converter_is_there_when_it_is_asked_for() -> None:
    code = (
        "from openvino import convert_model; from openvino.tools.ovc import convert_model as own; "
        "print(convert_model is own is ov.convert_model, sys.modules['openvino_telemetry'])"
    )
    assert run(_IMPORT + code) == "True None"  # its reporter stays switched off


def test_what_is_nowhere_is_an_attribute_error() -> None:
    assert run(_IMPORT + "print(hasattr(ov, 'nowhere'), hasattr(ov, 'Core'))") == "False True"


def test_an_openvino_that_was_there_before_keeps_its_converter() -> None:
    before = "import openvino; own = openvino.convert_model; "
    assert run(before + _IMPORT + "print(ov is openvino, ov.convert_model is own)") == "True True"
