"""The same for interpolation: by the places that MIL's operation reference gives, in float64."""

from __future__ import annotations

import numpy as np

from tests.export.reference.cases import Case, X


def place_samples(inner: int, outer: int, aligned: bool) -> np.ndarray:
    """Where each output lies between the inputs."""
    steps = np.arange(outer, dtype=np.float64)
    if aligned:
        return steps * (inner - 1) / (outer - 1)
    return np.clip((steps + 0.5) * inner / outer - 0.5, 0, inner - 1)


def interpolate_rows(values: np.ndarray, factor: float, aligned: bool) -> np.ndarray:
    """Linear interpolation over the last axis."""
    inner = values.shape[-1]
    places = place_samples(inner, int(inner * factor), aligned)
    return np.apply_along_axis(lambda row: np.interp(places, np.arange(inner), row), -1, values)


def list_resizing() -> list[Case]:
    """Larger, by no whole number, and smaller; either way to place the corners."""
    cases = []
    for high, wide in ((2, 3), (1.5, 2.3), (0.75, 1)):
        for aligned in (False, True):
            inputs = {
                "x": X,
                "scale_factor_height": np.float32(high),
                "scale_factor_width": np.float32(wide),
                "align_corners": np.bool_(aligned),
                "half_pixel_centers": np.bool_(not aligned),
            }
            rows = interpolate_rows(X.astype(np.float64), wide, aligned)
            both = interpolate_rows(rows.swapaxes(2, 3), high, aligned).swapaxes(2, 3)
            cases.append(Case("upsample_bilinear", inputs, both))
    return cases
