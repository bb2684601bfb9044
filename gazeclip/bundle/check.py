"""What makes a bundle whole: its keys, its files with their hashes, arrays that fit each other.

Each function returns a list of faults in plain words, so that writer and reader refuse by the same
rules.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gazeclip.bundle.bank_input import find_bank_faults
from gazeclip.bundle.contents import BundleClass
from gazeclip.bundle.contract import contract_faults
from gazeclip.bundle.figures import find_figure_faults
from gazeclip.bundle.gate import find_gate_faults
from gazeclip.bundle.gaze import find_gaze_faults
from gazeclip.bundle.layout import (
    CONVERSION,
    GOLDEN,
    INPUT_NAME,
    MANIFEST,
    OUTPUTS,
    PARTS,
    PRECISIONS,
    SCHEMAS,
    TEXT_BANK,
    UNHASHED,
    output_widths,
)
from gazeclip.bundle.values import is_count
from gazeclip.errors import BundleError
from gazeclip.files.hashes import fingerprint, sha256
from gazeclip.images.walk import is_hidden

_CLASS_KEYS = {field.name for field in dataclasses.fields(BundleClass)}
NOT_LISTED = "does not belong to it"
_TYPES: dict[str, type] = {
    "target": str,
    "precision": str,
    "model_file": str,
    "classes": list,
    "image_size": int,
    "embedding_dim": int,
    "contract": dict,
    "io": dict,
    "temperature": dict,
    "evidence": dict,
    "thresholds": dict,
    "metrics": dict,
    "parity": dict,
    "provenance": dict,
    "versions": dict,
    "licence": str,
    "golden": dict,
    "files": dict,
    "digest": str,
}
_OPTIONAL: dict[str, type] = {"parameters": dict}  # which earlier versions did not write


def refuse(folder: Path, faults: Sequence[str], remedy: str = "Export it again") -> None:
    """Raise one line with the first few faults, if there are any.

    Args:
        remedy: what helps against these faults.

    Raises:
        BundleError: `faults` is not empty.
    """
    if faults:
        more = f" and {len(faults) - 4} more" if len(faults) > 4 else ""
        raise BundleError(
            f"bundle {folder} is refused: {'; '.join(faults[:4])}{more}", remedy=remedy
        )


def seal(meta: Mapping[str, Any]) -> str:
    """SHA-256 over bundle.json without its own `digest`."""
    return fingerprint({key: value for key, value in meta.items() if key != "digest"})


def bundle_files(folder: Path) -> list[str]:
    """Relative POSIX names of all files of the bundle, also those inside an `.mlpackage`.

    Hidden files (`.DS_Store`, `Thumbs.db`) are a system's own and belong to no bundle.
    """
    names = []
    for item in folder.rglob("*"):
        inside = item.relative_to(folder)
        if any(is_hidden(part) for part in inside.parts):
            continue
        # A link to a folder is listed, so that it is refused: nobody looks into it.
        if item.is_symlink() or not item.is_dir():
            names.append(inside.as_posix())
    return sorted(name for name in names if name not in UNHASHED)


def meta_faults(meta: Mapping[str, Any], files: bool = True) -> list[str]:
    """Faults of bundle.json itself.

    `files=False` while it is being written and has neither file list nor digest.
    """
    if meta.get("schema") not in SCHEMAS:
        known = " and ".join(map(str, SCHEMAS))
        return [f"schema {meta.get('schema')!r} is unknown to this version, which reads {known}"]
    faults = [f"{MANIFEST} lacks '{key}'" for key in _TYPES if key not in meta]
    faults += [
        f"'{key}' has the wrong type"
        for key, kind in (_TYPES | _OPTIONAL).items()
        if not isinstance(meta.get(key, kind()), kind)
    ]
    if faults:
        return faults
    if files and not _is_sealed(meta):
        return [f"{MANIFEST} was changed (its digest differs)"]
    if meta["precision"] not in PRECISIONS:
        faults.append(f"precision '{meta['precision']}' is not one of {', '.join(PRECISIONS)}")
    faults += _class_faults(meta["classes"]) + contract_faults(meta) + find_figure_faults(meta)
    faults += find_gate_faults(meta) + find_bank_faults(meta) + find_gaze_faults(meta)
    faults += [
        f"io lacks '{name}'"
        for name in (INPUT_NAME, *OUTPUTS)
        if not isinstance(meta["io"].get(name), str)
    ]
    if not isinstance(meta["metrics"].get(CONVERSION, {}), dict):
        faults.append(f"'{CONVERSION}' of 'metrics' is not an object")
    if files:
        faults += [
            f"'{name}' of the file list needs bytes and sha256"
            for name, entry in meta["files"].items()
            if not _is_file_entry(entry)
        ]
        model = meta["model_file"]
        if not any(name == model or name.startswith(f"{model}/") for name in meta["files"]):
            faults.append(f"model file '{model}' is not in the file list")
        faults += [
            f"'{name}' is not in the file list" for name in PARTS if name not in meta["files"]
        ]
    return faults


def _is_sealed(meta: Mapping[str, Any]) -> bool:
    try:
        return seal(meta) == meta["digest"]
    except (ValueError, RecursionError):  # NaN and the like, which are never written
        return False


def _is_file_entry(entry: object) -> bool:
    if not isinstance(entry, dict):
        return False
    return is_count(entry.get("bytes")) and isinstance(entry.get("sha256"), str)


def _class_faults(classes: list[Any]) -> list[str]:
    if any(not isinstance(entry, dict) or set(entry) != _CLASS_KEYS for entry in classes):
        return [f"each class needs exactly {', '.join(sorted(_CLASS_KEYS))}"]
    if any(not isinstance(value, str) for entry in classes for value in entry.values()):
        return ["a value of a class is not a text"]
    names = [entry["name"] for entry in classes]
    faults = []
    if names[:1] != ["real"]:
        faults.append("class 0 is not 'real'")
    if len(names) < 2:
        faults.append("fewer than two classes")
    if len(set(names)) != len(names):
        faults.append("a class name occurs twice")
    return faults


def file_faults(folder: Path, meta: Mapping[str, Any], verify: bool) -> list[str]:
    """Missing, extra, truncated and (with `verify`) changed files.

    Links to plain files are followed, as the cache of a model hub makes them: their content counts.
    """
    listed = meta["files"]
    found = set(bundle_files(folder))
    faults = [f"{name} is missing" for name in sorted(set(listed) - found)]
    faults += [f"{name} {NOT_LISTED}" for name in sorted(found - set(listed))]
    for name in sorted(found & set(listed)):
        path = folder / name
        entry = listed[name]
        if not path.is_file():
            faults.append(f"{name} is {_kind_of(path)}")
        elif path.stat().st_size != entry["bytes"]:
            faults.append(f"{name} has {path.stat().st_size} bytes instead of {entry['bytes']}")
        elif verify and sha256(path) != entry["sha256"]:
            faults.append(f"{name} was changed (its SHA-256 differs)")
    return faults


def refuse_changed(folder: Path, meta: Mapping[str, Any], verify: bool) -> None:
    """Refuse a bundle whose bundle.json or files are not as they were written.

    Raises:
        BundleError: `meta_faults` or `file_faults` found any.
    """
    if meta.get("schema") in SCHEMAS:
        refuse(folder, meta_faults(meta))
    else:
        remedy = "Use the version of this program that wrote it, or export it again with this one"
        refuse(folder, meta_faults(meta), remedy)
    faults = file_faults(folder, meta, verify)
    refuse(folder, faults, _file_remedy(faults))


def _file_remedy(faults: Sequence[str]) -> str:
    if all(fault.endswith(NOT_LISTED) for fault in faults):
        return "Move what does not belong to it elsewhere"
    return "Copy or download the whole folder again; if its source is refused too, export it again"


def _kind_of(path: Path) -> str:
    if path.is_dir():
        return "a link to a folder, which is not followed"
    return "a link to nothing" if path.is_symlink() else "not a plain file"


def array_faults(
    meta: Mapping[str, Any], bank: np.ndarray, images: np.ndarray, outputs: Mapping[str, np.ndarray]
) -> list[str]:
    """Arrays whose shapes or types do not fit the number of classes, of features and of pixels."""
    # As docs/bundle.md calls them: classes C, length of an embedding D, side S; N golden images.
    c = len(meta["classes"])
    d = meta["embedding_dim"]
    s = meta["image_size"]
    n = meta["golden"]["n"]
    missing = [f"golden output '{name}' is missing" for name in OUTPUTS if name not in outputs]
    if missing:
        return missing
    widths = output_widths(d, c)
    wanted = [
        (TEXT_BANK, bank, (c, d), "float32"),
        (f"{GOLDEN} images", images, (n, s, s, 3), "uint8"),
    ]
    for name in OUTPUTS:
        wanted.append((f"{GOLDEN} {name}", outputs[name], (n, widths[name]), "float32"))
    faults = []
    for label, array, shape, dtype in wanted:
        if array.shape != shape or array.dtype != dtype:
            faults.append(
                f"{label} is {array.dtype} {array.shape}, the bundle says {dtype} {shape}"
            )
        elif dtype == "float32" and not np.isfinite(array).all():
            faults.append(f"{label} holds values that are not finite")
    return faults
