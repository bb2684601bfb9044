"""Names are never corrected, and what cannot be done is refused with what can."""

from __future__ import annotations

import pytest

from export.choose import choose_precisions, choose_targets, pair_up
from export.registry import TARGETS
from gazeclip.errors import ConfigError


def test_all_means_what_each_target_can_write() -> None:
    targets = choose_targets(["all"], ())
    assert targets == list(TARGETS)
    pairs = pair_up(targets, choose_precisions(["int8", "all"], ()))
    able = {(name, each) for name, target in TARGETS.items() for each in target.precisions}
    assert set(pairs) == able and len(pairs) == len(able)
    order = [precision for _, precision in pairs]
    assert order == sorted(
        order, key=["fp32", "fp16", "w8", "int8"].index
    )  # the gate needs fp32 first
    without = pair_up(targets, ["all"], without=("int8",))
    assert set(without) == {pair for pair in able if pair[1] != "int8"}


def test_what_was_not_named_is_the_recipes() -> None:
    assert choose_targets([], ["tflite"]) == ["tflite"]
    assert choose_targets(["onnx", "onnx"], ["tflite"]) == ["onnx"]
    assert choose_precisions([], ["int8"]) == ["int8"]
    assert pair_up(["onnx", "tflite"], ["int8", "fp32"]) == [
        ("onnx", "fp32"),
        ("tflite", "fp32"),
        ("onnx", "int8"),
        ("tflite", "int8"),
    ]


@pytest.mark.parametrize("name", ["opnvino", "coremI", "al"])
def test_a_wrong_target_is_only_hinted_at(name: str) -> None:
    with pytest.raises(ConfigError, match=f"no export target '{name}'") as told:
        choose_targets(["onnx", name], ())
    assert told.value.remedy is not None and told.value.remedy.startswith("Did you mean '")


def test_a_wrong_precision_is_only_hinted_at() -> None:
    with pytest.raises(ConfigError, match=r"no precision 'int4'. Did you mean 'int8'\?"):
        choose_precisions(["int4"], ())
    with pytest.raises(
        ConfigError, match=r"no precision 'bfloat'. Known: fp32, fp16, w8, int8, all"
    ):
        choose_precisions(["bfloat"], ())


def test_the_impossible_is_refused_with_the_possible() -> None:
    unable = [name for name, target in TARGETS.items() if "fp16" not in target.precisions]
    with pytest.raises(
        ConfigError, match="cannot be exported as fp16, only as fp32, w8, int8"
    ) as told:
        pair_up(list(TARGETS), ["fp32", "fp16"])
    assert all(f"{name} cannot" in str(told.value) for name in unable) and unable
