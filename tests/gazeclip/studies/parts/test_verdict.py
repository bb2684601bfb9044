"""The words for a row."""

from __future__ import annotations

from typing import Any

import pytest

from gazeclip.studies.parts.verdict import judge_row


def differ(*intervals: tuple[float, float] | None) -> dict[str, Any]:
    figures = {}
    for number, interval in enumerate(intervals):
        figures[str(number)] = None if interval is None else {"interval": list(interval)}
    return {"test": figures}


@pytest.mark.parametrize(
    ("differences", "word"),
    [
        (differ((-0.02, -0.01), (-0.1, 0.1)), "helps"),
        (differ((-0.02, 0.01), (0.001, 0.1)), "harms"),
        (differ((-0.02, -0.01), (0.001, 0.1)), "helps and harms"),
        (differ((-0.02, 0.0), (0.0, 0.1)), "not shown"),
        (differ((-0.002, 0.002), (0.0, 0.001)), "does nothing here"),
        (differ((-0.002, 0.002), (0.0, 0.003)), "not shown"),
        (differ((-0.0015, -0.0005), None), "does nothing here"),
        (differ(None), "not measured"),
    ],
)
def test_the_word_follows_from_the_intervals(differences: dict[str, Any], word: str) -> None:
    assert judge_row(differences, is_identical=False).word == word
    assert judge_row(differences, is_identical=True).word == "does nothing here"


def test_the_figures_that_move_are_named() -> None:
    verdict = judge_row(differ((-0.02, -0.01), (0.001, 0.1), (-0.1, 0.1)), is_identical=False)
    assert verdict.helps == (("test", "0"),)
    assert verdict.harms == (("test", "1"),)
