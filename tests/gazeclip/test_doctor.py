"""The doctor's findings on made-up projects and processors."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gazeclip import doctor
from gazeclip.cpu import cpu_features, cpu_model

PYPROJECT = """
[project]
name = "gazeclip-edge"
dependencies = ["numpy>=1.24", "Pillow"]
[project.optional-dependencies]
web = ["no-such-package-here>=1; python_version >= '3.11'", "numpy"]
mac = ["only-on-a-mac; sys_platform == 'no-such-system'"]
all = ["gazeclip-edge[web,mac]"]
"""


def test_dependencies(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    (tmp_path / "constraints.txt").write_text("# pins\nnumpy==0.0.1\npillow==99 ; python_version > '3'\n")
    found = {(d.extra, d.name): d for d in doctor.dependencies(tmp_path)}
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
    assert missing.status == "missing" and missing.remedy == "pip install 'gazeclip-edge[web]' -c constraints.txt"
    assert missing.wanted == ">=1"
    assert found["mac", "only-on-a-mac"].status == "not for this system"
    assert found["mac", "only-on-a-mac"].remedy is None


def test_a_build_tag_is_not_another_version() -> None:
    assert doctor.Dependency("train", "torch", "", "2.13.0", "2.13.0+cpu").status == "ok"
    assert doctor.Dependency("train", "torch", "", "2.13.0", "2.12.0+cpu").status == "untested"


@pytest.mark.parametrize(
    ("text", "model", "features"),
    [
        (
            "model name\t: Some Xeon\nflags\t\t: fpu avx2 avx512f avx512_vnni amx_int8\n",
            "Some Xeon",
            "AVX2 AVX512 VNNI AMX",
        ),
        ("Features\t: fp asimd asimddp\nModel\t\t: Raspberry Pi 5\n", "Raspberry Pi 5", "NEON DOTPROD"),
    ],
)
def test_cpu(text: str, model: str, features: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "cpuinfo").write_text(text)
    assert cpu_model(tmp_path) == model
    assert cpu_features(tmp_path) == features.split()


def test_report_imports_nothing_it_reports_on() -> None:
    code = (
        "import sys; from gazeclip import doctor; code = doctor.main(json=True); "
        "heavy = {'torch', 'openvino', 'onnxruntime', 'timm', 'nncf'} & set(sys.modules); "
        "sys.exit(3 if heavy else code)"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, timeout=60, check=False)
    assert done.returncode in (0, 1), done.stderr
    report = json.loads(done.stdout)
    assert report["cpu"]["usable_threads"] >= 1 and set(report["engines"]) == {
        "openvino",
        "onnxruntime",
        "litert",
        "coreml",
    }
    assert all(d["remedy"] for d in report["dependencies"] if d["status"] == "missing")
