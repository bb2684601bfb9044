"""The description of the machine, from made-up system files and from this one."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from benchmarks.measure.machine import describe_machine, read_commit


@pytest.mark.parametrize(
    ("text", "quota"), [("150000 100000", 1.5), ("max 100000", None), ("rubbish", None)]
)
def test_quota_of_cgroup_v2(tmp_path: Path, text: str, quota: float | None) -> None:
    groups = tmp_path / "sys/fs/cgroup"
    groups.mkdir(parents=True)
    (groups / "cpu.max").write_text(text)
    assert describe_machine(tmp_path)["cgroup_cpu_quota"] == quota


@pytest.mark.parametrize(("text", "quota"), [("50000", 0.5), ("-1", None)])
def test_quota_of_cgroup_v1(tmp_path: Path, text: str, quota: float | None) -> None:
    group = tmp_path / "sys/fs/cgroup/cpu"
    group.mkdir(parents=True)
    (group / "cpu.cfs_quota_us").write_text(text)
    (group / "cpu.cfs_period_us").write_text("100000")
    assert describe_machine(tmp_path)["cgroup_cpu_quota"] == quota


def test_what_the_system_does_not_tell_is_null(tmp_path: Path) -> None:
    found = describe_machine(tmp_path)
    assert found["memory_gb"] is None and found["cgroup_cpu_quota"] is None
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal:       16777216 kB\nMemFree: 1 kB\n")
    assert describe_machine(tmp_path)["memory_gb"] == 16.0


def test_this_machine() -> None:
    found = describe_machine()
    assert found["usable_threads"] >= 1 and found["cpu"]
    assert "numpy" in found["versions"]
    json.dumps(found, allow_nan=False)


def test_the_commit_of_a_checkout(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        names = ("-c", "user.name=a", "-c", "user.email=a@b")
        return subprocess.run(
            ["git", "-C", str(tmp_path), *names, *arguments],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()

    assert read_commit(tmp_path) is None
    git("init", "--quiet")
    (tmp_path / "a").write_text("1")
    git("add", "a")
    git("commit", "--quiet", "-m", "one")
    commit = read_commit(tmp_path)
    assert commit and git("rev-parse", "HEAD").startswith(commit)
    (tmp_path / "a").write_text("2")
    assert read_commit(tmp_path) == f"{commit}-dirty"
