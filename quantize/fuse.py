"""Bring a timm encoder into plain convolutions and activations, for quantizers and converters.

Three rewrites, all exact up to float rounding and for inference only: re-parameterisation (parallel
branches into one convolution), batch normalisation folded into the convolution before it, and
TensorFlow-style 'same' padding made static for one input size.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_weights

from gazeclip.errors import StageError
from gazeclip.networks import torchvision_shim

# Folding changes the order of float operations only: some 1e-6 of the largest output of the
# zoo's students (`fold_error` of `gazeclip zoo --measure`).
# Deeper ones may add to that; a wrong fold (a convolution whose output has a second reader)
# changes it by more.
_MAX_RELATIVE_CHANGE = 1e-3
_PREPARED_FOR = "prepared_for"  # attribute of a prepared encoder: its image size


class PaddedConv2d(nn.Conv2d):
    """A convolution after a fixed zero padding `(left, right, top, bottom)` in pixels."""

    def __init__(self, conv: nn.Conv2d, edges: tuple[int, int, int, int]) -> None:
        super().__init__(
            conv.in_channels,
            conv.out_channels,
            conv.kernel_size,  # type: ignore[arg-type]
            stride=conv.stride,  # type: ignore[arg-type]
            padding=0,
            dilation=conv.dilation,  # type: ignore[arg-type]
            groups=conv.groups,
            bias=conv.bias is not None,
        )
        self.weight = conv.weight
        self.bias = conv.bias
        self.edges = edges

    def forward(self, x: Tensor) -> Tensor:
        """`(B, Cin, H, W)` to `(B, Cout, H', W')`."""
        if any(self.edges):
            x = functional.pad(x, self.edges)
        return functional.conv2d(
            x, self.weight, self.bias, self.stride, 0, self.dilation, self.groups
        )


def prepare_encoder(encoder: nn.Module, image_size: int) -> nn.Module:
    """A copy of `encoder` for inference at one size: in eval mode, without batch norm.

    A fresh encoder and a trained one get the same module names, which is what lets a quantized
    checkpoint be loaded into a fresh encoder. The copy can be trained (QAT), only without batch
    statistics.

    Args:
        encoder: a timm backbone or a student's encoder, `(B, 3, S, S)` float to `(B, F)`.
        image_size: S in pixels.

    Raises:
        StageError: the rewritten encoder does not compute what the original one did.
    """
    torchvision_shim.ensure()  # timm imports it
    from timm.utils.model import reparameterize_model

    original = copy.deepcopy(encoder).eval()
    if getattr(original, _PREPARED_FOR, None) == image_size:
        return original  # branches that became one convolution cannot be joined again
    generator = torch.Generator().manual_seed(0)
    # As normalised images are: values from -1 to 1.
    example = torch.rand(2, 3, image_size, image_size, generator=generator) * 2 - 1
    with torch.no_grad():
        expected = original(example)
        prepared = reparameterize_model(original, inplace=False).eval()
        _fix_same_padding(prepared, example)
        _fold_batch_norm(prepared, example)
        _split_act_norm(prepared)
        change = _measure_change(prepared(example), expected)
    if not change <= _MAX_RELATIVE_CHANGE:
        where = _find_wrong_fold(encoder, example, expected)
        raise StageError(
            f"folding batch normalisation{where} changed the encoder's output by {change:.2g} of "
            "its largest value",
            remedy="This backbone cannot be quantized or exported yet; choose another one of the "
            "zoo",
        )
    setattr(prepared, _PREPARED_FOR, image_size)
    return prepared


def _measure_change(found: Tensor, expected: Tensor) -> float:
    """The largest difference, by the largest value."""
    return float((found - expected).abs().max() / expected.abs().max().clamp(min=1e-6))


@torch.no_grad()
def _find_wrong_fold(encoder: nn.Module, example: Tensor, expected: Tensor) -> str:
    """` NORM into CONVOLUTION`: the first that changes the output alone; empty where none does."""
    original = copy.deepcopy(encoder).eval()
    for conv_name, norm_name in _conv_norm_pairs(original, example):
        folded = copy.deepcopy(original)
        _fold_pair(folded, conv_name, norm_name)
        if not _measure_change(folded(example), expected) <= _MAX_RELATIVE_CHANGE:
            return f" {norm_name} into {conv_name}"
    return ""


def _replace_module(root: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, leaf = name.rpartition(".")
    setattr(root.get_submodule(parent), leaf, module)


def _fix_same_padding(encoder: nn.Module, example: Tensor) -> None:
    """Replace timm's 'same' convolutions, whose padding would be traced as arithmetic on shapes."""
    from timm.layers import Conv2dSame, get_same_padding

    sizes: dict[str, tuple[int, int]] = {}
    handles = [
        module.register_forward_pre_hook(
            lambda _, args, name=name: sizes.update({name: tuple(args[0].shape[-2:])})
        )
        for name, module in encoder.named_modules()
        if isinstance(module, Conv2dSame)
    ]
    encoder(example)
    for handle in handles:
        handle.remove()
    for name, size in sizes.items():
        conv: Any = encoder.get_submodule(name)
        total = [
            get_same_padding(size[i], conv.kernel_size[i], conv.stride[i], conv.dilation[i])
            for i in (0, 1)
        ]
        # TensorFlow puts the odd pixel behind.
        top = total[0] // 2
        left = total[1] // 2
        _replace_module(
            encoder, name, PaddedConv2d(conv, (left, total[1] - left, top, total[0] - top))
        )


def _conv_norm_pairs(encoder: nn.Module, example: Tensor) -> list[tuple[str, str]]:
    """Names of (convolution, batch norm) that can be folded: one's output is the other's input."""
    produced: dict[int, tuple[str, Tensor]] = {}
    pairs: list[tuple[str, str]] = []

    def after_conv(name: str, output: Tensor) -> None:
        produced[id(output)] = (name, output)  # keeping the tensor keeps its id unique

    def before_norm(name: str, value: Tensor) -> None:
        source = produced.get(id(value))
        if source is not None:
            pairs.append((source[0], name))

    handles = []
    for name, module in encoder.named_modules():
        if isinstance(module, nn.Conv2d):
            handles.append(
                module.register_forward_hook(lambda _, __, out, name=name: after_conv(name, out))
            )
        elif isinstance(module, nn.BatchNorm2d):
            handles.append(
                module.register_forward_pre_hook(
                    lambda _, args, name=name: before_norm(name, args[0])
                )
            )
    encoder(example)
    for handle in handles:
        handle.remove()
    return pairs


def _fold_batch_norm(encoder: nn.Module, example: Tensor) -> None:
    for conv_name, norm_name in _conv_norm_pairs(encoder, example):
        _fold_pair(encoder, conv_name, norm_name)


def _fold_pair(encoder: nn.Module, conv_name: str, norm_name: str) -> None:
    conv: Any = encoder.get_submodule(conv_name)
    norm: Any = encoder.get_submodule(norm_name)
    weight, bias = fuse_conv_bn_weights(
        conv.weight,
        conv.bias,
        norm.running_mean,
        norm.running_var,
        norm.eps,
        norm.weight,
        norm.bias,
    )
    conv.weight = weight
    conv.bias = bias
    _replace_module(encoder, norm_name, _make_tail(norm))


def _make_tail(norm: nn.Module) -> nn.Module:
    """What a timm norm-and-activation layer does after the norm."""
    steps = []
    for step in (getattr(norm, "drop", None), getattr(norm, "act", None)):
        if step is not None and not isinstance(step, nn.Identity):
            steps.append(step)
    if not steps:
        return nn.Identity()
    return steps[0] if len(steps) == 1 else nn.Sequential(*steps)


def _split_act_norm(encoder: nn.Module) -> None:
    """Turn a batch norm with built-in activation into two modules that NNCF knows."""
    from timm.layers import BatchNormAct2d

    for name, module in list(encoder.named_modules()):
        if isinstance(module, BatchNormAct2d):
            plain = nn.BatchNorm2d(module.num_features, eps=module.eps, momentum=module.momentum)
            wanted = plain.state_dict()
            state = {key: value for key, value in module.state_dict().items() if key in wanted}
            plain.load_state_dict(state)
            _replace_module(encoder, name, nn.Sequential(plain.eval(), _make_tail(module)))
