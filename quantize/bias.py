"""Accurate bias correction: each convolution's mean output becomes the float one's again.

Rounding weights and activations shifts the mean of every channel, and later layers take the sum of
all shifts for evidence. Layer by layer, from the input on, the shift that is left with all layers
before it quantized and corrected is taken out of the bias, after Nagel et al. 2019,
arXiv:1906.04721, appendix D ("empirical bias correction"). NNCF's fast correction looks at each
layer by itself, and NNCF has no accurate one for PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from gazeclip.errors import StageError


def correct_biases(prepared: nn.Module, quantized: nn.Module, images: Tensor) -> int:
    """Correct the biases of a quantized encoder in place; how many.

    All images go through both networks at once, and each shift is taken out before the next layer
    computes, so that one pass is enough.

    Args:
        prepared: the float encoder that it was made from (`quantize.fuse.prepare_encoder`).
        quantized: the same modules with fake quantizers, in eval mode.
        images: normalised, `(N, 3, S, S)`.

    Raises:
        StageError: the two have other convolutions.
    """
    wanted: dict[str, Tensor] = {}
    layers = dict(quantized.named_modules())
    corrected = 0

    def remember(name: str, output: Tensor) -> Tensor:
        wanted[name] = output.mean(dim=(0, 2, 3))  # (C,)
        return output

    def correct(name: str, output: Tensor) -> Tensor:
        nonlocal corrected
        bias = layers[name].bias
        if bias is None:
            return output
        shift = output.mean(dim=(0, 2, 3)) - wanted[name]
        bias.data -= shift
        corrected += 1
        return output - shift[:, None, None]

    _run_observed(prepared, images, remember)
    if not set(wanted) <= set(layers):
        raise StageError(
            "the quantized encoder has other convolutions than the float one",
            remedy="Quantize the prepared encoder itself",
        )
    _run_observed(quantized, images, correct)
    return corrected


def _run_observed(
    network: nn.Module, images: Tensor, observe: Callable[[str, Tensor], Tensor]
) -> None:
    """One pass; `observe(name, output)` of each convolution gives what the next layer reads."""
    handles = [
        part.register_forward_hook(lambda _, __, output, name=name: observe(name, output))
        for name, part in network.named_modules()
        if isinstance(part, nn.Conv2d)
    ]
    try:
        with torch.no_grad():
            network(images)
    finally:
        for handle in handles:
            handle.remove()
