"""What the page's tests expect is what Python answers today."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from gazeclip.system import place

ROOT = Path(__file__).parents[2]
if not place.is_checkout():
    pytest.skip("needs a checkout", allow_module_level=True)
SPEC = importlib.util.spec_from_file_location("web_expected", ROOT / "tools" / "web_expected.py")
assert SPEC is not None and SPEC.loader is not None
tool = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(tool)


def list_leaves(value: Any, path: str = "") -> dict[str, Any]:
    """Each value by its place, so that numbers can be compared with a tolerance."""
    if isinstance(value, dict):
        pairs = value.items()
    elif isinstance(value, list):
        pairs = enumerate(value)
    else:
        return {path: value}
    return {
        place: leaf
        for key, inner in pairs
        for place, leaf in list_leaves(inner, f"{path}/{key}").items()
    }


def test_the_written_answers_are_those_of_today() -> None:
    written = list_leaves(json.loads(tool.EXPECTED.read_text(encoding="utf-8")))
    today = list_leaves(json.loads(json.dumps(tool.make_expected())))
    assert written.keys() == today.keys()
    for place_, value in today.items():
        wanted = pytest.approx(value, rel=1e-6) if isinstance(value, float) else value
        assert written[place_] == wanted, place_
