"""A weight matrix in a small number format, and how to find it in an exported file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class PackedMatrix:
    """A matrix that a file stores small and every engine computes with in float32.

    Attributes:
        name: key of the matrix in the head's state.
        values: `(N, K)`, float16, or int8 levels.
        scale: what one level is worth, float32, `(N, 1)` or `(1, K)`; None with float16.
    """

    name: str
    values: np.ndarray
    scale: np.ndarray | None

    @property
    def axis(self) -> int:
        """The axis of `values` along which `scale` has a value each."""
        return 0 if self.scale is None or self.scale.shape[1] == 1 else 1

    def unpack(self) -> np.ndarray:
        """`(N, K)` float32, to the last bit what every engine makes of the stored form."""
        plain: np.ndarray = self.values.astype(np.float32)
        return plain if self.scale is None else plain * self.scale

    def transpose(self) -> PackedMatrix:
        """The same for `(K, N)`."""
        scale = None if self.scale is None else np.ascontiguousarray(self.scale.T)
        return PackedMatrix(self.name, np.ascontiguousarray(self.values.T), scale)


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
