"""The processor's name, the instruction sets that decide how fast INT8 runs, and its compiler. Imports nothing heavy."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

# what we call it -> the flags of Linux (x86, ARM) and macOS that mean it
_FEATURES = {
    "AVX2": {"avx2"},
    "AVX512": {"avx512f"},
    "VNNI": {"avx512_vnni", "avx_vnni", "avx512vnni"},
    "AMX": {"amx_int8", "amx_tile"},
    "NEON": {"asimd", "neon", "advsimd"},
    "DOTPROD": {"asimddp", "feat_dotprod"},
    "I8MM": {"i8mm", "feat_i8mm"},
}


def cpu_model(root: Path = Path("/")) -> str:
    """The processor's marketing name, as far as the system tells."""
    for line in _cpuinfo(root):
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Model") and value.strip():
            return value.strip()
    if sys.platform == "darwin":
        return _sysctl("machdep.cpu.brand_string") or platform.machine()
    return platform.processor() or platform.machine()


def cpu_features(root: Path = Path("/")) -> list[str]:
    """Those of AVX2, AVX512, VNNI, AMX, NEON, DOTPROD and I8MM that this processor has."""
    flags: set[str] = set()
    for line in _cpuinfo(root):
        key, _, value = line.partition(":")
        if key.strip() in ("flags", "Features"):
            flags = set(value.lower().split())
            break
    if sys.platform == "darwin":
        flags |= _darwin_flags()
    return [name for name, meaning in _FEATURES.items() if flags & meaning]


def _cpuinfo(root: Path) -> list[str]:
    try:
        return (root / "proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _darwin_flags() -> set[str]:
    intel = f"{_sysctl('machdep.cpu.features')} {_sysctl('machdep.cpu.leaf7_features')}".lower().split()
    arm = {key for key in ("FEAT_DotProd", "FEAT_I8MM") if _sysctl(f"hw.optional.arm.{key}") == "1"}
    neon = {"neon"} if platform.machine() == "arm64" else set()
    return set(intel) | {key.lower() for key in arm} | neon


def _sysctl(key: str) -> str:
    try:
        return subprocess.run(
            ["sysctl", "-n", key], capture_output=True, text=True, timeout=5, check=False
        ).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def cpp_compiler() -> tuple[str, str | None]:
    """Name of the C++ compiler that torch builds extensions with, and its path or None."""
    name = os.environ.get("CXX", "c++")
    return name, shutil.which(name)
