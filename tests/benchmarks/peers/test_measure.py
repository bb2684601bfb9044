"""A small peer through conversion, engines and rounds."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.command import add_options
from benchmarks.measure.latency import LatencyConfig
from benchmarks.peers import convert, files, measure
from benchmarks.peers.catalogue import Peer
from benchmarks.peers.engines import open_file
from benchmarks.peers.limits import Limits
from benchmarks.peers.rows import MEASURED, Row
from benchmarks.report.data import ReportData
from benchmarks.report.markdown import render_markdown
from benchmarks.report.page import render_html
from benchmarks.report.schema import validate_report
from gazeclip.console.parser import CommandParser
from gazeclip.errors import ConfigError
from gazeclip.recipe.stages import ReportStage

SIDE = 16


def build_network() -> nn.Module:
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(8, 2)).eval()


PEER = Peer("small <b>", "peer", "a test's", SIDE, build_network)


@pytest.fixture(name="made", scope="module")
def make_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """ONNX and OpenVINO: LiteRT's converter takes too long here."""
    root = tmp_path_factory.mktemp("peers")
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        # What a process of its own may change, and this one may not.
        patch.setattr(convert, "enlarge_plainly", lambda: None)
        patch.setattr(torch.backends.mha, "set_fastpath_enabled", lambda enabled: None)
        for target in ("onnx", "openvino"):
            place = root / files.name_form(target, "fp32")
            place.mkdir()
            made = convert.try_conversion(convert._Peer(PEER), target, "fp32", place)
            found[target] = place / made["model"]
    return found


@pytest.mark.parametrize("target", ["onnx", "openvino"])
def test_a_converted_network_answers_as_in_pytorch(made: dict[str, Path], target: str) -> None:
    example = PEER.make_example()
    with torch.no_grad():
        expected = build_network()(example).numpy()
    answer: Any = open_file(target, made[target], example=example.numpy(), threads=1)()
    # Only the order of float operations differs.
    np.testing.assert_allclose(next(iter(_list_arrays(answer))), expected, atol=1e-5)


def _list_arrays(answer: Any) -> Sequence[np.ndarray]:
    return answer if isinstance(answer, list) else list(answer.values())


@pytest.fixture(name="peers")
def measure_small_peer(
    made: dict[str, Path], bundles: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    def give_files(
        wanted: Mapping[str, Sequence[str]], root: Path
    ) -> dict[tuple[str, str], files.PeerFile]:
        found = {(PEER.name, f"{name}-fp32"): files.PeerFile(path) for name, path in made.items()}
        return {**found, (PEER.name, "tflite-fp32"): files.PeerFile(None, "ValueError: odd")}

    monkeypatch.setattr(measure, "PEERS", (PEER,))
    monkeypatch.setattr(measure, "BACKBONES", {})
    monkeypatch.setattr(measure, "prepare_files", give_files)
    limits = Limits(1, 100.0, "PyTorch", 200.0, "OpenVINO", 10.0)
    monkeypatch.setattr(measure, "measure_limits", lambda threads: limits)
    hasty = partial(LatencyConfig, min_round_time_s=0.0)
    monkeypatch.setattr(measure, "LatencyConfig", hasty)
    monkeypatch.setattr(measure, "_WARM_UP_SECONDS", 0.0)
    monkeypatch.setattr(measure, "SECONDS_A_ROUND", 1e-6)
    threads = torch.get_num_threads()
    stage = ReportStage(peers=True, peer_rounds=2)
    found = measure.measure_peers([bundles["openvino"]], stage, bundles["openvino"].parent)
    torch.set_num_threads(threads)
    return found


def test_every_engine_and_bundle_has_a_row(peers: dict[str, Any], bundles: Any) -> None:
    rows = {(row["name"], row["engine"]): row for row in peers["rows"]}
    assert set(rows) == {
        *((PEER.name, engine) for engine in ("torch", "onnxruntime", "openvino", "litert")),
        (bundles["openvino"].name, "openvino"),
    }
    failed = rows.pop((PEER.name, "litert"))
    assert failed["state"] == "not converted: ValueError: odd" and failed["p50_ms"] is None
    assert all(row["p50_ms"] > 0 and row["calls"] >= 2 for row in rows.values())
    assert peers["threads"] == 1 and peers["random_weights"]
    macs = SIDE**2 * 8 * 27 + 8 * 2
    row = rows[PEER.name, "onnxruntime"]
    assert row["macs"] == macs
    assert row["gops"] == pytest.approx(2 * macs / (row["p50_ms"] / 1e3) / 1e9)
    least = 4 * (8 * 27 + 8 + 16 + 2 + 3 * SIDE**2 + 2)
    assert row["bound_gops"] == pytest.approx(min(100.0, 10.0 * 2 * macs / least))
    assert row["of_bound"] == pytest.approx(row["gops"] / row["bound_gops"])


def test_the_report_shows_them(
    peers: dict[str, Any], report_data: Callable[..., ReportData]
) -> None:
    data = report_data(peers=peers)
    assert validate_report(json.loads(json.dumps(data.to_json()))) == []
    page = render_html(data)
    assert "Random weights" in page and "not converted: ValueError: odd" in page
    assert "small &lt;b&gt;" in page and "small <b>" not in page
    assert "Peers in the same rounds" in render_markdown(data)
    assert "Peers in the same rounds" not in render_markdown(report_data())


def test_a_file_that_does_not_run_is_a_row_with_its_reason(tmp_path: Path) -> None:
    broken = tmp_path / "model.onnx"
    broken.write_bytes(b"no model")
    found = {(PEER.name, f"{name}-fp32"): files.PeerFile(None, "none") for name in files.TARGETS}
    found[PEER.name, "onnx-fp32"] = files.PeerFile(broken)
    rows = {row.engine: row for row in measure.open_peer(PEER, found, 1)}
    assert rows["onnxruntime"].state.startswith("does not run: ")
    assert rows["onnxruntime"].call is None and rows["torch"].call is not None


def test_a_network_that_cannot_be_built_is_a_row_with_its_reason() -> None:
    def fail() -> nn.Module:
        raise RuntimeError("no such network")

    found = {(PEER.name, f"{name}-fp32"): files.PeerFile(None, "none") for name in files.TARGETS}
    rows = measure.open_peer(replace(PEER, build=fail), found, 1)
    assert rows[0].state == "does not run: no such network" and rows[0].work is None
    assert len(rows) == 1 + len(files.TARGETS)


def test_a_row_that_fails_while_it_is_timed_ends_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    hasty = partial(LatencyConfig, min_round_time_s=0.0)
    monkeypatch.setattr(measure, "LatencyConfig", hasty)
    monkeypatch.setattr(measure, "_WARM_UP_SECONDS", 0.0)
    calls = iter([None] * 3)  # fails in the rounds, after the warm-up
    rows = [Row(name, "peer", "torch", "fp32", SIDE) for name in ("good", "bad")]
    rows[0].call = lambda: None
    rows[1].call = lambda: next(calls)
    measure.time_rows(rows, 5, 1)
    assert rows[0].stats is not None and rows[0].state == MEASURED
    assert rows[1].stats is None and rows[1].state.startswith("does not run: 'bad torch fp32'")


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    ],
)
def test_what_this_machine_lacks_today_is_not_remembered(tmp_path: Path, error: Exception) -> None:
    def fail(*given: Any) -> dict[str, Any]:
        raise error

    with pytest.raises(type(error)):
        convert.try_conversion(fail, "onnx", "fp32", tmp_path)

    def refuse(*given: Any) -> dict[str, Any]:
        raise ValueError("unknown operation")

    found = convert.try_conversion(refuse, "onnx", "fp32", tmp_path)
    assert found == {"reason": "ValueError: unknown operation"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--peer-rounds", "3"], "Add --peers"),
        (["--peers", "--peer-threads", "0"], "Give 1 or more"),
    ],
)
def test_options_of_the_peers(words: list[str], message: str) -> None:
    parser = CommandParser()
    add_options(parser)
    args: Any = parser.parse_args([*words, "--out", "o", "a"])
    with pytest.raises(ConfigError, match=message):
        args.command(args)
