"""The description of the machine, from made-up system files and from this one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.machine import describe


@pytest.mark.parametrize(("text", "quota"), [("150000 100000", 1.5), ("max 100000", None), ("rubbish", None)])
def test_quota_of_cgroup_v2(tmp_path: Path, text: str, quota: float | None) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert describe(cgroup=tmp_path)["cgroup_cpu_quota"] == quota


@pytest.mark.parametrize(("text", "quota"), [("50000", 0.5), ("-1", None)])
def test_quota_of_cgroup_v1(tmp_path: Path, text: str, quota: float | None) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text(text)
    (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000")
    assert describe(cgroup=tmp_path)["cgroup_cpu_quota"] == quota


def test_what_the_system_does_not_tell_is_null(tmp_path: Path) -> None:
    found = describe(proc=tmp_path, cgroup=tmp_path)
    assert found["memory_gb"] is None and found["cgroup_cpu_quota"] is None
    (tmp_path / "meminfo").write_text("MemTotal:       16777216 kB\nMemFree: 1 kB\n")
    assert describe(proc=tmp_path)["memory_gb"] == 16.0


def test_this_machine() -> None:
    found = describe()
    assert found["usable_threads"] >= 1 and found["cpu"]
    assert "numpy" in found["versions"]
    json.dumps(found, allow_nan=False)
