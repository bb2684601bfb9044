"""Thread counts from made-up container limits."""

from __future__ import annotations

from pathlib import Path

import pytest

from gazeclip.system.threads import usable_threads


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


def _tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "threads"),
    [
        ({}, 8),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, 8),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "200000 100000\n"}, 2),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"}, 1),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"}, 1),
        # the limit may stand on any level above
        (
            {
                "proc/self/cgroup": "0::/a/b\n",
                "sys/fs/cgroup/a/cpu.max": "300000 100000",
                "sys/fs/cgroup/a/b/cpu.max": "max 1",
            },
            3,
        ),
        # a container whose host path is not mounted here
        ({"proc/self/cgroup": "0::/../host/x\n", "sys/fs/cgroup/cpu.max": "400000 100000"}, 4),
        (
            {
                "proc/self/cgroup": "4:memory:/m\n2:cpu,cpuacct:/d/c\n0::/\n",
                "sys/fs/cgroup/cpu,cpuacct/d/c/cpu.cfs_quota_us": "500000\n",
                "sys/fs/cgroup/cpu,cpuacct/d/c/cpu.cfs_period_us": "100000\n",
            },
            5,
        ),
        (
            {
                "proc/self/cgroup": "1:cpu:/\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            8,
        ),
    ],
)
def test_quota(files: dict[str, str], threads: int, tmp_path: Path) -> None:
    assert usable_threads(_tree(tmp_path, files)) == threads


def test_affinity_and_wish_cap_the_quota(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = _tree(
        tmp_path, {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "600000 100000\n"}
    )
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert usable_threads(root) == 4
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {5, 7})
    assert usable_threads(root) == 2
