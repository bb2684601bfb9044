"""The machine that figures were measured on: a latency without it says nothing."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from gazeclip.run.versions import read_versions
from gazeclip.system.cpu import cpu_features, cpu_model
from gazeclip.system.threads import cpu_quota, usable_threads

ROOT = Path(__file__).resolve().parents[2]


def describe_machine(root: Path = Path("/")) -> dict[str, Any]:
    """CPU, flags, threads, quota, memory, load, system and package versions.

    Null where the system does not tell.

    Args:
        root: where `proc` and `sys` lie; another folder in tests.
    """
    quota = cpu_quota(root)
    return {
        "cpu": cpu_model(),
        "flags": cpu_features(),
        "arch": platform.machine(),
        "logical_cpus": os.cpu_count(),
        "usable_threads": usable_threads(),
        "cgroup_cpu_quota": None if quota is None else round(quota, 3),
        "memory_gb": _total_memory_gb(root),
        "load_average": _load_average(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "versions": read_versions(),
    }


def read_commit(root: Path = ROOT) -> str | None:
    """The commit that this program runs from, with `-dirty` if files differ from it.

    None outside its own checkout.
    """
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def _total_memory_gb(root: Path) -> float | None:
    try:
        for line in (root / "proc/meminfo").read_text().splitlines():
            if line.startswith("MemTotal:"):
                return round(int(line.split()[1]) / 1024**2, 2)
    except (OSError, ValueError, IndexError):
        pass
    return None


def _load_average() -> list[float] | None:
    try:
        return [round(x, 2) for x in os.getloadavg()]
    except (OSError, AttributeError):
        return None
