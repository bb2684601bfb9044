"""An Android device behind an `adb` that this test writes."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.command import add_options, read_changes, read_device
from benchmarks.devices import adb, coreml, measure
from benchmarks.devices.base import MEASURED, Timing
from gazeclip.bundle.bundle import Bundle
from gazeclip.console.parser import CommandParser
from gazeclip.errors import ConfigError, StageError
from gazeclip.recipe.stages import ReportStage

SAID = """STARTING!
Graph: [/data/local/tmp/gazeclip-benchmark/model.tflite]
INFO: Running benchmark for at least 10 iterations and at least 0.5 seconds
INFO: count=10 first=9000 curr=8000 min=7900 max=9000 avg=8.1e+03 std=3 p5=1 median=8050 p95=9
INFO: Running benchmark for at least 100 iterations and at least 1 seconds
INFO: count=100 first=7000 curr=6000 min=5900 max=7000 avg=6.25e+03 std=2 p5=1 median=6100 p95=7
INFO: Inference timings in us: Init: 12500, First inference: 9000, Warmup (avg): 8.1e+03
INFO: Memory footprint delta from the start of the tool (MB): init=6.36 overall=19.8
"""
OLD = "count=50 first=3 curr=2 min=2000 max=3 avg=2500 std=1\n"
FAKE = """#!{python}
import json
import sys
from pathlib import Path

here = Path(__file__).parent
answers = json.loads((here / "answers.json").read_text())
with (here / "calls.txt").open("a") as file:
    file.write(json.dumps(sys.argv[1:]) + "\\n")
words = [word for word in sys.argv[1:] if word not in ("-s", "SERIAL")]
if words[0] == "push":
    (here / "pushed").mkdir(exist_ok=True)
    (here / "pushed" / words[2].split("/")[-1]).write_bytes(Path(words[1]).read_bytes())
key = " ".join(words[:2])
for start, (code, text) in answers.items():
    if " ".join(words).startswith(start):
        (sys.stderr if code else sys.stdout).write(text)
        sys.exit(code)
"""


class FakeAdb:
    """What the imitation answers, and what it was asked."""

    def __init__(self, folder: Path, model: Path) -> None:
        self.folder = folder
        self.model = model
        self.tool = folder / "tool"
        self.tool.write_bytes(b"a binary")
        program = folder / "adb"
        program.write_text(FAKE.format(python=sys.executable))
        program.chmod(0o755)
        self.answer()

    def answer(self, **changes: tuple[int, str]) -> None:
        answers = {
            "get-state": (0, "device\n"),
            "shell getprop": (0, "Pixel 9\n"),
            f"shell {adb.PLACE}/benchmark_model": (0, SAID),
        }
        names = {
            "state": "get-state",
            "run": f"shell {adb.PLACE}/benchmark_model",
            "push": "push",
            "model": f"push {self.model}",
            "remove": "shell rm",
        }
        answers |= {names[key]: value for key, value in changes.items()}
        (self.folder / "answers.json").write_text(json.dumps(answers))

    @property
    def calls(self) -> list[list[str]]:
        lines = (self.folder / "calls.txt").read_text().splitlines()
        return [json.loads(line) for line in lines]


@pytest.fixture(name="fake")
def write_fake(
    tmp_path: Path, bundles: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> FakeAdb:
    folder = tmp_path / "platform-tools"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return FakeAdb(folder, Bundle.load(bundles["tflite"]).model_path)


def test_a_tflite_bundle_is_timed_and_nothing_stays(
    fake: FakeAdb, bundles: dict[str, Path]
) -> None:
    stage = ReportStage(device="adb:SERIAL", benchmark_model=str(fake.tool), threads=3)
    found = measure.measure_device([bundles["tflite"], bundles["onnx"]], stage)
    assert found is not None and found["label"] == "Pixel 9 by adb"
    first, second = found["rows"]
    assert first["state"] == MEASURED
    assert (first["p50_ms"], first["mean_ms"], first["min_ms"]) == (6.1, 6.25, 5.9)
    assert (first["init_ms"], first["peak_mb"], first["calls"]) == (12.5, 19.8, 100)
    assert "not onnx" in second["state"] and second["p50_ms"] is None
    pushed = fake.folder / "pushed"
    assert (pushed / "benchmark_model").read_bytes() == b"a binary"
    model = Bundle.load(bundles["tflite"]).model_path
    assert (pushed / "model.tflite").read_bytes() == model.read_bytes()
    assert all(call[:2] == ["-s", "SERIAL"] for call in fake.calls)
    started = ["shell", f"{adb.PLACE}/benchmark_model"]
    asked = next(call for call in fake.calls if call[2:4] == started)
    assert "--num_threads=3" in asked
    assert fake.calls[-1][2:] == ["shell", "rm", "-r", adb.PLACE]


@pytest.mark.parametrize(
    ("run", "state"),
    [
        ((1, "ERROR: Failed to load\nkilled\n"), "benchmark_model failed: killed"),
        ((0, "STARTING!\n"), "benchmark_model told no times: STARTING!"),
    ],
)
def test_a_tool_that_fails_is_a_row_with_its_words(
    fake: FakeAdb, bundles: dict[str, Path], run: tuple[int, str], state: str
) -> None:
    fake.answer(run=run)
    with adb.AdbDevice(None, fake.tool) as device:
        assert device.time_bundle(Bundle.load(bundles["tflite"]), 1) == Timing(state)
    assert fake.calls[-1] == ["shell", "rm", "-r", adb.PLACE]


def test_an_older_tool_has_no_median() -> None:
    found = adb.read_timing(OLD, 2)
    assert (found.p50_ms, found.mean_ms, found.min_ms) == (None, 2.5, 2.0)
    assert (found.calls, found.threads, found.init_ms) == (50, 2, None)


def test_a_device_that_is_not_there_is_told(fake: FakeAdb) -> None:
    fake.answer(state=(1, "error: no devices/emulators found\n"))
    with pytest.raises(StageError, match="no devices/emulators found"):
        adb.AdbDevice(None, fake.tool)
    fake.answer(state=(0, "unauthorized\n"))
    with pytest.raises(StageError, match="'unauthorized'"):
        adb.AdbDevice(None, fake.tool)


def test_a_device_that_never_answers_is_given_up(
    fake: FakeAdb, monkeypatch: pytest.MonkeyPatch
) -> None:
    (fake.folder / "adb").write_text(f"#!{sys.executable}\nimport time\ntime.sleep(60)\n")
    monkeypatch.setattr(adb, "SECONDS", 0.2)
    with pytest.raises(StageError, match="did not answer"):
        adb.AdbDevice(None, fake.tool)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"device": "phone"}, "no device 'phone'"),
        ({"device": "adb"}, "needs LiteRT's benchmark_model"),
        ({"device": "adb", "benchmark_model": "/nowhere/tool"}, "no file /nowhere/tool"),
    ],
)
def test_what_is_missing_is_told(fake: FakeAdb, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        measure.open_device(ReportStage(**changes))


def test_without_adb_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="adb is not installed"):
        adb.AdbDevice(None, tmp_path)


def test_a_device_that_leaves_while_it_works_is_a_state(
    fake: FakeAdb, bundles: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    stage = ReportStage(device="adb", benchmark_model=str(fake.tool))
    measure.check_device(stage)
    fake.answer(push=(1, "error: closed\n"), remove=(1, "error: no devices\n"))
    folders = [bundles["tflite"], bundles["onnx"]]
    found = measure.measure_device(folders, stage)
    assert found is not None
    # The tool is pushed when the device is opened, so that already fails.
    assert {row["state"] for row in found["rows"]} == {
        "not measured: adb push failed: error: closed"
    }
    fake.answer(model=(1, "error: closed\n"), remove=(1, "error: no devices\n"))
    found = measure.measure_device(folders, stage)
    assert found is not None and found["label"] == "Pixel 9 by adb"
    first, second = (row["state"] for row in found["rows"])
    assert first == "not measured: adb push failed: error: closed"
    assert second == "not tried: the device failed before"
    assert "may still be on the device: adb shell failed: error: no devices" in (
        capsys.readouterr().err
    )
    fake.answer(state=(1, "error: no devices/emulators found\n"))
    found = measure.measure_device(folders, stage)
    assert found is not None and found["label"] == "adb"
    assert all("no devices/emulators found" in row["state"] for row in found["rows"])
    with pytest.raises(StageError, match="no devices/emulators found"):
        measure.check_device(stage)


@pytest.mark.skipif(sys.platform == "darwin", reason="there it may be")
def test_core_ml_is_refused_elsewhere() -> None:
    with pytest.raises(ConfigError, match="no Core ML here"):
        measure.open_device(ReportStage(device="coreml:ane"))


def test_core_ml_goes_through_the_engine(
    bundles: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine of this system stands in for the one of a Mac."""
    asked: list[str | None] = []
    onnx = coreml.ENGINES["onnxruntime"].load()

    class Standin(onnx):  # type: ignore[misc, valid-type]
        def __init__(self, bundle: Bundle, threads: int, device: str | None = None) -> None:
            asked.append(device)
            super().__init__(bundle, threads)

    entry = coreml.ENGINES["onnxruntime"]
    monkeypatch.setattr(type(entry), "load", lambda self: Standin)
    monkeypatch.setattr(coreml, "TARGET", "onnxruntime")
    device = coreml.CoreMlDevice("ane", 0.01)
    bundle = Bundle.load(bundles["onnx"])
    assert device.time_bundle(bundle, 1).state.startswith("not run")
    monkeypatch.setitem(bundle.meta, "target", "onnxruntime")
    found = device.time_bundle(bundle, 1)
    assert asked == ["ane"] and found.p50_ms is not None and found.p50_ms > 0


def test_options_are_of_one_report_and_not_of_the_recipe(tmp_path: Path) -> None:
    parser = CommandParser()
    add_options(parser)
    tool = tmp_path / "tool"
    args: Any = parser.parse_args(["--device", "adb", "--benchmark-model", str(tool)])
    assert read_changes(args) == {}
    assert read_device(args) == {"device": "adb", "benchmark_model": str(tool.resolve())}
    with pytest.raises(ConfigError, match="Add --device adb"):
        read_device(parser.parse_args(["--benchmark-model", str(tool)]))
