"""`gazeclip doctor`: what is installed, what is missing and how to get it, and what this
machine can do.
"""

from __future__ import annotations

import argparse
import importlib.util
import operator
import platform
import re
import sys
import tomllib
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from gazeclip import __version__
from gazeclip.console.text import format_json, printable
from gazeclip.system.cpu import compiler_fault, cpp_compiler, cpu_features, cpu_model
from gazeclip.system.packages import DISTRIBUTION, install_command, installed_version
from gazeclip.system.place import CONSTRAINTS, ROOT

CORE = "core"
_REQUIREMENT = re.compile(
    r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[([^\]]*)\])?\s*([^;]*?)\s*(?:;\s*(.*))?$"
)
_SYSTEM = re.compile(
    r"""(sys_platform|platform_system|platform_machine)\s*(==|!=)\s*['"]([^'"]+)['"]"""
)
_PYTHON = re.compile(r"""python_version\s*(<=|>=|==|!=|<|>)\s*['"](\d+)\.(\d+)['"]""")
_COMPARE = {
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    ">": operator.gt,
}


@dataclass(frozen=True)
class Dependency:
    """One requirement of one extra: what is installed, what was tested, and what to do about a
    difference.
    """

    extra: str
    name: str
    wanted: str
    tested: str | None
    installed: str | None
    needed_here: bool = True

    @property
    def status(self) -> str:
        """`ok`, `missing`, `untested` (another version than the tested one) or `not for this
        system`.
        """
        if not self.needed_here:
            return "not for this system"
        if self.installed is None:
            return "missing"
        # a local part such as +cpu names the build, not another version
        same = self.tested is None or self.installed.split("+")[0] == self.tested.split("+")[0]
        return "ok" if same else "untested"

    @property
    def remedy(self) -> str | None:
        """The command that helps, None if all is well."""
        if self.status in ("ok", "not for this system"):
            return None
        return install_command(None if self.extra == CORE else self.extra)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the verb."""
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(command=lambda args: main(args.json))


def main(json: bool = False) -> int:
    """Print the report; returns 0, or 1 if the core install itself is incomplete."""
    report = examine()
    if json:
        print(format_json(report, only_ascii=True))
    else:
        print("\n".join(map(printable, render(report))))
    return (
        1
        if any(d["extra"] == CORE and d["status"] == "missing" for d in report["dependencies"])
        else 0
    )


def examine() -> dict[str, Any]:
    """All findings as plain values. Of what it reports on it imports the engines only, to see
    whether they work.
    """
    found = [asdict(d) | {"status": d.status, "remedy": d.remedy} for d in dependencies()]
    threads, engines = _runtime()
    return {
        "version": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": {"model": cpu_model(), "features": cpu_features(), "usable_threads": threads},
        "torch_build": torch_build(),
        "compiler": cpp_compiler()[1],
        "compiler_fault": compiler_fault(),
        "dependencies": found,
        "engines": engines,
    }


def _runtime() -> tuple[int | None, dict[str, str | None] | None]:
    """Threads, and engine -> why it cannot be used; None where the core that would tell is itself
    incomplete.
    """
    try:
        from runtimes import engine_status, usable_threads
    except ImportError:
        return None, None
    return usable_threads(), engine_status()


def dependencies(root: Path = ROOT, constraints: Path = CONSTRAINTS) -> list[Dependency]:
    """Every requirement of the core install and of each extra, in the order of pyproject.toml."""
    tested = _read_pins(constraints)
    found = []
    for extra, requirement in _requirements(root):
        match = _REQUIREMENT.match(requirement)
        name = match.group(1) if match else requirement
        if match is None or _key(name) == _key(
            DISTRIBUTION
        ):  # the extra `all` names the other extras
            continue
        wanted, marker = match.group(3), match.group(4) or ""
        found.append(
            Dependency(
                extra,
                name,
                wanted,
                tested.get(_key(name)),
                installed_version(name),
                _applies(marker),
            )
        )
    return found


def _requirements(root: Path) -> list[tuple[str, str]]:
    """`(extra, requirement)` from the source tree, else from the installed distribution's metadata."""
    source = root / "pyproject.toml"
    if source.is_file():
        project = tomllib.loads(source.read_text(encoding="utf-8")).get("project", {})
        extras = project.get("optional-dependencies", {})
        pairs = [(CORE, item) for item in project.get("dependencies", [])]
        return pairs + [(extra, item) for extra, items in extras.items() for item in items]
    try:
        listed = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return []
    pairs = []
    for item in listed:
        extra = re.search(r"""extra\s*==\s*['"]([^'"]+)['"]""", item)
        plain = re.sub(r"""\s*(?:and\s+)?extra\s*==\s*['"][^'"]+['"]""", "", item).rstrip("; ")
        pairs.append((extra.group(1) if extra else CORE, plain))
    return pairs


def _read_pins(path: Path) -> dict[str, str]:
    """Version by package name, as the constraints file pins them."""
    pins = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        requirement = line.split("#")[0].split(";")[0]
        name, pinned, version = requirement.partition("==")
        if pinned:
            pins[_key(name)] = version.strip()
    return pins


def _key(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).strip().lower()


def _applies(marker: str) -> bool:
    """Whether a requirement's marker means this system and Python; markers of other kinds always
    do.
    """
    here = {
        "sys_platform": sys.platform,
        "platform_system": platform.system(),
        "platform_machine": platform.machine(),
    }
    results = [
        (here[key] == value) == (sign == "==") for key, sign, value in _SYSTEM.findall(marker)
    ]
    results += [
        _COMPARE[sign](sys.version_info[:2], (int(major), int(minor)))
        for sign, major, minor in _PYTHON.findall(marker)
    ]
    return (any(results) if " or " in marker else all(results)) if results else True


def torch_build() -> str | None:
    """`cpu` or `cuda 13.0`, read from torch's version file without importing it; None if torch is
    not installed.
    """
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "version.py"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    match = re.search(r"""^cuda\b[^=]*=\s*['"]([^'"]+)['"]""", text, re.MULTILINE)
    return f"cuda {match.group(1)}" if match else "cpu"


def render(report: dict[str, Any]) -> list[str]:
    """The report as lines for people."""
    cpu = report["cpu"]
    torch = report["torch_build"] or "not installed"
    lines = [
        f"gazeclip-edge {report['version']}, Python {report['python']}, {report['platform']}",
        f"CPU: {cpu['model']}; {', '.join(cpu['features']) or 'no known vector extension'}",
        f"usable threads: {cpu['usable_threads'] or 'unknown'} (affinity, container quota and OMP_NUM_THREADS considered)",
        f"torch build: {torch}",
        f"C++ compiler: {_compiler_line(report)}",
    ]
    extras = dict.fromkeys(d["extra"] for d in report["dependencies"])
    for extra in extras:
        entries = [d for d in report["dependencies"] if d["extra"] == extra]
        remedy = next((d["remedy"] for d in entries if d["remedy"]), None)
        lines += ["", f"{extra}:" if remedy is None else f"{extra}: {remedy}"]
        lines += [_line(d) for d in entries]
    if not extras:
        lines += [
            "",
            "dependencies: unknown (neither pyproject.toml nor an installed distribution)",
        ]
    lines += ["", "engines:"]
    if report["engines"] is None:
        return [*lines, "  unknown: first complete the core install"]
    return lines + [
        f"  {name:24} {'available' if why is None else why}"
        for name, why in report["engines"].items()
    ]


def _compiler_line(report: dict[str, Any]) -> str:
    fault = report["compiler_fault"]
    return (
        str(report["compiler"])
        if fault is None
        else f"{fault}; quantization-aware training works without, but slower"
    )


def _line(entry: dict[str, Any]) -> str:
    tested = (
        f"tested with {entry['tested']}" if entry["tested"] else entry["wanted"] or "any version"
    )
    return f"  {entry['name']:24} {entry['installed'] or '-':16} {tested:28} {entry['status']}".rstrip()
