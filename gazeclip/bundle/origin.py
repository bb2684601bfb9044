"""Where a bundle comes from, as an in-toto Statement v1 with SLSA's predicate v1.

https://in-toto.io/Statement/v1 says what a file is about, https://slsa.dev/provenance/v1 what it
was made from. It is written from bundle.json alone and holds no time, so that equal bundles have
equal statements.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from gazeclip.bundle.layout import ORIGIN
from gazeclip.system.packages import DISTRIBUTION

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
# All are names only: nothing lies behind them. 2 knows all parameters, and is about all files.
BUILD_TYPE = "urn:gazeclip-edge:export:2"
FIRST_BUILD_TYPE = "urn:gazeclip-edge:export:1"
BUILDER = "urn:gazeclip-edge:local"
_HASH = "_sha256"  # what keys of `provenance` in bundle.json end in


def describe_origin(meta: Mapping[str, Any], files: Mapping[str, Mapping[str, Any]]) -> Any:
    """The statement as JSON values.

    Args:
        meta: bundle.json; its file list may still be missing.
        files: name -> `sha256` of every file but bundle.json and the statement itself.
    """
    is_first = _is_of_first_kind(meta)
    names = find_model_files(meta, files) if is_first else sorted(set(files) - {ORIGIN})
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": name, "digest": _make_digest(files[name])} for name in names],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "buildDefinition": {
                "buildType": FIRST_BUILD_TYPE if is_first else BUILD_TYPE,
                "externalParameters": _list_parameters(meta),
                "internalParameters": {"contract": meta["contract"]},
                "resolvedDependencies": [*_list_sources(meta), *_list_packages(meta)],
            },
            "runDetails": {
                "builder": {"id": BUILDER, "version": _find_own_version(meta["versions"])}
            },
        },
    }


def _is_of_first_kind(meta: Mapping[str, Any]) -> bool:
    """Whether bundle.json is from before it had the parameters of its export."""
    return "parameters" not in meta


def _list_parameters(meta: Mapping[str, Any]) -> dict[str, Any]:
    """What whoever exported, or placed a threshold, has chosen."""
    chosen = {key: meta[key] for key in ("target", "precision")}
    if _is_of_first_kind(meta):
        return chosen
    rates = {
        name: {key: entry[key] for key in ("target_fpr", "target_miss")}
        for name, entry in meta["thresholds"].items()
    }
    return {**meta["parameters"], **chosen, "operating_points": rates}


def find_model_files(meta: Mapping[str, Any], files: Mapping[str, Any]) -> list[str]:
    """Names, sorted: the model file and those that carry its weights, or all of its package."""
    model = str(meta["model_file"])
    inside = sorted(name for name in files if name.startswith(f"{model}/"))
    stem = model.rpartition(".")[0]
    return inside or sorted(name for name in files if name.rpartition(".")[0] == stem)


def find_origin_faults(statement: Any, meta: Mapping[str, Any]) -> list[str]:
    """Why the statement is not about the files that bundle.json lists."""
    wanted = describe_origin(meta, meta["files"])
    if not isinstance(statement, Mapping):
        return ["its provenance is not an object"]
    if statement.get("subject") != wanted["subject"]:
        return ["its provenance is of other files"]
    if statement != wanted:
        return ["its provenance says otherwise than bundle.json"]
    return []


def _make_digest(entry: Mapping[str, Any]) -> dict[str, str]:
    return {"sha256": str(entry["sha256"])}


def _list_sources(meta: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What was trained or given, by its content; of settings, by their values."""
    sources = []
    for key, value in sorted(meta["provenance"].items()):
        if key.endswith(_HASH):
            sources.append({"name": key.removesuffix(_HASH), "digest": {"sha256": str(value)}})
    return sources


def _list_packages(meta: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The packages that shaped the file, as package URLs."""
    packages = []
    for name, version in sorted(meta["versions"].items()):
        # A package URL has PyPI's normal form of the name.
        normal = name.lower().replace("_", "-")
        packages.append({"name": name, "uri": f"pkg:pypi/{normal}@{quote(str(version), safe='')}"})
    return packages


def _find_own_version(versions: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(version) for name, version in versions.items() if name == DISTRIBUTION}
