"""Files without the gaze, or from floats: everything else stays as it was."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from benchmarks.measure import part_costs
from benchmarks.measure.cut import FLOATS, PARTS, TARGETS, cut_onnx, cut_openvino
from benchmarks.measure.latency import LatencyConfig
from benchmarks.report.speed import build_part_table
from export.job import ExportJob
from export.registry import load_target
from export.runner import unfinished_bundle
from gazeclip.bundle.bundle import Bundle
from gazeclip.bundle.layout import GOLDEN, INPUT_NAME, OUTPUTS
from gazeclip.console.tables import MISSING
from gazeclip.images.preprocess import PixelContract
from gazeclip.networks.student import Student, StudentSpec
from gazeclip.networks.student_encoder import build_student_encoder
from runtimes.openvino_core import share_core

SIZE = 64
CLASSES = ("real", "swap", "gan")
MEAN = (0.48, 0.46, 0.41)
STD = (0.27, 0.26, 0.28)
# The engines fuse other operations where the input or the outputs are others.
TOLERANCE = 1e-4


@pytest.fixture(name="exported", scope="module")
def export_student(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bundle]:
    """A small student that reads the gaze from a branch of its own, in both formats."""
    torch.manual_seed(0)
    spec = StudentSpec("test_efficientnet", 16, CLASSES, PixelContract(SIZE), MEAN, STD)
    encoder = build_student_encoder(spec.backbone, SIZE)
    assert encoder.has_places
    student = Student(spec, encoder, torch.randn(len(CLASSES), 16), 10.0).eval()
    found = {}
    for target in TARGETS:
        folder = tmp_path_factory.mktemp(target)
        job = ExportJob(student, None, "fp32", folder, CLASSES, SIZE)
        result = load_target(target).export(job)
        bundle = unfinished_bundle(folder, target, "fp32", result["model"], SIZE, {})
        image = np.random.default_rng(0).integers(0, 256, (1, SIZE, SIZE, 3), dtype=np.uint8)
        unused = dict.fromkeys(OUTPUTS, np.zeros(0))
        np.savez(folder / GOLDEN, **{INPUT_NAME: image}, **unused)
        found[target] = bundle
    return found


def run(bundle: Bundle, part: str) -> dict[str, np.ndarray]:
    answer: Any = part_costs.open_cut(bundle, part, 1)()
    if bundle.target == "onnx":
        return dict(answer)
    return {port.get_any_name(): values.copy() for port, values in answer.items()}


@pytest.mark.parametrize("target", TARGETS)
def test_without_the_gaze_the_others_answer_as_before(
    exported: dict[str, Bundle], target: str
) -> None:
    whole = run(exported[target], part_costs.WHOLE)
    cut = run(exported[target], "gaze")
    assert set(cut) == set(whole) - {"gaze"}
    for name, values in cut.items():
        np.testing.assert_allclose(values, whole[name], atol=TOLERANCE)


@pytest.mark.parametrize("target", TARGETS)
def test_from_floats_the_answers_are_those_of_the_bytes(
    exported: dict[str, Bundle], target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = exported[target]
    whole = run(bundle, part_costs.WHOLE)
    pixels = bundle.golden[0].astype(np.float64) / 255
    floats = ((pixels - MEAN) / STD).transpose(0, 3, 1, 2).astype(np.float32)

    class Given:
        """Gives these floats where the measurement draws some."""

        def uniform(self, *args: Any) -> np.ndarray:
            return floats

    monkeypatch.setattr(part_costs.np.random, "default_rng", lambda seed: Given())
    cut = run(bundle, "pixels")
    assert set(cut) == set(whole)
    for name, values in cut.items():
        # The logit scale of 10 multiplies what rounding leaves.
        np.testing.assert_allclose(values, whole[name], atol=10 * TOLERANCE)


def test_the_branch_is_gone_and_nothing_but_it(exported: dict[str, Bundle]) -> None:
    """The weights of branch and head are in the whole file only."""
    whole = onnx.load(str(exported["onnx"].model_path))
    cut = onnx.load_from_string(cut_onnx(exported["onnx"], "gaze"))
    names = {value.name for value in whole.graph.initializer}
    left = {value.name for value in cut.graph.initializer}
    gone = {name for name in names - left if name.startswith(("encoder.", "head."))}
    of_gaze = {name for name in names if ".places." in name or "head.gaze" in name}
    assert of_gaze and of_gaze <= gone
    assert all("places" in name or "gaze" in name for name in gone)
    assert "Concat" not in {node.op_type for node in cut.graph.node}
    onnx.checker.check_model(cut, full_check=True)


def test_floats_are_the_input_and_no_cast_is_left(exported: dict[str, Bundle]) -> None:
    cut = onnx.load_from_string(cut_onnx(exported["onnx"], "pixels"))
    assert [value.name for value in cut.graph.input] == [FLOATS]
    assert "Cast" not in {node.op_type for node in cut.graph.node}
    model = cut_openvino(share_core(), exported["openvino"], "pixels")
    kinds = {node.get_type_name() for node in model.get_ops()}
    assert model.input(0).get_element_type().to_string() == "f32"
    assert "Transpose" not in kinds and "Concat" in kinds


def test_a_part_costs_what_the_whole_takes_longer(
    exported: dict[str, Bundle], monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = {part_costs.WHOLE: 10, "gaze": 7, "pixels": 12}
    times = {f"{target} {part}": ms for target in TARGETS for part, ms in ticks.items()}

    def measure(calls: dict[str, Callable[[], object]], *args: Any, **options: Any) -> Any:
        from tests.benchmarks.conftest import stats

        return {name: stats(float(times[name])) for name in calls}

    monkeypatch.setattr(part_costs, "measure_latency", measure)
    monkeypatch.setattr(part_costs, "open_cut", lambda bundle, part, threads: lambda: None)
    rows = part_costs.measure_parts(exported, 1, 1.0)
    assert [row["name"] for row in rows] == list(TARGETS)
    for row in rows:
        assert (row["whole_ms"], row["gaze_ms"], row["pixels_ms"]) == (10.0, 3.0, -2.0)
    assert part_costs.measure_parts({}, 1, 1.0) == []


def test_a_file_that_cannot_be_cut_has_no_figures_and_stops_nothing(
    exported: dict[str, Bundle], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hasty = partial(LatencyConfig, rounds=1, min_round_time_s=0.0, warmup_max_s=0.0)
    monkeypatch.setattr(part_costs, "LatencyConfig", hasty)

    def fail(*given: Any) -> bytes:
        raise ValueError("no such graph")

    monkeypatch.setattr(part_costs, "cut_onnx", fail)
    rows = {row["name"]: row for row in part_costs.measure_parts(exported, 1, 0.01)}
    assert rows["openvino"]["whole_ms"] > 0
    keys = ("whole_ms", *(f"{part}_ms" for part in PARTS))
    assert [rows["onnx"][key] for key in keys] == [None] * len(keys)
    assert "parts of onnx are not measured: no such graph" in capsys.readouterr().err
    table = build_part_table(list(rows.values()))
    assert table.rows[0] == ["onnx", *[MISSING] * len(keys)]


def test_bundles_that_take_their_bank_from_outside_are_left_out(
    exported: dict[str, Bundle], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part_costs, "open_cut", lambda *given: pytest.fail("it was opened"))
    for bundle in exported.values():
        monkeypatch.setitem(bundle.meta, "text_bank", {"name": "text_bank", "rows": None})
    assert part_costs.measure_parts(exported, 1, 0.01) == []


def test_the_parts_are_timed_in_one_go(
    exported: dict[str, Bundle], monkeypatch: pytest.MonkeyPatch
) -> None:
    hasty = partial(LatencyConfig, rounds=1, min_round_time_s=0.0, warmup_max_s=0.0)
    monkeypatch.setattr(part_costs, "LatencyConfig", hasty)
    (row,) = part_costs.measure_parts({"one": exported["onnx"]}, 1, 0.01)
    assert row["whole_ms"] > 0
    assert {f"{part}_ms" for part in PARTS} <= set(row)
