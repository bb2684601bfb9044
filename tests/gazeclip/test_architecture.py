"""Who may import whom: arrows run down, no circles, and what a gateway runs knows no torch."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from gazeclip.system.place import OWN_PACKAGES

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.checkout
# Rooms of `gazeclip`, bottom up: each may import those before it, inside functions as well.
ROOMS = (
    "errors",
    "system",
    "console",
    "images",
    "files",
    "taxonomy",
    "scoring",
    "bundle",
    "recipe",
    "data",
    "faces",
    "networks",
    "teacher",
    "run",
    "training",
    "stages",
    "cli",
    "commands",
    "studies",
    "__main__",
)
# What the packages may import of each other, besides gazeclip.
PACKAGES: dict[str, set[str]] = {
    "gazeclip": set(),
    "recipes": set(),  # data only
    "runtimes": set(),
    "distill": {"runtimes"},  # photographs become a class of a bank by the bundle's own model
    "quantize": {"distill"},
    "export": {"quantize", "distill", "runtimes"},
    "benchmarks": {"export", "quantize", "distill", "runtimes"},
}
# Imported by name when needed: the one way in which what is below reaches what stands above.
BY_NAME_ALLOWED = {
    ("gazeclip.commands.pipeline", "quantize.nncf_setup"),
    ("gazeclip.commands.preflight", "distill.student"),
    ("gazeclip.commands.preflight", "export.registry"),
    ("gazeclip.commands.preflight", "runtimes.engines.registry"),
    ("gazeclip.run.versions", "export.registry"),
    ("gazeclip.run.versions", "runtimes.engines.registry"),
}
# Inside functions only: the machine's report lists the engines; a manifest of face crops is looked
# at with the detector that will cut photographs alike.
LAZY_ALLOWED = {
    ("gazeclip.commands.doctor", "runtimes"),
    ("gazeclip.commands.data", "runtimes"),
}
# What a machine needs that only runs a bundle: no torch, no engine, no training library.
GATEWAY_ROOMS = (
    "errors",
    "system",
    "console",
    "images",
    "files",
    "taxonomy",
    "bundle",
    "run.folder",
    "scoring.metrics",
    "scoring.cllr",
    "scoring.evidence",
    "scoring.thresholds",
)


def find_imports(
    node: ast.AST, modules: Mapping[str, Path], lazy: bool = False
) -> Iterator[tuple[str, bool]]:
    """The project's modules that a syntax tree imports, and whether inside a function."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                if alias.name.split(".")[0] in PACKAGES:
                    yield alias.name, lazy
        elif isinstance(child, ast.ImportFrom) and (child.module or "").split(".")[0] in PACKAGES:
            for alias in child.names:
                full_name = f"{child.module}.{alias.name}"
                yield (full_name if full_name in modules else str(child.module)), lazy
        inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from find_imports(child, modules, lazy or inside)


def find_imports_by_name(node: ast.AST) -> Iterator[str]:
    """The project's modules that are given to `importlib.import_module` as a text."""
    for child in ast.walk(node):
        if not isinstance(child, ast.Call) or not ast.unparse(child.func).endswith("import_module"):
            continue
        name = child.args[0].value if isinstance(child.args[0], ast.Constant) else ""
        if isinstance(name, str) and name.split(".")[0] in PACKAGES:
            yield name


@functools.cache
def read_tree(path: Path) -> ast.Module:
    """The syntax tree of a file, parsed once for all tests."""
    return ast.parse(path.read_text(encoding="utf-8"))


@functools.cache
def find_modules() -> dict[str, Path]:
    """Every module of the project by its dotted name."""
    modules = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
            modules[name.removesuffix(".__init__")] = path
    return modules


def find_wrong_arrows(module: str, tree: ast.AST, modules: Mapping[str, Path]) -> list[str]:
    """Imports of one module that run up, or out of its package into one that it may not know."""
    faults = []
    package = module.split(".")[0]
    for target, lazy in find_imports(tree, modules):
        other = target.split(".")[0]
        if other not in {package, "gazeclip"} | PACKAGES[package]:
            if not (lazy and (module, other) in LAZY_ALLOWED):
                faults.append(f"{module} imports {target}")
        elif package == other == "gazeclip" and find_floor(target) > find_floor(module):
            faults.append(f"{module} imports {target}, which stands above it")
    return faults


def find_floor(module: str) -> int:
    """Place of a module of `gazeclip` in `ROOMS`; the package itself is the ground."""
    parts = module.split(".")
    return ROOMS.index(parts[1]) if len(parts) > 1 and parts[1] != "__version__" else -1


def find_circle(arrows: Mapping[str, set[str]]) -> list[str]:
    """Modules that import each other in a circle; empty if there is none."""
    finished: set[str] = set()

    def follow(module: str, path: list[str]) -> list[str]:
        if module in path:
            return path[path.index(module) :]
        if module in finished:
            return []
        for target in sorted(arrows.get(module, set())):
            if circle := follow(target, [*path, module]):
                return circle
        finished.add(module)
        return []

    for start in arrows:
        if circle := follow(start, []):
            return circle
    return []


@pytest.mark.parametrize("package", PACKAGES)
def test_arrows_run_down(package: str) -> None:
    modules = find_modules()
    faults = []
    for module, path in modules.items():
        if module.split(".")[0] == package:
            faults += find_wrong_arrows(module, read_tree(path), modules)
    assert faults == []


def test_few_modules_are_imported_by_name() -> None:
    found = set()
    for module, path in find_modules().items():
        names = find_imports_by_name(read_tree(path))
        found |= {(module, name) for name in names}
    assert found == BY_NAME_ALLOWED


def test_no_file_stands_in_a_circle() -> None:
    modules = find_modules()
    arrows = {}
    for module, path in modules.items():
        found = find_imports(read_tree(path), modules)
        arrows[module] = {target for target, _ in found} - {module}
    assert find_circle(arrows) == []


def test_the_program_knows_its_packages() -> None:
    assert set(OWN_PACKAGES) == set(PACKAGES)
    found = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "tools"}
    assert found == set(PACKAGES)


def test_every_room_has_a_floor_and_a_docstring() -> None:
    for path in (ROOT / "gazeclip").iterdir():
        if path.name not in ("__init__.py", "__pycache__", "taxonomies"):
            assert path.stem in ROOMS, f"{path.stem} has no place in ROOMS"
    for module, path in find_modules().items():
        assert ast.get_docstring(read_tree(path)), f"{module} does not say what it is"


def test_the_scan_finds_what_it_looks_for() -> None:
    modules = find_modules()
    source = "if x:\n    import distill.losses\ndef f():\n    from gazeclip.stages import load\n"
    assert find_wrong_arrows("gazeclip.data.a", ast.parse(source), modules) == [
        "gazeclip.data.a imports distill.losses",
        "gazeclip.data.a imports gazeclip.stages.load, which stands above it",
    ]
    lazy = ast.parse("def f():\n    import runtimes\n")
    assert find_wrong_arrows("gazeclip.commands.doctor", lazy, modules) == []
    eager = ast.parse("import runtimes\n")
    assert find_wrong_arrows("gazeclip.commands.doctor", eager, modules) != []
    assert find_circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c"]
    assert find_circle({"a": {"b"}, "b": set()}) == []


def is_of_server(module: str) -> bool:
    """Whether a module may import what the extra `serve` brings; its command line may not."""
    return module.startswith("runtimes.serve.")


def test_what_a_gateway_runs_needs_no_torch() -> None:
    names = []
    for module in find_modules():
        inside = module.removeprefix("gazeclip.")
        own = any(inside == room or inside.startswith(f"{room}.") for room in GATEWAY_ROOMS)
        if own or module.startswith("runtimes"):
            names.append(module)
    names = [name for name in names if name not in ("runtimes.__main__", "gazeclip.files.tensors")]
    assert "gazeclip.bundle.bundle" in names and "runtimes.engines.onnxruntime" in names
    names.sort(key=is_of_server)  # its extra brings pydantic, which nothing before it may import
    assert is_of_server(names[-1]) and "runtimes.commands.serve" in names
    code = f"""
import importlib, sys
heavy = (
    "torch", "timm", "torchvision", "open_clip", "nncf", "pydantic", "rich", "openvino",
    "onnxruntime", "coremltools",
)
for name in {names!r}:
    importlib.import_module(name)
    found = {{module for module in heavy if module in sys.modules}}
    if name in {[name for name in names if is_of_server(name)]!r}:
        found -= {{"pydantic"}}
    if found:
        sys.exit(f"{{name}} imports {{found}}")
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
