"""What stands in the cells."""

from __future__ import annotations

from typing import Any

from gazeclip.console.tables import MISSING
from gazeclip.studies.parts.figures import FIGURES
from gazeclip.studies.parts.table import build_tables, describe_gates


def make_row(part: str, words: str, **facts: Any) -> dict[str, Any]:
    """A row with the same difference in every figure; the TPR has none."""
    figures = {**dict.fromkeys(FIGURES, 0.9), "tpr": None}
    difference = {"mean": -0.004, "interval": [-0.0091, 0.002]}
    differences = {**dict.fromkeys(FIGURES, difference), "tpr": None}
    return {
        "part": part,
        "words": words,
        "figures": {"test_unseen": figures},
        "differences": {"test_unseen": differences},
        **facts,
    }


def test_words_name_the_figures_and_how_much_may_be_hidden() -> None:
    key = ["test_unseen", "macro_accuracy"]
    rows = [
        make_row("a", "not shown", helps=[], harms=[]),
        make_row("b", "helps", helps=[key], harms=[]),
        make_row("c", "helps and harms", helps=[["test", "auc"]], harms=[key]),
        make_row("d", "does nothing here", identical=True),
        {"part": "e", "words": "not in this teacher"},
    ]
    figures, differences = build_tables({"images": {"test_unseen": 3}, "rows": rows})
    assert [row[-1] for row in figures.rows] == [
        "not shown: within 0.9 points",
        "helps: unseen macro",
        "helps: test AUC; harms: unseen macro",
        "does nothing here: outputs identical",
        "not in this teacher",
    ]
    assert figures.header[:3] == ["part", "unseen\nAUC", "unseen\nTPR"]
    assert figures.rows[0][1:3] == ["0.900", MISSING]
    assert figures.rows[4][1] == MISSING
    assert [row[0] for row in differences.rows] == ["a", "b", "c", "d"]
    assert differences.rows[0][1:3] == ["-0.4 [-0.9, +0.2]", MISSING]


def test_gates_that_are_not_there_are_not_told() -> None:
    gates = {"level_mix": [0.25, 0.75], "beta": [-0.03, 0.06]}
    assert describe_gates(gates) == "gates: AWS beta -0.030 0.060; level mix 0.250 0.750"
