"""How many threads this process may use: the container's quota and affinity, not all cores."""

from __future__ import annotations

import os
from pathlib import Path


def usable_threads(root: Path = Path("/")) -> int:
    """The smallest of affinity mask, cgroup CPU quota and `OMP_NUM_THREADS`; at least 1.

    A quota of 1.5 CPUs counts as one thread: two would be throttled together in every period.

    Args:
        root: where `proc` and `sys` lie; another folder in tests.
    """
    limits = [_count_own_cpus()]
    quota = cpu_quota(root)
    if quota is not None:
        limits.append(quota)
    wish = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    if wish.isdigit() and int(wish) > 0:
        limits.append(float(wish))
    return max(1, int(min(limits)))


def cpu_quota(root: Path = Path("/")) -> float | None:
    """CPUs' worth of time that this process's control groups allow; None if unlimited or unknown.

    Both versions of cgroups are asked, and every level of them: the tightest counts.
    """
    return min([*_read_v2_quotas(root), *_read_v1_quotas(root)], default=None)


def _count_own_cpus() -> float:
    if hasattr(os, "sched_getaffinity"):
        return float(len(os.sched_getaffinity(0)))
    return float(os.cpu_count() or 1)


def _read_v2_quotas(root: Path) -> list[float]:
    """`cpu.max` holds `quota period` in microseconds, or `max`."""
    quotas = []
    for folder in _list_levels(root / "sys/fs/cgroup", _find_group(root, "")):
        fields = _read_or_empty(folder / "cpu.max").split()
        if len(fields) == 2 and fields[0].isdigit() and fields[1].isdigit() and int(fields[1]) > 0:
            quotas.append(int(fields[0]) / int(fields[1]))
    return quotas


def _read_v1_quotas(root: Path) -> list[float]:
    """`cpu.cfs_quota_us` is -1 where there is no limit."""
    quotas = []
    for mount in ("cpu", "cpu,cpuacct"):
        for folder in _list_levels(root / "sys/fs/cgroup" / mount, _find_group(root, "cpu")):
            quota = _read_or_empty(folder / "cpu.cfs_quota_us").strip()
            period = _read_or_empty(folder / "cpu.cfs_period_us").strip()
            if quota.isdigit() and period.isdigit() and int(period) > 0:
                quotas.append(int(quota) / int(period))
    return quotas


def _find_group(root: Path, controller: str) -> str:
    """This process's cgroup path; `controller` is empty for v2. Lines are `id:controllers:path`."""
    for line in _read_or_empty(root / "proc/self/cgroup").splitlines():
        fields = line.split(":", 2)
        if len(fields) == 3 and controller in fields[1].split(","):
            return fields[2]
    return "/"


def _list_levels(mount: Path, group: str) -> list[Path]:
    """The group's folder and all above it, for each level may set its own limit.

    Inside a container the path may be the host's and not exist here; the mount's root is then the
    container's own.
    """
    parts = [part for part in group.split("/") if part not in ("", "..")]
    return [mount.joinpath(*parts[:depth]) for depth in range(len(parts), -1, -1)]


def _read_or_empty(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
