"""The load test as it is run by hand, on the small bundle."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("fastapi")


@pytest.mark.parametrize("options", ["--batches 0", "--clients 1,x", "--seconds 0", "--size 5"])
def test_options_that_make_no_sense(options: str) -> None:
    from benchmarks.serve import parse_options
    from gazeclip.errors import ConfigError

    with pytest.raises((SystemExit, ConfigError)):
        parse_options(["--bundle", "x", *options.split()])


@pytest.mark.slow
def test_the_load_test(
    bundles: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from benchmarks.serve import main

    out = tmp_path / "load.json"
    sizes = ["--batches", "1,4", "--clients", "1,8"]
    options = ["--threads", "1", "--seconds", "1", "--factor", "6", *sizes]
    assert main(["--bundle", str(bundles["onnx"]), "--json", str(out), *options]) == 0
    report = json.loads(out.read_text(encoding="utf-8"))
    assert [(row["batch"], row["clients"]) for row in report["closed"]] == [
        (1, 1),
        (1, 8),
        (4, 1),
        (4, 8),
    ]
    for row in report["closed"]:
        assert row["statuses"] == {"200": row["requests"]}
        assert 1 <= row["images_per_inference"] <= row["batch"]
        assert 0 < row["p50_ms"] <= row["p95_ms"] <= row["p99_ms"]
    overload = report["overload"]
    assert set(overload["statuses"]) <= {"200", "429"} and overload["exit_code"] == 0
    assert report["neither_200_nor_429"] == 0
    assert "requests/s by the clock" in capsys.readouterr().out


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    from benchmarks.load.server import run_server
    from gazeclip.errors import StageError

    with (
        pytest.raises(StageError, match="did not start: error: "),
        run_server("--bundle", str(tmp_path)),
    ):
        pass
