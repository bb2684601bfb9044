"""What makes collecting the tests cheap, which each process of pytest-xdist does for itself."""

from __future__ import annotations

import gc
import importlib.util
from collections.abc import Iterator

import pytest


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
        gc.freeze()
        gc.enable()


def skip_without(package: str) -> None:
    """Skip the rest of a module where a package is not installed; it is not imported.

    For converters whose import takes seconds, and whose tests are few or slow.
    """
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed", allow_module_level=True)
