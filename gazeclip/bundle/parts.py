"""The two array files of a bundle: text_bank.safetensors and golden.npz.

Equal arrays give equal bytes.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gazeclip.bundle.layout import INPUT_NAME, OUTPUTS
from gazeclip.errors import BundleError
from gazeclip.files.atomic import parse_json, write_bytes

_BANK = "text_bank"
_METADATA = "__metadata__"  # where safetensors keeps texts
_FACTS = "gazeclip"
# What a header of another form raises; the last two by brackets and digits without end.
_BANK_ERRORS = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RecursionError,
    OverflowError,
)
# What NumPy and zipfile raise on damaged archives, depending on where the damage is.
_READ_ERRORS = (
    OSError,
    ValueError,
    KeyError,
    EOFError,
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
)


def write_text_bank(path: Path, bank: np.ndarray, facts: str | None = None) -> None:
    """Write the `(C, D)` float32 text bank as safetensors.

    Written out here (8 bytes length, JSON header, values) so that a gateway needs no further
    package for one matrix.

    Args:
        facts: what a bank that travels alone says of itself: see `gazeclip.bundle.text_bank`.
    """
    data = np.ascontiguousarray(bank, dtype="<f4").tobytes()
    entry = {"dtype": "F32", "shape": list(bank.shape), "data_offsets": [0, len(data)]}
    entries: dict[str, object] = {_BANK: entry}
    if facts is not None:
        entries[_METADATA] = {_FACTS: facts}
    header = json.dumps(entries, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)  # the format asks for aligned values
    write_bytes(path, len(header).to_bytes(8, "little") + header + data)


def read_text_bank(path: Path) -> np.ndarray:
    """Read the `(C, D)` float32 text bank.

    Raises:
        BundleError: missing or damaged.
    """
    return read_bank_and_facts(path)[0]


def read_bank_and_facts(path: Path) -> tuple[np.ndarray, str | None]:
    """The bank `(C, D)` float32, and what `write_text_bank` was given as its facts.

    Raises:
        BundleError: missing or damaged.
    """
    try:
        raw = path.read_bytes()
        start = 8 + int.from_bytes(raw[:8], "little")
        header = parse_json(raw[8:start])
        entry = header[_BANK]
        first, last = entry["data_offsets"]
        if entry["dtype"] != "F32" or first != 0 or last != len(raw) - start:
            raise ValueError("not one float32 tensor")
        values = np.frombuffer(raw, "<f4", offset=start).astype(np.float32)
        return values.reshape(entry["shape"]), header.get(_METADATA, {}).get(_FACTS)
    except _BANK_ERRORS as error:
        raise BundleError(
            f"{path} is damaged ({error})", remedy="Export the bundle again"
        ) from error


def write_golden(path: Path, images: np.ndarray, outputs: Mapping[str, np.ndarray]) -> None:
    """Write the self-test: `images` uint8 `(N, S, S, 3)` and the expected outputs by name."""
    arrays = {INPUT_NAME: images} | {name: outputs[name] for name in OUTPUTS}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(arrays):
            # np.savez leaves order and dates to chance; a fixed date makes the file repeatable.
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(entry, "w") as file:
                np.lib.format.write_array(
                    file, np.ascontiguousarray(arrays[name]), allow_pickle=False
                )
    write_bytes(path, buffer.getvalue())


def read_golden(path: Path) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Read `(images, expected outputs by name)`.

    Raises:
        BundleError: missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return arrays[INPUT_NAME], {name: arrays[name] for name in OUTPUTS}
    except _READ_ERRORS as error:
        raise BundleError(
            f"{path} is damaged ({error})", remedy="Export the bundle again"
        ) from error
