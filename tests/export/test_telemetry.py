"""The stages that quantize and export leave no trace of their use under a fresh home."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from quantize.nncf_setup import prepare_nncf

ROOT = Path(__file__).parents[2]
STAGES = """
import pathlib, sys
sys.path.insert(0, "tests/export")
import conftest
from export.job import ExportJob
from export.registry import TARGETS, load_target
from export.runner import open_runner, unfinished_bundle
student = conftest.build("mobilenetv4_conv_small_050")
quantized = conftest.quantize(student)
for target in TARGETS:
    folder = pathlib.Path(sys.argv[1], target)
    folder.mkdir()
    size = conftest.SIZE
    job = ExportJob(student, quantized, "int8", folder, conftest.CLASSES, size, {"run": "test"})
    written = load_target(target).export(job)
    names = written.get("io", {})
    bundle = unfinished_bundle(folder, target, "int8", written["model"], size, names)
    infer, engine = open_runner(bundle, 1)
    infer(conftest.pictures(1, 1))
    print(target, engine)
"""


@pytest.mark.slow
def test_quantizing_and_exporting_leave_nothing_under_home(tmp_path: Path) -> None:
    prepare_nncf()  # so that both processes share one build of the quantizers
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    for switch in ("ORT_DISABLE_TELEMETRY", "NNCF_CI", "DO_NOT_TRACK", "DISABLE_TELEMETRY"):
        environment.pop(switch, None)
    environment |= {"HOME": str(home), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", STAGES, str(work)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) >= 4
    assert [str(path) for path in home.rglob("*")] == []
