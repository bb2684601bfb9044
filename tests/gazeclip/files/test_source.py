"""The hash of a package's own modules."""

from __future__ import annotations

from pathlib import Path

import pytest

from gazeclip.files.source import hash_source


def test_any_module_of_a_package_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    inner = tmp_path / "hashed_here" / "inner"
    inner.mkdir(parents=True)
    module = inner / "module.py"
    module.write_text("VALUE = 1\n")
    before = hash_source(["hashed_here"])
    assert hash_source(["hashed_here"]) == before
    assert hash_source(["hashed_here", "not_installed_anywhere"]) == before
    (inner / "notes.txt").write_text("no module")
    assert hash_source(["hashed_here"]) == before
    module.write_text("VALUE = 2\n")
    assert hash_source(["hashed_here"]) != before
