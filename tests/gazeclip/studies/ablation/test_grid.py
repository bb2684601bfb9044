"""The variants of the grid, and those of one's own."""

from __future__ import annotations

import pytest

from gazeclip.errors import ConfigError
from gazeclip.recipe.load import load_recipe
from gazeclip.recipe.shipped import find_recipe
from gazeclip.studies.ablation.grid import FULL, GRID, choose_variants


def test_every_variant_changes_the_recipe_that_it_is_made_from() -> None:
    """A switch that a later recipe ignores would be reported as a part that does not matter."""
    recipe = find_recipe("demo")
    plans = {variant.name: load_recipe(recipe, variant.overrides) for variant in GRID}
    assert plans[FULL] == load_recipe(recipe)
    assert len({repr(plan) for plan in plans.values()}) == len(GRID)


def test_named_and_custom_variants_come_after_full() -> None:
    assert choose_variants([], []) == list(GRID)
    assert [item.name for item in choose_variants(["no-aws", "full", "no-aws"], [])] == [
        FULL,
        "no-aws",
    ]
    own = choose_variants([], ["wide:teacher.model.width=64, teacher.train.lr=0.1"])
    assert [item.name for item in own] == [FULL, "wide"]
    assert own[1].overrides == ("teacher.model.width=64", "teacher.train.lr=0.1")


@pytest.mark.parametrize("text", ["wide", "wide:", "wide:x", ":a=1", "full:a=1", "../up:a=1"])
def test_faulty_custom_variants_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="NAME:key=value"):
        choose_variants([], [text])


def test_an_unknown_variant_gets_a_hint() -> None:
    with pytest.raises(ConfigError) as caught:
        choose_variants(["no-gase"], [])
    assert "no-gaze" in str(caught.value.remedy)
