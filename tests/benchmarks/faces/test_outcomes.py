"""Kinds of photographs and what they are answered, by the small bundle."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.faces.__main__ import main
from benchmarks.faces.outcomes import answer_kinds
from runtimes import load


def test_each_kind_has_the_outcome_of_its_name(bundles: dict[str, Path]) -> None:
    answers = {answer.kind: answer for answer in answer_kinds(load(bundles["onnx"], threads=1))}
    outcomes = {kind: answer.outcome for kind, answer in answers.items()}
    assert outcomes["a face"] in ("real", "fake", "inconclusive")
    assert outcomes["a scene without a face"] == outcomes["one colour"] == "no_face"
    assert outcomes["a face cut off at the edge"] == "cut_off"
    assert outcomes["a blurred face"] == "blurred"
    assert outcomes["a face turned aside"] == "turned_away"
    for answer in answers.values():
        faceless = answer.outcome not in ("real", "fake", "inconclusive")
        assert (answer.exit_code == 4) is faceless
        assert bool(answer.said) is faceless


def test_the_table(bundles: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["outcomes", "--bundle", str(bundles["onnx"])]) == 0
    assert "no_face" in capsys.readouterr().out
