"""The hybrid tower: maps of a pretrained CNN are the tokens of a small transformer.

The hybrid of arXiv:2010.11929.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gazeclip.errors import ConfigError
from gazeclip.networks.backbones import scale_images
from gazeclip.networks.weights import RANDOM_WEIGHTS, backbone_stats, load_backbone
from gazeclip.recipe.teacher import STRIDES, TeacherConfig
from gazeclip.teacher.image.attention import Block
from gazeclip.teacher.image.tower import ImageTower


class Seen(NamedTuple):
    """What the CNNs give for B images.

    `features (B, K, F)`: what the classifier of each of K would be given; `fine (B, C, h, w)`: the
    stride-16 map of the first, or both maps folded into one; `coarse (B, D, h, w)`: its stride-32
    map, with no channels where folded.
    """

    features: Tensor
    fine: Tensor
    coarse: Tensor


class HybridTower(ImageTower):
    """An image tower on the maps of a timm CNN.

    Stride-16 and -32 maps -> linear -> tokens with learned positions, and a class token -> pre-norm
    blocks -> CLS. With `config.folded` a token is a cell of the stride-32 map together with its
    four cells of the other. Each of `config.extra_sizes` adds a CNN of its own to the class token.
    `classes`: C, for `config.keep_classifiers`.
    """

    def __init__(
        self, config: TeacherConfig, image_size: int, classes: int, load: bool = True
    ) -> None:
        super().__init__(
            *backbone_stats(config.backbone, config.backbone_weights), config.input_size
        )
        self.width = config.width
        self.embed_dim = config.embed_dim
        self.depth = config.depth
        self.pretrained = config.backbone_weights not in RANDOM_WEIGHTS
        self.extra_sizes = config.extra_sizes
        self.folded = config.folded
        # In this order: the parts draw their first weights from one generator.
        cnns = self._build_cnns(config, load)
        self._build_tokens(config, image_size, classes)
        self._build_blocks(config)
        self.fixed = self._find_fixed(config, cnns)
        for module in self.fixed:
            module.requires_grad_(False)

    def _build_cnns(self, config: TeacherConfig, load: bool) -> list[nn.Module]:
        weights = config.backbone_weights if load else "none"
        # Depthwise convolutions train about twice as fast on a CPU with the channels innermost.
        cnns: list[Any] = []
        for _ in config.sizes:
            cnn: Any = load_backbone(config.backbone, weights, num_classes=0)
            cnns.append(cnn.to(memory_format=torch.channels_last))
        self.backbone: Any = cnns[0]
        self.extra = nn.ModuleList(cnns[1:])
        return cnns

    def _build_tokens(self, config: TeacherConfig, image_size: int, classes: int) -> None:
        """From what the CNNs see to tokens `(B, 1+N, width)`."""
        self.taken, channels, features = _examine_backbone(self.backbone, config.backbone)
        count = len(config.sizes)
        wide = [4 * channels[0] + channels[1]] if self.folded else channels
        self.embeddings = nn.ModuleList(nn.Linear(channel, self.width) for channel in wide)
        self.cls = nn.Parameter(torch.randn(1, 1, self.width) * 0.02)
        self.pooled = nn.Linear(features * count, self.width)
        kept = count if config.keep_classifiers else 0
        self.classifiers = nn.ModuleList(nn.Linear(features, classes) for _ in range(kept))
        strides = STRIDES[1:] if self.folded else STRIDES
        size = config.input_size or image_size
        sides = [math.ceil(size / stride) for stride in strides]
        self.positions = nn.ParameterList(
            nn.Parameter(torch.randn(1, self.width, side, side) * 0.02) for side in sides
        )
        self.ln_pre = nn.LayerNorm(self.width)

    def _build_blocks(self, config: TeacherConfig) -> None:
        """The transformer, and from its class token to the embedding."""
        rates = torch.linspace(0.0, config.drop_path, self.depth).tolist()
        self.layers = nn.ModuleList(
            Block(self.width, config.heads, config.dropout, rate) for rate in rates
        )
        # At first each block passes its tokens on: what is learnt starts from a linear classifier
        # on the pooled map.
        for block in self.layers:
            for last in (block.attention.output, block.mlp[2]):  # type: ignore[union-attr, index]
                nn.init.zeros_(last.weight)  # type: ignore[union-attr, arg-type]
                nn.init.zeros_(last.bias)  # type: ignore[union-attr, arg-type]
        self.ln_post = nn.LayerNorm(self.width)
        self.projection = nn.Linear(self.width, self.embed_dim, bias=False)

    def _find_fixed(self, config: TeacherConfig, cnns: Sequence[nn.Module]) -> list[nn.Module]:
        """Modules that are not trained, and whose batch statistics stay."""
        fixed: list[nn.Module] = []
        for cnn in cnns:
            fixed += _modules_up_to(cnn, config.frozen_stride, config.backbone)
        if config.backbone_frozen:
            fixed += list(self.classifiers)
        return fixed

    def train(self, mode: bool = True) -> HybridTower:
        super().train(mode)
        for module in self.fixed:
            module.eval()
        return self

    def embed(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        return self.read(self.see(x))

    def see(self, x: Tensor) -> Seen:
        """The CNNs on normalised images `(B, 3, S, S)`."""
        images = _channels_last(scale_images(x, self.input_size))
        # `last` is the map behind the last layer; `maps` are those at strides 16 and 32.
        last, maps = self.backbone.forward_intermediates(images, indices=self.taken)
        features = [self.backbone.forward_head(last, pre_logits=True)]  # (B, F)
        for cnn, size in zip(self.extra, self.extra_sizes, strict=True):
            features.append(cnn(_channels_last(scale_images(x, size))))
        fine, coarse = maps
        if self.folded:
            fine = _fold_maps(fine, coarse)
            coarse = coarse[:, :0]  # no channels: all of it is in `fine`
        return Seen(torch.stack(features, dim=1), fine, coarse)

    def see_frozen(self, pixels: Tensor) -> Seen:
        """The same of uint8 pixels, for `read`: frozen CNNs need to see an image only once."""
        return self.see(self.normalise(pixels))

    def read(self, seen: Seen) -> tuple[Tensor, Tensor | None]:
        """What `embed` gives, from what the CNNs have seen."""
        # The class token starts from what the CNNs' own classifiers would be given, so the first
        # step already stands on it.
        pooled = self.pooled(seen.features.flatten(1))  # (B, K * F) -> (B, width)
        parts = [self.cls + pooled.unsqueeze(1)]  # (B, 1, width)
        maps = (seen.fine,) if self.folded else (seen.fine, seen.coarse)
        for feature_map, embedding, position in zip(
            maps, self.embeddings, self.positions, strict=True
        ):
            # (B, C, h, w) -> (B, h*w, width). Contiguous, as maps with channels innermost are
            # already: stored ones are not, and rounding depends on it.
            tokens = embedding(feature_map.flatten(2).transpose(1, 2).contiguous())
            places = _resize_positions(position, feature_map.shape[-2:])  # (1, width, h, w)
            parts.append(tokens + places.flatten(2).transpose(1, 2))
        tokens = self.ln_pre(torch.cat(parts, dim=1))  # (B, 1+N, width)
        if not len(self.classifiers):
            return tokens, None
        said = []
        for number, classifier in enumerate(self.classifiers):
            said.append(classifier(seen.features[:, number]))  # (B, C)
        return tokens, torch.stack(said).mean(0)

    def blocks(self) -> Iterable[nn.Module]:
        return self.layers

    def project(self, cls: Tensor) -> Tensor:
        return self.projection(self.ln_post(cls))

    def adopt(self, trained: Sequence[nn.Module], classifiers: Sequence[nn.Module] = ()) -> None:
        """Start from the weights of a trained form of each CNN.

        They come in the order of `TeacherConfig.sizes`. Where their classifiers stay, these start
        from their weights as well. All count as pretrained from then on.
        """
        for cnn, found in zip((self.backbone, *self.extra), trained, strict=True):
            cnn.load_state_dict(found.state_dict())
        if len(self.classifiers):
            for classifier, found in zip(self.classifiers, classifiers, strict=True):
                classifier.load_state_dict(found.state_dict())
        self.pretrained = True

    def pretrained_parameters(self) -> list[nn.Parameter]:
        if not self.pretrained:
            return []
        parts = (self.backbone, self.extra, self.classifiers)
        return [parameter for part in parts for parameter in part.parameters()]


def _channels_last(images: Tensor) -> Tensor:
    """The layout that the CNNs' weights have, too."""
    return images.contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def _examine_backbone(backbone: Any, name: str) -> tuple[list[int], list[int], int]:
    """Which maps are the last ones at strides 16 and 32, their channels, and the features' width.

    The last is what the classifier is given.
    """
    if not (hasattr(backbone, "forward_intermediates") and hasattr(backbone, "forward_head")):
        raise ConfigError(f"backbone '{name}' does not give its maps", remedy=_REMEDY)
    side = 2 * STRIDES[-1]
    backbone.eval()
    try:
        last, maps = backbone.forward_intermediates(torch.zeros(1, 3, side, side), indices=None)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"backbone '{name}' takes images of one size only", remedy=_REMEDY
        ) from error
    strides = [side // found.shape[-1] if found.dim() == 4 else 0 for found in maps]
    if missing := [stride for stride in STRIDES if stride not in strides]:
        raise ConfigError(
            f"backbone '{name}' has maps at strides {strides}, the hybrid tower lacks {missing}",
            remedy=_REMEDY,
        )
    taken = [len(strides) - 1 - strides[::-1].index(stride) for stride in STRIDES]
    features = backbone.forward_head(last, pre_logits=True).shape[-1]
    backbone.train()
    return taken, [maps[index].shape[1] for index in taken], features


_REMEDY = "Choose a CNN such as tf_efficientnet_lite0, mobilenetv4_conv_small or resnet18"


def _modules_up_to(backbone: nn.Module, stride: int, name: str) -> tuple[nn.Module, ...]:
    """The layers, in order, up to the last map of at most `stride`, or all.

    timm registers those of a CNN in the order it runs them.
    """
    if not stride:
        return ()
    # Layers are what has weights of its own; timm's BatchNormAct2d has children as well.
    layers = [
        (path, layer)
        for path, layer in backbone.named_modules()
        if next(layer.parameters(recurse=False), None) is not None
    ]
    if stride >= STRIDES[-1]:
        return tuple(layer for _, layer in layers)
    info: Any = backbone.feature_info
    ends = [item["module"] for item in info if item["reduction"] <= stride]
    inside = [
        number
        for number, (path, _) in enumerate(layers)
        if ends and f"{path}.".startswith(f"{ends[-1]}.")
    ]
    if not inside:
        raise ConfigError(
            f"backbone '{name}' has no layers up to stride {stride} that could be told apart",
            remedy="Use frozen_stride=0",
        )
    return tuple(layer for _, layer in layers[: inside[-1] + 1])


def _fold_maps(fine: Tensor, coarse: Tensor) -> Tensor:
    """`(B, C, 2h, 2w)` (or one less) and `(B, D, h, w)` -> `(B, 4C + D, h, w)`."""
    height, width = coarse.shape[-2:]
    # An odd side is rounded up by the next stride: a row or column of zeros makes it even.
    fine = F.pad(fine, (0, 2 * width - fine.shape[-1], 0, 2 * height - fine.shape[-2]))
    return torch.cat((F.pixel_unshuffle(fine, 2), coarse), dim=1)


def _resize_positions(position: Tensor, size: torch.Size | tuple[int, int]) -> Tensor:
    """A position table `(1, width, h, w)` at another grid size, for images of another size."""
    if position.shape[-2:] == tuple(size):
        return position
    return F.interpolate(position, size=tuple(size), mode="bicubic", align_corners=False)
