"""`gazeclip doctor`: what is installed, what is missing, and what this machine can do."""

from __future__ import annotations

import argparse
import importlib.util
import platform
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gazeclip import __version__
from gazeclip.console.lines import print_json, print_line
from gazeclip.system.cpu import compiler_fault, cpp_compiler, cpu_features, cpu_model
from gazeclip.system.requirements import CORE, find_dependencies


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(command=lambda args: main(args.json))


def main(json: bool = False) -> int:
    """Print the report; returns 0, or 1 if the core install itself is incomplete."""
    report = examine_machine()
    if json:
        print_json(report)
    else:
        for line in render_report(report):
            print_line(line)
    lacking = [entry["extra"] for entry in report["dependencies"] if entry["status"] == "missing"]
    return int(CORE in lacking)


def examine_machine() -> dict[str, Any]:
    """Collect all findings as plain values.

    Of what it reports on it imports the engines only, to see whether they work.
    """
    found = []
    for item in find_dependencies():
        found.append(asdict(item) | {"status": item.status, "remedy": item.remedy})
    threads, engines = _examine_runtime()
    return {
        "version": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": {"model": cpu_model(), "features": cpu_features(), "usable_threads": threads},
        "torch_build": find_torch_build(),
        "compiler": cpp_compiler()[1],
        "compiler_fault": compiler_fault(),
        "dependencies": found,
        "engines": engines,
    }


def _examine_runtime() -> tuple[int | None, dict[str, str | None] | None]:
    """Threads, and engine -> why it cannot be used.

    None where the core that would tell is itself incomplete.
    """
    try:
        from runtimes import engine_status, usable_threads
    except ImportError:
        return None, None
    return usable_threads(), engine_status()


def find_torch_build() -> str | None:
    """`cpu` or `cuda 13.0`, read from torch's version file without importing it.

    None if torch is not installed.
    """
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "version.py"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    match = re.search(r"""^cuda\b[^=]*=\s*['"]([^'"]+)['"]""", text, re.MULTILINE)
    return f"cuda {match.group(1)}" if match else "cpu"


def render_report(report: dict[str, Any]) -> list[str]:
    """The report as lines for people."""
    cpu = report["cpu"]
    features = ", ".join(cpu["features"]) or "no known vector extension"
    threads = cpu["usable_threads"] or "unknown"
    return [
        f"gazeclip-edge {report['version']}, Python {report['python']}, {report['platform']}",
        f"CPU: {cpu['model']}; {features}",
        f"usable threads: {threads} (affinity, container quota and OMP_NUM_THREADS considered)",
        f"torch build: {report['torch_build'] or 'not installed'}",
        f"C++ compiler: {_describe_compiler(report)}",
        *_render_dependencies(report["dependencies"]),
        "",
        "engines:",
        *_render_engines(report["engines"]),
    ]


def _describe_compiler(report: dict[str, Any]) -> str:
    fault = report["compiler_fault"]
    if fault is None:
        return str(report["compiler"])
    return f"{fault}; quantization-aware training works without, but slower"


def _render_dependencies(dependencies: list[dict[str, Any]]) -> list[str]:
    """A paragraph an extra, headed by the command that completes it."""
    if not dependencies:
        return ["", "dependencies: unknown (neither pyproject.toml nor an installed distribution)"]
    extras: dict[str, list[dict[str, Any]]] = {}
    for entry in dependencies:
        extras.setdefault(entry["extra"], []).append(entry)
    lines = []
    for extra, entries in extras.items():
        remedies = [entry["remedy"] for entry in entries if entry["remedy"]]
        lines += ["", f"{extra}: {remedies[0]}" if remedies else f"{extra}:"]
        lines += [_render_dependency(entry) for entry in entries]
    return lines


def _render_dependency(entry: dict[str, Any]) -> str:
    tested = entry["wanted"] or "any version"
    if entry["tested"]:
        tested = f"tested with {entry['tested']}"
    installed = entry["installed"] or "-"
    return f"  {entry['name']:24} {installed:16} {tested:28} {entry['status']}".rstrip()


def _render_engines(engines: dict[str, str | None] | None) -> list[str]:
    if engines is None:
        return ["  unknown: first complete the core install"]
    lines = []
    for name, reason in engines.items():
        lines.append(f"  {name:24} {'available' if reason is None else reason}")
    return lines
