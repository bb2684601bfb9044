"""Looks for shortcuts: whether format, size or compression alone tells forged from real images.

A network that is trained on such a set learns which program saved a file. Only headers are read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from gazeclip.console.tables import MISSING, Table
from gazeclip.data.headers import ImageHeader, read_header
from gazeclip.data.rows import Sample
from gazeclip.scoring.metrics import roc_auc
from gazeclip.taxonomy import REAL

# A property with this AUC puts 7 of 10 pairs of a forged and a real image into order without a look
# at any pixel. Below it, differences of what happens to be shown (a plain background compresses
# better) are as likely a cause as the making of the set.
WARN_AUC = 0.7
# In a small set chance alone gets that far; this many standard deviations of an AUC without any
# signal must lie between it and 0.5 as well.
WARN_DEVIATIONS = 3.0
BINS = 10  # of a number with more values than that
LEAST_IMAGES = 4  # of either side: two for each half
ALL = "all forgeries"

Values = Callable[[ImageHeader], str | float | None]
PROPERTIES: dict[str, Values] = {
    "format": lambda header: header.format,
    "pixels": lambda header: float(header.width * header.height),
    "aspect ratio": lambda header: header.width / header.height,
    "JPEG quality": lambda header: None if header.quality is None else float(header.quality),
    "chroma subsampling": lambda header: header.subsampling,
    "bytes per pixel": lambda header: header.bytes / (header.width * header.height),
}


@dataclass(frozen=True)
class Shortcut:
    """How well `property` alone tells the forgeries of `generator` (or `ALL`) from real images.

    `auc` is None where too few images of a side have the property. `forged`, `real`: what they
    mostly have, as text.
    """

    property: str
    generator: str
    auc: float | None
    suspicious: bool
    forged: str
    real: str


def find_shortcuts(samples: Sequence[Sample]) -> list[Shortcut]:
    """One entry per property and generator, and per property for all forgeries together.

    A file that cannot be read is left out; the check of the manifest names it.
    """
    headers: dict[str, list[ImageHeader]] = {}
    for sample in samples:
        header = read_header(sample.path)
        if header is not None:
            headers.setdefault(sample.label, []).append(header)
    real = headers.pop(REAL, [])
    forged: dict[str, list[ImageHeader]] = {ALL: []}
    for label in sorted(headers):
        forged[ALL] += headers[label]
        forged[label] = headers[label]
    return [
        _compare_property(name, generator, real, found)
        for name in PROPERTIES
        for generator, found in forged.items()
    ]


def shortcut_warnings(shortcuts: Sequence[Shortcut]) -> list[str]:
    """One line per property that gives labels away, with the AUC for each generator."""
    lines = []
    for name in PROPERTIES:
        found = [item for item in shortcuts if item.property == name and item.suspicious]
        if not found:
            continue
        parts = ", ".join(f"{item.generator} (AUC {item.auc:.2f}: {item.forged})" for item in found)
        lines.append(f"{name} alone tells from real ({found[0].real}): {parts}")
    return lines


def shortcut_table(shortcuts: Sequence[Shortcut]) -> Table:
    """AUC per generator and property, for a terminal."""
    generators = list(dict.fromkeys(item.generator for item in shortcuts))
    aucs = {(item.generator, item.property): item.auc for item in shortcuts}
    rows = []
    for generator in generators:
        found = [aucs[generator, name] for name in PROPERTIES]
        rows.append([generator, *(MISSING if auc is None else f"{auc:.2f}" for auc in found)])
    note = "AUC of one property alone against real images; 0.5 is chance, see docs/data.md"
    return Table(["shortcuts", *PROPERTIES], rows, note=note)


def held_out_auc(values: np.ndarray, forged: np.ndarray, seed: int = 0) -> float | None:
    """AUC of the best score per value, fitted on one half of the images and measured on the other.

    The mean of both ways round, so a property without any relation gives 0.5 however many values
    it has. Numbers with many values are put into bins of equal counts first.

    Args:
        values: `(N,)` texts or numbers.
        forged: `(N,)` bool.
    """
    half = np.zeros(len(values), dtype=bool)
    rng = np.random.default_rng(seed)
    for side in (forged, ~forged):
        places = rng.permutation(np.flatnonzero(side))
        half[places[::2]] = True
    aucs = []
    for fit in (half, ~half):
        codes = _group_values(values, fit)
        score = _forged_share(codes[fit], forged[fit], codes[~fit])
        aucs.append(roc_auc(forged[~fit], score))
    known = [auc for auc in aucs if auc is not None]
    return float(np.mean(known)) if len(known) == 2 else None


def _group_values(values: np.ndarray, fit: np.ndarray) -> np.ndarray:
    """Numbers of the values' groups; bins are laid by those of `fit` alone."""
    if values.dtype.kind not in "fiu":
        return np.unique(values, return_inverse=True)[1]
    edges = np.unique(values[fit])
    if len(edges) > BINS:
        edges = np.unique(np.quantile(values[fit], np.arange(BINS) / BINS))
    return np.searchsorted(edges, values, side="right")


def _forged_share(codes: np.ndarray, forged: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """The share of forgeries in each asked group; a group's few images are drawn to the mean."""
    size = int(max(codes.max(), asked.max())) + 1
    mean = float(forged.mean())
    share = (np.bincount(codes, forged, size) + mean) / (np.bincount(codes, minlength=size) + 1.0)
    return np.asarray(share[asked])


def _compare_property(
    name: str, generator: str, real: Sequence[ImageHeader], forged: Sequence[ImageHeader]
) -> Shortcut:
    mine = _read_values(name, forged)
    other = _read_values(name, real)
    if min(len(mine), len(other)) < LEAST_IMAGES:
        return Shortcut(
            name, generator, None, False, _describe_typical(mine), _describe_typical(other)
        )
    label = np.arange(len(mine) + len(other)) < len(mine)
    auc = held_out_auc(np.array([*mine, *other]), label)
    suspicious = auc is not None and auc >= _least_suspicious(len(mine), len(other))
    return Shortcut(
        name, generator, auc, suspicious, _describe_typical(mine), _describe_typical(other)
    )


def _read_values(name: str, headers: Sequence[ImageHeader]) -> list[str | float]:
    """Of the images that have the property.

    A PNG has no JPEG quality, and that it is a PNG is told by its format.
    """
    found = [PROPERTIES[name](header) for header in headers]
    return [value for value in found if value is not None]


def _least_suspicious(forged: int, real: int) -> float:
    """The AUC to warn from; its deviation without any signal is that of Mann and Whitney."""
    deviation = np.sqrt((forged + real + 1) / (12.0 * forged * real))
    return max(WARN_AUC, float(0.5 + WARN_DEVIATIONS * deviation))


def _describe_typical(values: Sequence[str | float]) -> str:
    """What most have, or the median of numbers."""
    if not values:
        return "none"
    if all(isinstance(value, float) for value in values):
        return f"median {float(np.median(np.array(values, dtype=float))):.4g}"
    value, count = Counter(values).most_common(1)[0]
    return f"{value} {100 * count / len(values):.0f}%"
