"""The processor's name, the instruction sets that decide how fast INT8 runs, and its compiler.

Imports nothing heavy.
"""

from __future__ import annotations

import functools
import os
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

# What we call it -> the flags of Linux (x86, ARM) and macOS that mean it
_FEATURES = {
    "AVX2": {"avx2"},
    "AVX512": {"avx512f"},
    "VNNI": {"avx512_vnni", "avx_vnni", "avx512vnni"},
    "AMX": {"amx_int8", "amx_tile"},
    "NEON": {"asimd", "neon", "advsimd"},
    "DOTPROD": {"asimddp", "feat_dotprod"},
    "I8MM": {"i8mm", "feat_i8mm"},
}

_COMPILER_TIMEOUT_S = 60
_PROBE = """#include <Python.h>
#include <vector>
int probe() { return static_cast<int>(std::vector<int>(3).size()); }
"""


def cpu_model(root: Path = Path("/")) -> str:
    """The processor's marketing name, as far as the system tells."""
    for line in _read_cpuinfo(root):
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Model") and value.strip():
            return value.strip()
    if sys.platform == "darwin":
        return _read_sysctl("machdep.cpu.brand_string") or platform.machine()
    return platform.processor() or platform.machine()


def cpu_features(root: Path = Path("/")) -> list[str]:
    """Those of AVX2, AVX512, VNNI, AMX, NEON, DOTPROD and I8MM that this processor has."""
    flags: set[str] = set()
    for line in _read_cpuinfo(root):
        key, _, value = line.partition(":")
        if key.strip() in ("flags", "Features"):
            flags = set(value.lower().split())
            break
    if sys.platform == "darwin":
        flags |= _darwin_flags()
    return [name for name, meaning in _FEATURES.items() if flags & meaning]


def _read_cpuinfo(root: Path) -> list[str]:
    try:
        return (root / "proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _darwin_flags() -> set[str]:
    intel = f"{_read_sysctl('machdep.cpu.features')} {_read_sysctl('machdep.cpu.leaf7_features')}"
    flags = set(intel.lower().split())
    for key in ("FEAT_DotProd", "FEAT_I8MM"):
        if _read_sysctl(f"hw.optional.arm.{key}") == "1":
            flags.add(key.lower())
    if platform.machine() == "arm64":
        flags.add("neon")
    return flags


def _read_sysctl(key: str) -> str:
    try:
        command = ["sysctl", "-n", key]
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def cpp_compiler() -> tuple[str, str | None]:
    """Command of the C++ compiler that torch builds extensions with, and its path or None.

    It is the variable `CXX`, else `c++`.
    """
    command = os.environ.get("CXX") or "c++"
    words = shlex.split(command) or [command]
    return command, shutil.which(words[0])


def compiler_fault() -> str | None:
    """Why that compiler builds no extension, in a few words; None if it does.

    Tried once per compiler and process.

    A compiler may be found and still be broken, lack its standard library, or lack the headers of
    this Python.
    """
    command, path = cpp_compiler()
    if path is None:
        return f"no C++ compiler ({command})"
    if sys.platform == "win32":
        return None  # its compiler takes other options; torch looks for it by itself
    return _try_compiler(command)


@functools.cache
def _try_compiler(command: str) -> str | None:
    try:
        with tempfile.TemporaryDirectory() as folder:
            return _compile_probe(command, Path(folder))
    except OSError as error:  # a full disk, or a container that may not be written
        return f"the C++ compiler ({command}) cannot be tried: {error}"


def _compile_probe(command: str, folder: Path) -> str | None:
    source = folder / "probe.cpp"
    library = folder / "probe.so"
    source.write_text(_PROBE, encoding="utf-8")
    headers = sysconfig.get_path("include")
    options = ["-shared", "-fPIC", f"-I{headers}", str(source), "-o", str(library)]
    if sys.platform == "darwin":
        options += ["-undefined", "dynamic_lookup"]
    try:
        done = subprocess.run(
            [*shlex.split(command), *options],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_COMPILER_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"the C++ compiler ({command}) does not run: {error}"
    if done.returncode == 0 and library.is_file():
        return None
    said = _first_error(done.stderr) or f"exit code {done.returncode}"
    return f"the C++ compiler ({command}) cannot compile two lines: {said}"


def _first_error(output: str) -> str:
    """The first line of a compiler's output that tells an error, else its first line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    for line in lines:
        if "error" in line:
            return line
    return lines[0] if lines else ""
