"""What the distribution requires, extra by extra, beside what is installed and what was tested.

for dependency in find_dependencies():
    print(dependency.extra, dependency.name, dependency.status, dependency.remedy)
"""

from __future__ import annotations

import operator
import platform
import re
import sys
import tomllib
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from gazeclip.system.packages import DISTRIBUTION, install_command, installed_version
from gazeclip.system.place import CONSTRAINTS, ROOT

CORE = "core"
_REQUIREMENT = re.compile(
    r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[([^\]]*)\])?\s*([^;]*?)\s*(?:;\s*(.*))?$"
)
_EXTRA = r"""extra\s*==\s*['"]([^'"]+)['"]"""
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
    """One requirement of one extra: what is installed, what was tested, and the remedy."""

    extra: str
    name: str
    wanted: str
    tested: str | None
    installed: str | None
    needed_here: bool = True

    @property
    def status(self) -> str:
        """`ok`, `missing`, `untested` (another version) or `not for this system`."""
        if not self.needed_here:
            return "not for this system"
        if self.installed is None:
            return "missing"
        # A local part such as +cpu names the build, not another version.
        same = self.tested is None or self.installed.split("+")[0] == self.tested.split("+")[0]
        return "ok" if same else "untested"

    @property
    def remedy(self) -> str | None:
        """The command that helps, None if all is well."""
        if self.status in ("ok", "not for this system"):
            return None
        return install_command(None if self.extra == CORE else self.extra)


def find_dependencies(root: Path = ROOT, constraints: Path = CONSTRAINTS) -> list[Dependency]:
    """Every requirement of the core install and of each extra, in the order of pyproject.toml."""
    tested = _read_pins(constraints)
    found = []
    for extra, requirement in _list_requirements(root):
        match = _REQUIREMENT.match(requirement)
        if match is None:
            continue
        name, _, wanted, marker = match.groups()
        key = _normalise_name(name)
        if key == DISTRIBUTION:  # the extra `all` names the other extras
            continue
        dependency = Dependency(
            extra=extra,
            name=name,
            wanted=wanted,
            tested=tested.get(key),
            installed=installed_version(name),
            needed_here=applies_here(marker or ""),
        )
        found.append(dependency)
    return found


def _list_requirements(root: Path) -> list[tuple[str, str]]:
    """`(extra, requirement)` from the source tree, else from the installed metadata."""
    source = root / "pyproject.toml"
    pairs = []
    if source.is_file():
        project = tomllib.loads(source.read_text(encoding="utf-8")).get("project", {})
        groups = {CORE: project.get("dependencies", [])}
        groups |= project.get("optional-dependencies", {})
        for extra, items in groups.items():
            pairs += [(extra, item) for item in items]
        return pairs
    try:
        listed = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return []
    for item in listed:
        match = re.search(_EXTRA, item)
        extra = match.group(1) if match else CORE
        pairs.append((extra, re.sub(rf"\s*(?:and\s+)?{_EXTRA}", "", item).rstrip("; ")))
    return pairs


def _read_pins(path: Path) -> dict[str, str]:
    """Version by package name, as the constraints file pins them."""
    pins = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        requirement = line.split("#")[0].split(";")[0]
        name, pinned, version = requirement.partition("==")
        if pinned:
            pins[_normalise_name(name)] = version.strip()
    return pins


def _normalise_name(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).strip().lower()


def applies_here(marker: str) -> bool:
    """Whether a requirement's marker means this system and Python.

    Markers of other kinds always do.
    """
    here = {
        "sys_platform": sys.platform,
        "platform_system": platform.system(),
        "platform_machine": platform.machine(),
    }
    results = []
    for key, sign, value in _SYSTEM.findall(marker):
        results.append((here[key] == value) == (sign == "=="))
    for sign, major, minor in _PYTHON.findall(marker):
        results.append(_COMPARE[sign](sys.version_info[:2], (int(major), int(minor))))
    if not results:
        return True
    return any(results) if " or " in marker else all(results)
