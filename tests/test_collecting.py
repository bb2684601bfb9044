"""Which files a run of the slow tests reads, and in which order it takes them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.collecting import LONGEST, pytest_collection_modifyitems, pytest_ignore_collect

ROOT = Path(__file__).parents[1]


def configure(expression: str) -> Any:
    return SimpleNamespace(option=SimpleNamespace(markexpr=expression))


@pytest.mark.checkout
def test_the_longest_files_are_there_and_have_slow_tests() -> None:
    for name in LONGEST:
        assert "mark.slow" in (ROOT / name).read_text(encoding="utf-8"), name


def test_only_files_with_slow_tests_are_read_for_them(tmp_path: Path) -> None:
    plain = tmp_path / "test_plain.py"
    plain.write_text("def test_it(): pass\n")
    slow = tmp_path / "test_slow.py"
    slow.write_text("import pytest\npytestmark = pytest.mark.slow\n")
    assert pytest_ignore_collect(plain, configure("slow")) is True
    for path, expression in ((slow, "slow"), (tmp_path, "slow"), (plain, "not slow"), (plain, "")):
        assert pytest_ignore_collect(path, configure(expression)) is None


@pytest.mark.parametrize(("expression", "first"), [("slow", "long"), ("not slow", "short")])
def test_the_longest_files_come_first_where_slow_tests_are_asked_for(
    expression: str, first: str
) -> None:
    names = ["tests/a.py::short", f"{LONGEST[1]}::next", f"{LONGEST[0]}::long", "tests/b.py::last"]
    items: list[Any] = [SimpleNamespace(nodeid=name) for name in names]
    pytest_collection_modifyitems(configure(expression), items)
    found = [item.nodeid.partition("::")[2] for item in items]
    assert found[0] == first and found[-1] == "last"
