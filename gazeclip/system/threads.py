"""How many threads this process may really use: the container's quota and affinity, not the host's
core count.
"""

from __future__ import annotations

import os
from pathlib import Path


def usable_threads(root: Path = Path("/")) -> int:
    """The smallest of affinity mask, cgroup CPU quota (v1 and v2, every level) and
    `OMP_NUM_THREADS`; at least 1.

    A quota of 1.5 CPUs counts as one thread: two would be throttled together in every period.

    Args:
        root: where `proc` and `sys` lie; another folder in tests.
    """
    limits = [_affinity(), *_v2_quotas(root), *_v1_quotas(root)]
    wish = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    if wish.isdigit() and int(wish) > 0:
        limits.append(float(wish))
    return max(1, int(min(limits)))


def _affinity() -> float:
    if hasattr(os, "sched_getaffinity"):
        return float(len(os.sched_getaffinity(0)))
    return float(os.cpu_count() or 1)


def _v2_quotas(root: Path) -> list[float]:
    """`cpu.max` holds `quota period` in microseconds, or `max`."""
    quotas = []
    for folder in _levels(root / "sys/fs/cgroup", _group(root, "")):
        fields = _read(folder / "cpu.max").split()
        if len(fields) == 2 and fields[0].isdigit() and fields[1].isdigit() and int(fields[1]) > 0:
            quotas.append(int(fields[0]) / int(fields[1]))
    return quotas


def _v1_quotas(root: Path) -> list[float]:
    """`cpu.cfs_quota_us` is -1 where there is no limit."""
    quotas = []
    for mount in ("cpu", "cpu,cpuacct"):
        for folder in _levels(root / "sys/fs/cgroup" / mount, _group(root, "cpu")):
            quota, period = (
                _read(folder / "cpu.cfs_quota_us").strip(),
                _read(folder / "cpu.cfs_period_us").strip(),
            )
            if quota.isdigit() and period.isdigit() and int(period) > 0:
                quotas.append(int(quota) / int(period))
    return quotas


def _group(root: Path, controller: str) -> str:
    """This process's cgroup path; `controller` is empty for v2. Lines read `id:controllers:path`."""
    for line in _read(root / "proc/self/cgroup").splitlines():
        fields = line.split(":", 2)
        if len(fields) == 3 and controller in fields[1].split(","):
            return fields[2]
    return "/"


def _levels(mount: Path, group: str) -> list[Path]:
    """The group's folder and all above it: each level may set its own limit, and the tightest
    counts.

    Inside a container the path may be the host's and not exist here; the mount's root is then the
    container's own.
    """
    parts = [part for part in group.split("/") if part not in ("", "..")]
    return [mount.joinpath(*parts[:depth]) for depth in range(len(parts), -1, -1)]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
