"""Strided 1x1 convolutions of few channels, as a CPU can train them.

Where maps lie channels-last, oneDNN computes the gradient of such a layer's weights past the end of
its workspace. With AVX-512, below 16 channels, the process dies; with AVX2, below 8, it dies, hangs
or goes on with wrong gradients (https://github.com/uxlfoundation/oneDNN/issues/6035; torch 2.13
brings oneDNN 3.12). The stems of MobileOne and FastViT have one, on the image's three channels.

A 1x1 convolution of stride s reads every s-th place: taking these first and convolving them at
stride 1 gives the same sums, and the same gradients, in another kernel.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_BLOCK = 16  # channels of float32 that AVX-512 treats at once


class StridedPointwise(nn.Conv2d):
    """The same layer; without gradients also the same operation, so that exported graphs stay."""

    def forward(self, input: Tensor) -> Tensor:
        # Not `self.training`: training through quantizers goes on in eval mode.
        if not (torch.is_grad_enabled() and self.weight.requires_grad):
            return super().forward(input)
        step_y, step_x = self.stride
        return F.conv2d(input[:, :, ::step_y, ::step_x], self.weight, self.bias)


def replace_strided_pointwise(network: nn.Module) -> int:
    """Turn these layers of a network into `StridedPointwise`, in place; how many there were."""
    found = [module for module in network.modules() if _is_concerned(module)]
    for module in found:
        # Weights and hooks stay, and so does what else holds the layer.
        module.__class__ = StridedPointwise
    return len(found)


def _is_concerned(module: nn.Module) -> bool:
    return (
        type(module) is nn.Conv2d
        and module.kernel_size == (1, 1)
        and module.padding == (0, 0)
        and max(module.stride) > 1
        and module.groups == 1
        and module.in_channels < _BLOCK
    )
