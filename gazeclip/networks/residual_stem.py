"""A start for networks without pretrained weights: filters that see what generators leave.

A generator's trace is some grey levels high, on a face whose brightness spans two hundred. Filters
drawn at random follow the face, and a training of a dozen epochs may end before any of them has
turned to the trace. Half of those here are blind to brightness and to its slope from the start, so
that the normalisation behind them amplifies what is left, the residual.

The idea of forensic residuals is that of the rich models (Fridrich and Kodovsky, 2012, DOI
10.1109/TIFS.2012.2190402) and of constrained convolutions (Bayar and Stamm, 2016, DOI
10.1145/2909827.2930786). Here it is a start only: training may change the filters as any others.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gazeclip.errors import ConfigError, Fault

# Without three places on a side nothing is left beside brightness and slope; beyond seven a filter
# sees far more of the face than of a trace.
_SIDES = range(3, 8)


_NO_STEM = Fault(
    "has no single first convolution on RGB with overlapping windows of 3 to 7 pixels,"
    " to make residual filters of",
    "Use weights none, or another backbone",
)


def find_stem_faults(network: nn.Module) -> list[Fault]:
    """Why `start_with_residuals` cannot change a network."""
    return [_NO_STEM] if _find_stem(network) is None else []


@torch.no_grad()
def start_with_residuals(network: nn.Module) -> None:
    """Take brightness and slope out of the first half of the first convolution's filters.

    The network is changed in place. A filter keeps its norm. Each colour of it is projected on what
    is orthogonal to a constant and to a ramp in either direction.

    Raises:
        ConfigError: the network has no such convolution (`find_stem_faults`).
    """
    stem = _find_stem(network)
    if stem is None:
        raise ConfigError(f"the network {_NO_STEM.what}", remedy=_NO_STEM.remedy)
    half = stem.weight[: stem.weight.shape[0] // 2]  # (N, 3, h, w), a view
    residual = _remove_plane(half)
    norm = half.flatten(1).norm(dim=1) / residual.flatten(1).norm(dim=1)
    half.copy_(residual * norm[:, None, None, None])


def _find_stem(network: nn.Module) -> nn.Conv2d | None:
    """The one convolution that sees the image; None where others see it as well or none fits."""
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    on_image = [module for module in convolutions if module.in_channels == 3]
    if len(on_image) != 1 or on_image[0] is not convolutions[0]:
        return None
    stem = on_image[0]
    is_small = all(side in _SIDES for side in stem.kernel_size)
    # Patch embeddings have windows that do not overlap: a trace falls anywhere within them.
    overlaps = all(step < side for step, side in zip(stem.stride, stem.kernel_size, strict=True))
    return stem if is_small and overlaps else None


def _remove_plane(filters: Tensor) -> Tensor:
    """Filters `(N, C, h, w)` less their least-squares fit by a constant and two ramps."""
    height, width = filters.shape[2:]
    rows, columns = torch.meshgrid(
        torch.arange(height, dtype=filters.dtype),
        torch.arange(width, dtype=filters.dtype),
        indexing="ij",
    )
    plane = torch.stack([torch.ones_like(rows), rows, columns]).flatten(1)  # (3, h * w)
    basis = torch.linalg.qr(plane.t()).Q  # (h * w, 3), orthonormal
    flat = filters.flatten(2)  # (N, C, h * w)
    return (flat - flat @ basis @ basis.t()).view_as(filters)
