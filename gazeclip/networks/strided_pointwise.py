"""Strided 1x1 convolutions of few channels, as a CPU can train them.

Where maps lie channels-last, oneDNN computes the gradient of such a layer's weights past the end of
its workspace: with AVX-512 the process dies, with AVX2 the gradient may be wrong
(https://github.com/uxlfoundation/oneDNN/issues/6035; torch 2.13 brings oneDNN 3.12). The stems of
MobileOne and FastViT have one, on the image's three channels.

A 1x1 convolution of stride s reads every s-th place: taking these first and convolving them at
stride 1 gives the same sums, and the same gradients, in another kernel.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

_BLOCK = 16  # channels that oneDNN treats at once: 16 of float32 with AVX-512, 8 with AVX2


class StridedPointwise(nn.Conv2d):
    """The same layer, and the same operation where nothing is trained, as in exported graphs."""

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
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
