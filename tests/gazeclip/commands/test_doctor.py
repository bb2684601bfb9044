"""The doctor's findings on made-up projects and processors."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from gazeclip.commands import doctor
from gazeclip.errors import MissingDependencyError
from gazeclip.system import requirements
from gazeclip.system.cpu import compiler_fault, cpu_features, cpu_model
from gazeclip.system.packages import TORCH_EXTRAS, install_command, require

ROOT = Path(__file__).resolve().parents[3]
PYPROJECT = """
[project]
name = "gazeclip-edge"
dependencies = ["numpy>=1.24", "Pillow"]
[project.optional-dependencies]
web = ["no-such-package-here>=1; python_version >= '3.11'", "numpy"]
mac = ["only-on-a-mac; sys_platform == 'no-such-system'"]
all = ["gazeclip-edge[web,mac]"]
"""


@pytest.mark.checkout
def test_dependencies(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    (tmp_path / "constraints.txt").write_text(
        "# pins\nnumpy==0.0.1\npillow==99 ; python_version > '3'\n"
    )
    found = {
        (d.extra, d.name): d
        for d in requirements.find_dependencies(tmp_path, tmp_path / "constraints.txt")
    }
    assert set(found) == {
        ("core", "numpy"),
        ("core", "Pillow"),
        ("web", "no-such-package-here"),
        ("web", "numpy"),
        ("mac", "only-on-a-mac"),
    }
    assert found["core", "numpy"].status == "untested" and found["core", "numpy"].tested == "0.0.1"
    assert found["core", "Pillow"].tested == "99"
    missing = found["web", "no-such-package-here"]
    assert (
        missing.status == "missing"
        and missing.remedy == "python -m pip install -c constraints.txt -e '.[web]'"
    )
    assert missing.wanted == ">=1"
    assert found["mac", "only-on-a-mac"].status == "not for this system"
    assert found["mac", "only-on-a-mac"].remedy is None


def brings_torch(requirement: str, seen: set[str]) -> bool:
    """Whether a requirement leads to torch, by the metadata of what is installed.

    Other platforms' and extras' are left out.
    """
    name = (
        re.split(r"[^A-Za-z0-9._-]", requirement.strip(), maxsplit=1)[0].lower().replace("_", "-")
    )
    if name == "torch" or name in seen or "extra ==" in requirement:
        return name == "torch"
    seen.add(name)
    try:
        needed = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return False
    return any(brings_torch(item, seen) for item in needed)


@pytest.mark.checkout
def test_no_remedy_pulls_a_torch_that_was_not_chosen() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    found = {
        extra for extra, items in extras.items() if any(brings_torch(item, set()) for item in items)
    }
    assert {"train", "tflite"} <= found <= set(TORCH_EXTRAS)
    for extra in TORCH_EXTRAS:
        command = install_command(extra)
        assert command.startswith("make install") and command.index(
            "gazeclip.system.install_torch"
        ) < command.index("pip install -c constraints.txt")
        assert f"'.[{extra}]'" in command
    assert (ROOT / "gazeclip/system/install_torch.py").is_file()
    assert install_command("onnx") == "python -m pip install -c constraints.txt -e '.[onnx]'"
    assert install_command() == "python -m pip install -c constraints.txt -e '.'"
    with pytest.raises(
        MissingDependencyError,
        match=r"'no_such_module' is not installed. Run: make install \(or by hand: python -m gaze",
    ):
        require("no_such_module", extra="train")
    assert requirements.Dependency("train", "torch", "", "2", None).remedy == install_command(
        "train"
    )
    assert (
        requirements.Dependency(requirements.CORE, "numpy", "", "2", None).remedy
        == install_command()
    )


WITHOUT = """
import runpy, sys
from importlib import metadata

GONE = {"numpy", "PIL", "pillow", "yaml", "pyyaml"}

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in GONE:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

def version(name, real=metadata.version):
    if name.lower() in GONE:
        raise metadata.PackageNotFoundError(name)
    return real(name)

metadata.version = version
sys.meta_path.insert(0, Blocker())
for options in ([], ["--json"]):
    sys.argv = ["gazeclip", "doctor", *options]
    try:
        runpy.run_module("gazeclip", run_name="__main__")
    except SystemExit as ended:
        print("<end>", ended.code)
"""


@pytest.mark.checkout
def test_a_missing_core_is_reported() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        check=False,
    )
    told, document, rest = done.stdout.split("<end> 1\n")
    assert (done.returncode, rest) == (0, ""), done.stderr
    assert "core: python -m pip install -c constraints.txt -e '.'" in told
    assert "unknown: first complete the core install" in told and "usable threads: unknown" in told
    report = json.loads(document)
    assert {
        d["name"]
        for d in report["dependencies"]
        if d["extra"] == "core" and d["status"] == "missing"
    } == {"numpy", "pillow", "pyyaml"}
    assert report["engines"] is None and report["cpu"]["usable_threads"] is None


@pytest.mark.parametrize(
    ("marker", "version", "needed"),
    [
        ("python_version < '3.12'", (3, 11, 7), True),
        ("python_version < '3.12'", (3, 12, 0), False),
        ("python_version >= '3.9'", (3, 10, 0), True),  # as numbers, not as text
        ("python_version < '3.12' and sys_platform == 'no-such-system'", (3, 11, 7), False),
        ("python_version < '3.9' or sys_platform != 'no-such-system'", (3, 11, 7), True),
        ("implementation_name == 'x'", (3, 11, 7), True),
    ],
)
def test_markers(
    monkeypatch: pytest.MonkeyPatch, marker: str, version: tuple[int, int, int], needed: bool
) -> None:
    monkeypatch.setattr(sys, "version_info", version)
    assert requirements.applies_here(marker) is needed


def test_a_build_tag_is_not_another_version() -> None:
    assert requirements.Dependency("train", "torch", "", "2.13.0", "2.13.0+cpu").status == "ok"
    assert (
        requirements.Dependency("train", "torch", "", "2.13.0", "2.12.0+cpu").status == "untested"
    )


@pytest.mark.parametrize(
    ("text", "model", "features"),
    [
        (
            "model name\t: Some Xeon\nflags\t\t: fpu avx2 avx512f avx512_vnni amx_int8\n",
            "Some Xeon",
            "AVX2 AVX512 VNNI AMX",
        ),
        (
            "Features\t: fp asimd asimddp\nModel\t\t: Raspberry Pi 5\n",
            "Raspberry Pi 5",
            "NEON DOTPROD",
        ),
    ],
)
def test_cpu(
    text: str, model: str, features: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "cpuinfo").write_text(text)
    assert cpu_model(tmp_path) == model
    assert cpu_features(tmp_path) == features.split()


def test_report_imports_no_training_library() -> None:
    code = (
        "import sys; from gazeclip.commands import doctor; code = doctor.main(json=True); "
        "heavy = {'torch', 'timm', 'nncf', 'coremltools'} & set(sys.modules); "
        "sys.exit(3 if heavy else code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    report = json.loads(done.stdout)
    assert report["cpu"]["usable_threads"] >= 1 and set(report["engines"]) == {
        "openvino",
        "onnxruntime",
        "litert",
        "coreml",
    }
    assert all(d["remedy"] for d in report["dependencies"] if d["status"] == "missing")


@pytest.fixture
def broken(tmp_path: Path) -> dict[str, str]:
    """An environment in which `onnxruntime` is installed and cannot be imported."""
    package = tmp_path / "onnxruntime"
    package.mkdir()
    text = "raise ImportError('libcudart.so.99: cannot open shared object file. It is not there')"
    (package / "__init__.py").write_text(text)
    return {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}


@pytest.mark.parametrize("command", [["gazeclip", "doctor"], ["runtimes", "list"]])
@pytest.mark.checkout
def test_an_engine_that_is_installed_and_broken_is_told(
    broken: dict[str, str], command: list[str]
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        env=broken,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    line = next(
        line
        for line in done.stdout.splitlines()
        if line.split()[:1] == ["onnxruntime"] and "cannot" in line
    )
    assert "'onnxruntime' is installed but cannot be imported (libcudart.so.99: cannot open" in line
    assert (
        "pip uninstall -y onnxruntime && python -m pip install -c constraints.txt -e '.[onnx]'"
        in line
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "raise OSError('no such symbol')",
            "'spoiled' is installed but cannot be imported (no such symbol)",
        ),
        ("raise AttributeError('_ARRAY_API')", "cannot be imported (_ARRAY_API)"),
        (
            "import spoiled.lost",
            "'spoiled' is installed but cannot be imported (No module named 'spoiled.lost')",
        ),
        ("import no_such_part", "'no_such_part' is not installed. Run: "),
    ],
)
def test_require_tells_broken_from_missing(
    text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "spoiled").mkdir()
    (tmp_path / "spoiled" / "__init__.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingDependencyError) as caught:
        require("spoiled", extra="onnx")
    assert said in str(caught.value)


def compiler(folder: Path, name: str, body: str) -> str:
    """A program to be given as CXX."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


def test_the_compiler_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert compiler_fault() == "no C++ compiler (no-such-compiler)"
    refuses = compiler(
        tmp_path, "refuses", "echo probe.cpp:1: fatal error: Python.h: No such file >&2; exit 1"
    )
    monkeypatch.setenv("CXX", refuses)
    assert str(compiler_fault()).endswith(
        "cannot compile two lines: probe.cpp:1: fatal error: Python.h: No such file"
    )
    report = doctor.examine_machine()
    assert report["compiler_fault"] == compiler_fault()
    assert any(
        line.startswith("C++ compiler: the C++ compiler") and "Python.h" in line
        for line in doctor.render_report(report)
    )
    idle = compiler(tmp_path, "idle", "exit 0")  # says that all went well and writes nothing
    monkeypatch.setenv("CXX", idle)
    assert "cannot compile two lines: exit code 0" in str(compiler_fault())


@pytest.mark.skipif(shutil.which("c++") is None, reason="needs a C++ compiler")
def test_a_compiler_with_options_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "c++ -O0")
    assert compiler_fault() is None
    monkeypatch.setenv("CXX", "c++ --no-such-option")
    assert "no-such-option" in str(compiler_fault())
