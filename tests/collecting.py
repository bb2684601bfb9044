"""What makes collecting the tests cheap, which each process of pytest-xdist does for itself."""

from __future__ import annotations

import gc
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Slow tests of these files take longest, in this order. They begin first: with two processes and
# `--no-loadscope-reorder`, none is left alone with one of them at the end.
LONGEST = (
    "tests/test_end_to_end.py",
    "tests/benchmarks/zoo/test_every_target.py",
    "tests/benchmarks/zoo/test_matrix.py",
    "tests/gazeclip/stages/test_teacher.py",
    "tests/export/test_trial.py",
    "tests/gazeclip/training/test_ranks.py",
    "tests/gazeclip/studies/ablation/test_run.py",
    "tests/export/targets/test_coreml.py",
    "tests/export/test_external_bank.py",
    "tests/runtimes/serve/test_process.py",
)
_MANY = 100  # modules that came since: one of the large libraries
_modules = 0  # how many there were when garbage was last looked for in all there is


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Look for circles of garbage neither while tests are collected nor in what that imported.

    Collecting imports torch and much else: hundreds of thousands of objects, none of them garbage,
    that would be gone through again and again. That was a fifth of its time.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        _freeze()
        gc.enable()


def pytest_runtest_logfinish() -> None:
    """What tests import later is none either: NNCF, OpenVINO, the converters.

    Every measurement of latency looks for garbage in all there is, a second each time.
    """
    if len(sys.modules) > _modules + _MANY:
        gc.collect()
        _freeze()


def _freeze() -> None:
    global _modules
    gc.freeze()
    _modules = len(sys.modules)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave files without slow tests alone where only those are asked for: nine of ten are."""
    if config.option.markexpr != "slow" or collection_path.suffix != ".py":
        return None
    return True if "mark.slow" not in collection_path.read_text(encoding="utf-8") else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of slow tests, the longest files first; within a file, tests stay in their order."""
    if config.option.markexpr != "slow":
        return
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.nodeid.partition("::")[0], len(ranks)))


def skip_without(package: str) -> None:
    """Skip the rest of a module where a package is not installed; it is not imported.

    For converters whose import takes seconds, and whose tests are few or slow.
    """
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed", allow_module_level=True)
