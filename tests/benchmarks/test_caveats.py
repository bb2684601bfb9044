"""What a report says of how long its networks were trained."""

from __future__ import annotations

import pytest

from benchmarks.caveats import describe_budget
from gazeclip.recipe.load import load_recipe
from gazeclip.recipe.shipped import find_recipe

EPOCHS = [
    "backbone.train.epochs=7",
    "teacher.train.epochs=3",
    "student.train.epochs=5",
    "quantize.train.epochs=1",
]


@pytest.mark.parametrize(
    ("start", "baseline"),
    [
        ("residual", "baseline 8; "),
        (
            "backbone",
            "baseline 15 (7 of stage backbone, where the teacher starts too, and 8 more)",
        ),
    ],
)
def test_the_baseline_s_share_in_the_backbone_is_told(start: str, baseline: str) -> None:
    changes = [*EPOCHS, "baseline.train.epochs=8", f"baseline.weights={start}"]
    found = describe_budget(load_recipe(find_recipe("demo"), changes))
    assert baseline in found
    assert "student 15 (10 that it starts from, alone or in the teacher, and 5 of" in found
    assert "and 1 more with quantizers for INT8." in found
