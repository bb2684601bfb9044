"""Reading a recipe: one YAML file for all stages, `--set key=value` for single values.

pydantic validates the dataclasses, because it reports every fault of a recipe at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

import yaml

from gazeclip.errors import ConfigError, nearest
from gazeclip.files.atomic import write_text
from gazeclip.files.strict_yaml import load_yaml
from gazeclip.recipe.stages import Recipe
from gazeclip.recipe.teacher import TeacherConfig
from gazeclip.system.packages import require
from gazeclip.system.place import name_file


def load_recipe(path: Path, overrides: Sequence[str] = (), then: Sequence[str] = ()) -> Recipe:
    """Read, override and check a recipe.

    Args:
        overrides: `key.path=value` with a YAML value, as the user gave them.
        then: the same of the program itself, which may change what the user has set.

    Raises:
        ConfigError: missing file, bad YAML, a key given twice, or faulty keys and values, all
            named.
    """
    _refuse_repeated(overrides)
    try:
        data = load_yaml(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        known = sorted(str(item) for item in Path("recipes").glob("*.yaml"))
        raise ConfigError(
            f"recipe {path} does not exist", remedy=nearest(str(path), known) if known else None
        ) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(
            f"recipe {path} cannot be read: {' '.join(str(error).split())}",
            remedy="Correct the YAML",
        ) from error
    if not isinstance(data, dict):
        raise ConfigError(f"recipe {path} is not a mapping", remedy=_name_list())
    for item in (*overrides, *then):
        _apply_override(data, item)
    return parse_recipe(data, str(path))


def parse_recipe(data: dict[str, Any], source: str = "recipe") -> Recipe:
    """Check a mapping and build the recipe; see `load_recipe`."""
    faults = _find_unknown_keys(data, Recipe, "") + _find_name_faults(data.get("name"))
    defaults = asdict(Recipe(name=""))
    del defaults["name"]
    recipe, more = _validate(_merge(defaults, data))
    if recipe is not None and not faults:
        return recipe
    raise ConfigError(
        f"{source}: " + "; ".join(faults + more), remedy=f"Correct the keys named. {_name_list()}"
    )


def _name_list() -> str:
    return f"{name_file('gazeclip/recipe')} lists every key with its default"


def _validate(data: dict[str, Any]) -> tuple[Recipe | None, list[str]]:
    """The recipe, or everything that pydantic finds wrong with it."""
    pydantic = require("pydantic", extra="train")
    try:
        return pydantic.TypeAdapter(Recipe).validate_python(data), []
    except pydantic.ValidationError as error:
        return None, [_describe_fault(item) for item in error.errors()]
    except ConfigError as error:
        # The teacher's model checks itself, and its refusal ends the validation of everything else.
        sound = _merge(data, {"teacher": {"model": asdict(TeacherConfig())}})
        return None, [error.message, *_validate(sound)[1]]


def _describe_fault(item: Mapping[str, Any]) -> str:
    """One fault as pydantic tells it, after the name of the key."""
    key = ".".join(str(part) for part in item["loc"])
    message = item["msg"][0].lower() + item["msg"][1:]
    hint = ""
    if item["type"] == "literal_error" and item["input"] is False:
        hint = " (YAML reads a bare no as false: write 'no' in quotes)"
    return f"{key}: {message}, got {item['input']!r}{hint}"


def _find_name_faults(name: Any) -> list[str]:
    """The run's folder lies directly under `runs/` and is found again there."""
    if not isinstance(name, str):
        return []  # pydantic says so
    if name and name.strip() == name and name[0] != "." and not set(name) & set("/\\\0"):
        return []
    return [f"name: must be a plain folder name, got {name!r}"]


def _merge(whole: dict[str, Any], part: Mapping[str, Any]) -> dict[str, Any]:
    """`whole` with the values of `part`.

    A group given in part keeps the other defaults of its own stage, which may differ from those of
    its class: `quantize.train: {epochs: 1}` must not raise its learning rate.
    """
    merged = dict(whole)
    for key, value in part.items():
        inner = merged.get(key)
        if isinstance(inner, dict) and isinstance(value, dict):
            value = _merge(inner, value)
        merged[key] = value
    return merged


def save_recipe(recipe: Recipe, path: Path) -> None:
    """Write the resolved recipe (every value, defaults included), if the file says another."""
    text = yaml.safe_dump(_to_yaml_values(asdict(recipe)), sort_keys=False)
    try:
        same = path.read_bytes() == text.encode("utf-8")
    except OSError:
        same = False
    if not same:  # a look at someone else's run must not need to write there
        write_text(path, text)


def _to_yaml_values(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _to_yaml_values(item) for key, item in value.items()}
    return [_to_yaml_values(item) for item in value] if isinstance(value, list | tuple) else value


def _apply_override(data: dict[str, Any], item: str) -> None:
    key, separator, text = item.partition("=")
    if not separator or not key:
        raise ConfigError(
            f"--set {item} is not of the form key=value",
            remedy="Example: --set student.train.epochs=3",
        )
    *parents, last = key.split(".")
    node = data
    for name in parents:
        child = node.setdefault(name, {})
        if not isinstance(child, dict):
            raise ConfigError(
                f"--set {item}: '{name}' is a value, not a group", remedy=_name_list()
            )
        node = child
    try:
        node[last] = load_yaml(text)
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        what = f"--set {item}: the value is not valid YAML ({reason})"
        raise ConfigError(what, remedy="Quote it") from error


def _refuse_repeated(overrides: Sequence[str]) -> None:
    """Of two values for one key, or for a group and a key in it, the last would win in silence."""
    given: dict[str, str] = {}
    for item in overrides:
        key, _, value = (part.strip() for part in item.partition("="))
        for other, earlier in given.items():
            same = key == other and value != earlier
            inside = f"{key}.".startswith(f"{other}.") or f"{other}.".startswith(f"{key}.")
            if same or (inside and key != other):
                what = f"--set {item} comes after --set {other}={earlier}"
                remedy = "Give each key once"
                raise ConfigError(f"{what}, and only one of them can hold", remedy=remedy)
        given[key] = value


def _find_unknown_keys(data: Any, kind: type, prefix: str) -> list[str]:
    """pydantic ignores unknown keys of dataclasses; a mistyped key must not be dropped."""
    if not isinstance(data, dict):
        return [f"{prefix.rstrip('.') or 'recipe'}: must be a group of keys, got {data!r}"]
    names = {item.name for item in fields(kind)}
    hints = get_type_hints(kind)
    faults = [
        f"{prefix}{key}: unknown. {nearest(str(key), sorted(names))}"
        for key in data
        if key not in names
    ]
    for key in data.keys() & names:
        if is_dataclass(hints[key]):
            faults += _find_unknown_keys(data[key], hints[key], f"{prefix}{key}.")
    return faults
