"""Equal bytes for equal programs: a saved Core ML package without what chance and time put in.

coremltools names the parts of a package by random UUIDs and writes the date of the conversion down;
Core ML reads neither as more than a name and a note.
"""

from __future__ import annotations

import uuid
from pathlib import Path

from gazeclip.files.atomic import read_json, write_bytes, write_json
from gazeclip.system.packages import require

_MANIFEST = "Manifest.json"
_ENTRIES = "itemInfoEntries"
_ROOT = "rootModelIdentifier"
_DATE = "com.github.apple.coremltools.conversion_date"


def settle_package(package: Path) -> None:
    """Rewrite the manifest and the specification of an `.mlpackage` folder in place.

    The ids of parts follow from their paths (UUID version 5), the date is taken out, and the
    specification is serialised with its maps in order.
    """
    _settle_manifest(package / _MANIFEST)
    for specification in sorted((package / "Data").rglob("*.mlmodel")):
        _settle_specification(specification)


def _settle_manifest(path: Path) -> None:
    manifest = read_json(path)
    names = {}
    for name, entry in manifest[_ENTRIES].items():
        names[name] = str(uuid.uuid5(uuid.NAMESPACE_URL, entry["path"]))
    manifest[_ENTRIES] = {names[name]: entry for name, entry in manifest[_ENTRIES].items()}
    manifest[_ROOT] = names[manifest[_ROOT]]
    write_json(path, manifest)


def _settle_specification(path: Path) -> None:
    messages = require("coremltools.proto.Model_pb2", "coreml")
    model = messages.Model.FromString(path.read_bytes())
    notes = model.description.metadata.userDefined
    if _DATE in notes:
        del notes[_DATE]
    write_bytes(path, model.SerializeToString(deterministic=True))
