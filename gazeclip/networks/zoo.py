"""The students that are held to work, from `zoo.yaml`, which travels with the wheel.

read_zoo()["repvit_m0_9"].expects("tflite", "int8")
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from gazeclip.errors import ConfigError, nearest
from gazeclip.files.strict_yaml import load_yaml

FILE = Path(__file__).with_name("zoo.yaml")
DEFAULT_SIZE = 224


@dataclass(frozen=True)
class ZooStudent:
    """One entry.

    Attributes:
        name: of the backbone in timm.
        size: side of its images in pixels.
        refuses: exports that it cannot take, `TARGET-PRECISION` -> why.
    """

    name: str
    size: int = DEFAULT_SIZE
    refuses: dict[str, str] = field(default_factory=dict)

    def expects(self, target: str, precision: str) -> str | None:
        """Why an export is known to fail; None: it must work."""
        return self.refuses.get(name_cell(target, precision))


def name_cell(target: str, precision: str) -> str:
    """What one export of a student is called in the zoo."""
    return f"{target}-{precision}"


def read_zoo(path: Path = FILE) -> dict[str, ZooStudent]:
    """All entries by name, in the order of the file.

    Raises:
        ConfigError: the file cannot be read, or an entry has an unknown key or value.
    """
    try:
        found = load_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} is no zoo ({' '.join(str(error).split())})") from error
    if not isinstance(found, dict):
        raise ConfigError(f"{path} is no zoo (it holds no mapping)")
    return {str(name): _read_entry(path, str(name), entry) for name, entry in found.items()}


def find_students(names: list[str], zoo: dict[str, ZooStudent]) -> list[ZooStudent]:
    """Those named, or all.

    Raises:
        ConfigError: one is not in the zoo; the nearest name is only a hint.
    """
    for name in names:
        if name not in zoo:
            raise ConfigError(f"there is no '{name}' in the zoo", remedy=nearest(name, zoo))
    return [zoo[name] for name in dict.fromkeys(names or zoo)]


def _read_entry(path: Path, name: str, entry: Any) -> ZooStudent:
    values = {} if entry is None else entry
    if not isinstance(values, dict) or set(values) - {"size", "refuses"}:
        raise ConfigError(f"{path}: {name} may have the keys size and refuses, and has {entry}")
    size = values.get("size", DEFAULT_SIZE)
    refuses = values.get("refuses", {})
    if type(size) is not int or size < 1:
        raise ConfigError(f"{path}: {name}: size is a number of pixels, not {size}")
    if not isinstance(refuses, dict) or not all(isinstance(why, str) for why in refuses.values()):
        raise ConfigError(f"{path}: {name}: refuses is a mapping of TARGET-PRECISION to why")
    return ZooStudent(name, size, {str(cell): why for cell, why in refuses.items()})
