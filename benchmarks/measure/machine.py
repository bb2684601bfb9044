"""The machine that figures were measured on: a latency without it says nothing."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from gazeclip.system.cpu import cpu_features, cpu_model
from gazeclip.system.threads import usable_threads

PACKAGES = (
    "numpy", "pillow", "torch", "timm", "open_clip_torch", "nncf", "openvino", "onnx", "onnxruntime",
    "coremltools", "litert-torch", "ai-edge-litert", "tflite-runtime",
)  # fmt: skip
ROOT = Path(__file__).resolve().parents[2]


def describe(proc: Path = Path("/proc"), cgroup: Path = Path("/sys/fs/cgroup")) -> dict[str, Any]:
    """CPU, flags, threads, quota, memory, load, system and package versions; null where the system
    does not tell.
    """
    return {
        "cpu": cpu_model(),
        "flags": cpu_features(),
        "arch": platform.machine(),
        "logical_cpus": os.cpu_count(),
        "usable_threads": usable_threads(),
        "cgroup_cpu_quota": _quota(cgroup),
        "memory_gb": _memory_gb(proc),
        "load_average": _load(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "versions": _versions(),
    }


def source(root: Path = ROOT) -> str | None:
    """The commit that this program runs from, with `-dirty` if files differ from it; None outside
    its own checkout.
    """
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def _quota(cgroup: Path) -> float | None:
    """CPUs' worth of time this control group may use (v2, then v1); None if unlimited or unknown."""
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota = (cgroup / "cpu" / "cpu.cfs_quota_us").read_text().strip()
            period = (cgroup / "cpu" / "cpu.cfs_period_us").read_text().strip()
        except OSError:
            return None
    if quota in ("max", "-1"):
        return None
    return round(int(quota) / int(period), 3)


def _memory_gb(proc: Path) -> float | None:
    try:
        for line in (proc / "meminfo").read_text().splitlines():
            if line.startswith("MemTotal:"):
                return round(int(line.split()[1]) / 1024**2, 2)
    except (OSError, ValueError, IndexError):
        pass
    return None


def _load() -> list[float] | None:
    try:
        return [round(x, 2) for x in os.getloadavg()]
    except (OSError, AttributeError):
        return None


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
