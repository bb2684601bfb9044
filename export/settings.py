"""The settings that a bundle depends on, as the records of its run's stages hold them.

A recipe has more: a report's settings, where the data lies, what other bundles are made. None of
that may change the name of a model that stays the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gazeclip.files.hashes import CONTENT, WEIGHT_KEYS, fingerprint
from gazeclip.run.folder import Run

Stages = dict[str, Mapping[str, Any]]
# Its configuration says where the data lies; the manifest and the taxonomy count by their content.
_DATA = "data"


def list_stages(run: Run, last: str) -> Stages:
    """Stage -> configuration, of the stage `last` and all that it was made from, but the data.

    Of parts that were copied without their records nothing is known, and nothing is listed.
    """
    found: Stages = {}
    waiting = [last]
    while waiting:
        name = waiting.pop()
        if name in found or name == _DATA or not run.is_done(name):
            continue
        record = run.manifest(name)
        found[name] = record["config"]
        waiting += record["inputs"]
    return found


def hash_settings(config: Mapping[str, Any], stages: Stages) -> str:
    """One SHA-256 over the settings of an export and of the stages before it.

    Args:
        config: of the export stage.
    """
    return fingerprint({"export": config, "stages": stages})


def find_weight_files(stages: Stages) -> dict[str, str]:
    """SHA-256 of each file of weights that a stage began with, by its key in the recipe.

    Weights that a package brings or fetches by name have none here: they are its version's.
    """
    return dict(item for config in stages.values() for item in _walk_weights(config, ""))


def _walk_weights(config: Mapping[str, Any], above: str) -> Iterator[tuple[str, str]]:
    for key, value in config.items():
        name = f"{above}.{key}" if above else key
        if isinstance(value, Mapping):
            yield from _walk_weights(value, name)
        elif key in WEIGHT_KEYS and isinstance(value, str) and value.startswith(CONTENT):
            yield name, value.removeprefix(CONTENT)
