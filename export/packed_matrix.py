"""A weight in a small number format, and how to find the head's in an exported file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

# Below that many values the description of a packed constant costs more than it saves.
FEWEST_VALUES = 1024
_HIGHEST_LEVEL = 127


@dataclass(frozen=True)
class PackedMatrix:
    """A weight that a file stores small and every engine computes with in float32.

    Attributes:
        name: key of a matrix in the head's state, or a convolution's name in the file.
        values: float16, or int8 levels; `(N, K)` of the head, four axes of a convolution.
        scale: what one level is worth, float32; as long as `values` along the axes of outputs and 1
            along the others; None with float16.
    """

    name: str
    values: np.ndarray
    scale: np.ndarray | None

    @property
    def axis(self) -> int:
        """The axis of `values` along which `scale` has a value each, where there is but one."""
        return 0 if self.scale is None else int(np.argmax(self.scale.shape))

    def unpack(self) -> np.ndarray:
        """Float32, to the last bit what every engine makes of the stored form."""
        plain: np.ndarray = self.values.astype(np.float32)
        return plain if self.scale is None else plain * self.scale

    def transpose(self) -> PackedMatrix:
        """The same matrix for `(K, N)`."""
        scale = None if self.scale is None else np.ascontiguousarray(self.scale.T)
        return PackedMatrix(self.name, np.ascontiguousarray(self.values.T), scale)


def round_to_levels(name: str, weight: np.ndarray, *axes: int) -> PackedMatrix:
    """Levels -127..127 with a scale for each output, since the outputs of a layer differ in length.

    `axes`: those along which the outputs lie, such as groups and outputs of a group; none: the
    first.
    """
    kept = axes or (0,)
    others = tuple(place for place in range(weight.ndim) if place not in kept)
    largest = np.abs(weight).max(axis=others, keepdims=True)
    # An output of zeros keeps its zeros with any scale.
    scale = np.where(largest > 0, largest / _HIGHEST_LEVEL, 1).astype(np.float32)
    return PackedMatrix(name, np.rint(weight / scale).astype(np.int8), scale)


def find_packed(packed: Iterable[PackedMatrix], constant: np.ndarray) -> PackedMatrix | None:
    """The matrix whose float32 values `constant` holds, laid out as they lie there; None: none.

    Converters rename constants and transpose some. Values were rounded before the conversion, so
    that equality tells them.
    """
    if constant.ndim != 2 or constant.dtype != np.float32:
        return None
    for matrix in packed:
        for form in (matrix, matrix.transpose()):
            if form.values.shape == constant.shape and np.array_equal(form.unpack(), constant):
                return form
    return None
