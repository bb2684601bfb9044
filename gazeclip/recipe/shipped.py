"""The recipes that come with the program, as package data of `recipes`.

find_recipe("demo")            # the shipped one
find_recipe("my/recipe.yaml")  # a file
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gazeclip.errors import ConfigError, nearest

# By its place and not by import: a folder `recipes` of the user's may come first on the path.
FOLDER = Path(__file__).resolve().parents[2] / "recipes"
_NEEDS = "needs:"


@dataclass(frozen=True)
class ShippedRecipe:
    """What the head of a recipe's file says: the first line, and the one that begins `Needs:`."""

    name: str
    about: str
    needs: str


def find_recipe(name: str) -> Path:
    """The file of a recipe: a bare name is one that is shipped, anything else a path.

    Raises:
        ConfigError: there is neither.
    """
    path = Path(name)
    shipped = FOLDER / f"{name}.yaml"
    is_bare = path.name == name and not path.suffix
    if is_bare and shipped.is_file():
        return shipped
    if path.is_file():
        return path
    names = [file.stem for file in _list_files()]
    if not is_bare and path.stem in names:
        remedy = f"Did you mean '{path.stem}', which comes with the program?"
    else:
        local = [*Path().glob("*.yaml"), *Path("recipes").glob("*.yaml")]
        remedy = nearest(name, [*names, *sorted(str(file) for file in local)])
    raise ConfigError(f"recipe {name} does not exist", remedy=remedy)


def list_recipes() -> list[ShippedRecipe]:
    """All shipped recipes by name."""
    return [_read_head(file) for file in _list_files()]


def _list_files() -> list[Path]:
    return sorted(FOLDER.glob("*.yaml"))


def _read_head(file: Path) -> ShippedRecipe:
    """The first lines are comments; YAML does not keep them, so they are read as text."""
    comments = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        comments.append(line.lstrip("# "))
    about = comments[0] if comments else ""
    needs = "nothing"
    for comment in comments:
        if comment.lower().startswith(_NEEDS):
            needs = comment[len(_NEEDS) :].strip()
    return ShippedRecipe(file.stem, about.rstrip("."), needs)
