"""A compiler that cannot be tried is a finding, never the end of the program."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Any

import pytest

from gazeclip.system import cpu


@pytest.fixture(autouse=True)
def untried() -> Iterator[None]:
    """What was found of a compiler is kept for the process; not so between these tests."""
    cpu._try_compiler.cache_clear()
    yield
    cpu._try_compiler.cache_clear()


@pytest.mark.parametrize("place", ["tempfile.TemporaryDirectory", "pathlib.Path.write_text"])
def test_where_nothing_can_be_written(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setenv("CXX", "/bin/false")
    monkeypatch.setattr(place, refuse)
    fault = cpu.compiler_fault()
    assert fault is not None
    assert "(/bin/false) cannot be tried: " in fault and "No space left on device" in fault
