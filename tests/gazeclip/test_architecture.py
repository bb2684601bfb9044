"""Who may import whom: the core knows no later stage, and what a gateway runs knows no torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LATER = {"distill", "quantize", "export", "runtimes", "benchmarks"}
LAZY_ALLOWED = {"gazeclip/pipeline.py", "gazeclip/doctor.py"}  # and there inside functions only
FORBIDDEN = {
    "gazeclip": LATER,
    "runtimes": LATER - {"runtimes"},
    "distill": {"quantize", "export", "benchmarks"},
    "quantize": {"export", "benchmarks"},
    "export": {"benchmarks"},
}


def imports(node: ast.AST, inside: bool = False) -> Iterator[tuple[str, bool]]:
    """Top-level packages that are imported, and whether inside a function."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from ((alias.name.split(".")[0], inside) for alias in child.names)
        elif isinstance(child, ast.ImportFrom) and child.level == 0:
            yield (child.module or "").split(".")[0], inside
        yield from imports(child, inside or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda))


def wrong(source: str, name: str, package: str) -> list[str]:
    lazy = name in LAZY_ALLOWED
    return [f"{name} imports {found}" for found, inside in imports(ast.parse(source)) if found in FORBIDDEN[package] and not (inside and lazy)]


@pytest.mark.parametrize("package", FORBIDDEN)
def test_imports_point_one_way(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    faults = [fault for file in files for fault in wrong(file.read_text(), file.relative_to(ROOT).as_posix(), package)]
    assert not faults


def test_the_scan_finds_what_it_looks_for() -> None:
    source = "if x:\n    import distill.losses\ndef f():\n    from export import onnx\n"
    assert wrong(source, "gazeclip/a.py", "gazeclip") == ["gazeclip/a.py imports distill", "gazeclip/a.py imports export"]
    assert wrong(source, "gazeclip/doctor.py", "gazeclip") == ["gazeclip/doctor.py imports distill"]


def test_what_a_gateway_runs_needs_no_torch() -> None:
    files = [file for file in sorted((ROOT / "runtimes").glob("*.py")) if file.stem not in ("__main__", "__init__", "pytorch")]
    names = ["runtimes", *(f"runtimes.{file.stem}" for file in files)]
    names += [f"gazeclip.{name}" for name in ("preprocess", "taxonomy", "metrics", "errors", "checkpoint", "run")]
    names += [f"gazeclip.{file.stem}" for file in sorted((ROOT / "gazeclip").glob("bundle*.py"))]
    assert "gazeclip.bundle" in names
    code = f"""
import importlib, sys
heavy = ("torch", "timm", "torchvision", "open_clip", "nncf", "pydantic", "rich", "openvino", "onnxruntime", "coremltools")
for name in {names!r}:
    importlib.import_module(name)
    found = [module for module in heavy if module in sys.modules]
    if found:
        sys.exit(f"{{name}} imports {{found}}")
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
