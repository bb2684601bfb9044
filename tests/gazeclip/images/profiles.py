"""ICC profiles made by hand, byte by byte (ICC.1:2022), and the same colours in plain NumPy."""

from __future__ import annotations

import struct

import numpy as np

_D50 = (0.9642, 1.0, 0.8249)
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
D65 = (0.3127, 0.3290)
# Chromaticities x, y of red, green and blue.
SRGB = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
DISPLAY_P3 = ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06))
ADOBE_RGB = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
ADOBE_GAMMA = 563 / 256


def decode_srgb(values: np.ndarray) -> np.ndarray:
    """0 to 1 as stored -> light (IEC 61966-2-1)."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def encode_srgb(light: np.ndarray) -> np.ndarray:
    """The way back; what lies outside is cut off."""
    light = light.clip(0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def find_matrix(primaries: tuple[tuple[float, float], ...]) -> np.ndarray:
    """Linear RGB of white point D65 -> XYZ of white point D50, `(3, 3)`."""

    def lift(x: float, y: float) -> np.ndarray:
        return np.array([x / y, 1, (1 - x - y) / y])

    columns = np.stack([lift(*point) for point in primaries], axis=1)
    white = lift(*D65)
    matrix = columns * np.linalg.solve(columns, white)
    cones = _BRADFORD @ np.array(_D50) / (_BRADFORD @ white)
    return np.linalg.inv(_BRADFORD) @ np.diag(cones) @ _BRADFORD @ matrix


def xyz_to_srgb(xyz: np.ndarray) -> np.ndarray:
    """XYZ of white point D50 `(..., 3)` -> 0 to 255."""
    return 255 * encode_srgb(xyz @ np.linalg.inv(find_matrix(SRGB)).T)


def lab_to_srgb(lab: np.ndarray) -> np.ndarray:
    """CIE Lab `(..., 3)` -> 0 to 255."""
    height = (lab[..., 0] + 16) / 116
    cubes = np.stack([height + lab[..., 1] / 500, height, height - lab[..., 2] / 200], axis=-1)
    low = 3 * (6 / 29) ** 2 * (cubes - 4 / 29)
    return xyz_to_srgb(np.where(cubes > 6 / 29, cubes**3, low) * _D50)


def make_rgb(
    primaries: tuple[tuple[float, float], ...],
    curve: float | np.ndarray,
    name: str = "Test",
    kind: bytes = b"mntr",
) -> bytes:
    """A profile of three primaries; `curve` is a gamma or a table of 0 to 1."""
    matrix = find_matrix(primaries)
    tags = {b"wtpt": _xyz(_D50), b"cprt": b"text\0\0\0\0none\0", b"desc": _describe(name)}
    for letter, column in zip(b"rgb", matrix.T, strict=True):
        tags[bytes([letter]) + b"XYZ"] = _xyz(column)
        tags[bytes([letter]) + b"TRC"] = _curve(curve)
    return _assemble(kind, b"RGB ", b"XYZ ", tags)


def make_grey(gamma: float) -> bytes:
    """A grey profile."""
    tags = {b"wtpt": _xyz(_D50), b"desc": _describe("Test grey"), b"kTRC": _curve(gamma)}
    return _assemble(b"mntr", b"GRAY", b"XYZ ", tags)


def make_cmyk(corners: np.ndarray) -> bytes:
    """A printer's profile from the Lab colours of 16 mixtures, `(2, 2, 2, 2, 3)` by C, M, Y, K."""
    ramp = bytes(range(256))
    encoded = np.concatenate([corners[..., :1] * 2.55, corners[..., 1:] + 128], axis=-1)
    table = encoded.round().astype(np.uint8).tobytes()
    identity = b"".join(_fixed(value) for value in np.eye(3).ravel())
    lut = b"mft1\0\0\0\0\4\3\2\0" + identity + ramp * 4 + table + ramp * 3
    tags = {b"wtpt": _xyz(_D50), b"desc": _describe("Test inks"), b"A2B0": lut}
    return _assemble(b"prtr", b"CMYK", b"Lab ", tags)


def _assemble(kind: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    directory = struct.pack(">I", len(tags))
    body = b""
    start = 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        directory += name + struct.pack(">II", start + len(body), len(data))
        body += data + b"\0" * (-len(data) % 4)
    header = struct.pack(">I", start + len(body)) + b"lcms" + bytes([2, 0x40, 0, 0])
    header += kind + space + connection + struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp"
    header = header.ljust(68, b"\0") + b"".join(_fixed(value) for value in _D50)
    return header.ljust(128, b"\0") + directory + body


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def _xyz(values: object) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(_fixed(value) for value in np.asarray(values))


def _curve(curve: float | np.ndarray) -> bytes:
    if isinstance(curve, float):
        return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(curve * 256))
    values = (curve * 65535).round().astype(">u2")
    return b"curv\0\0\0\0" + struct.pack(">I", len(values)) + values.tobytes()


def _describe(name: str) -> bytes:
    text = name.encode() + b"\0"
    return b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + b"\0" * (4 + 4 + 2 + 1 + 67)
