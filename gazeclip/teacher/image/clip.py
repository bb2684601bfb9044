"""The CLIP tower: any open_clip vision transformer with a class token.

By name, from a file, or small and random.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gazeclip.errors import ConfigError, Fault, WeightsError, nearest, raise_first
from gazeclip.networks import torchvision_shim
from gazeclip.networks.backbones import scale_images
from gazeclip.recipe.teacher import TeacherConfig
from gazeclip.teacher.image.tower import ImageTower

torchvision_shim.ensure()
import open_clip  # noqa: E402
from open_clip.transformer import VisionTransformer  # noqa: E402

SMALL = "small"
_SMALL_PATCH = 16


def find_clip_faults(config: TeacherConfig, image_size: int, load: bool = True) -> list[Fault]:
    """Why no tower can be built of `clip_model` and `clip_pretrained` for this image size.

    Whether a file fits shows only when it is read.

    Args:
        image_size: side of the images in pixels.
        load: whether its weights will be wanted.
    """
    name = config.clip_model
    if name == SMALL:
        return _find_small_faults(config, image_size)
    known = open_clip.list_models()
    if name not in known:
        hint = nearest(name, [SMALL, *known], "open_clip.list_models() names them")
        return [Fault(f"clip_model: open_clip has no model '{name}'", hint)]
    tags = open_clip.list_pretrained_tags_by_model(name)
    given = config.clip_pretrained
    if not load or given in ("none", *tags) or Path(given).is_file():
        return []
    what = f"clip_pretrained '{given}' is neither a file nor a tag of {name}"
    remedy = f"Give a checkpoint file, none, or one of: {', '.join(tags)}"
    return [Fault(what, remedy, WeightsError)]


def _find_small_faults(config: TeacherConfig, image_size: int) -> list[Fault]:
    faults = []
    if config.clip_pretrained != "none":
        what = f"clip_model=small has no weights '{config.clip_pretrained}'"
        faults.append(Fault(what, "Use --set teacher.model.clip_pretrained=none"))
    side = config.input_size or image_size
    if side % _SMALL_PATCH:
        setting = "teacher.model.input_size" if config.input_size else "data.image_size"
        what = f"clip_model=small cannot divide {side} px into patches of {_SMALL_PATCH}"
        faults.append(Fault(what, f"Use {setting} 96, 112, ..."))
    return faults


def build_clip(config: TeacherConfig, image_size: int, load: bool = True) -> nn.Module:
    """The open_clip model a configuration names, with its text side.

    Args:
        load: read or download its weights; False leaves them random, for a checkpoint to fill.

    Raises:
        ConfigError: unknown name or tag.
        WeightsError: the weights cannot be had or do not fit.
    """
    name = config.clip_model
    pretrained = config.clip_pretrained
    raise_first(find_clip_faults(config, image_size, load))
    tags = open_clip.list_pretrained_tags_by_model(name)
    is_file = pretrained not in ("none", *tags)
    # The tags of OpenAI's weights need QuickGELU whatever the architecture's file says.
    quick = pretrained in tags and bool(
        (open_clip.get_pretrained_cfg(name, pretrained) or {}).get("quick_gelu")
    )
    options: dict[str, Any] = {"force_image_size": image_size, "force_quick_gelu": quick}
    # The download layers log every retry; one line below says it all.
    muted = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        return open_clip.create_model(
            name, pretrained=pretrained if load and pretrained != "none" else None, **options
        )
    # Download and format errors differ by source; the remedy is the same.
    except Exception as error:
        what = "does not fit or cannot be read" if is_file else "could not be downloaded"
        raise WeightsError(
            f"the weights '{pretrained}' of {name}: {what} ({type(error).__name__})",
            remedy="Give clip_pretrained=FILE, an open_clip checkpoint"
            " (safetensors, or torch with tensors only)",
        ) from error
    finally:
        logging.disable(muted)


def small_visual(config: TeacherConfig, image_size: int) -> VisionTransformer:
    """A small random ViT of the configuration's width, depth and heads, for tests and demos.

    Raises:
        ConfigError: weights are asked for, or the image size is not a multiple of the patch.
    """
    raise_first(find_clip_faults(config, image_size))
    return VisionTransformer(
        image_size=image_size,
        patch_size=_SMALL_PATCH,
        width=config.width,
        layers=config.depth,
        heads=config.heads,
        mlp_ratio=4.0,
        output_dim=config.embed_dim,
    )


class ClipTower(ImageTower):
    """The vision side of an open_clip model with gaze prompts inserted after `ln_pre`."""

    def __init__(self, config: TeacherConfig, visual: Any) -> None:
        _require_class_token(visual, config.clip_model)
        mean = getattr(visual, "image_mean", None) or open_clip.OPENAI_DATASET_MEAN
        std = getattr(visual, "image_std", None) or open_clip.OPENAI_DATASET_STD
        super().__init__(tuple(mean), tuple(std), config.input_size)
        self.visual = visual
        self.width = visual.class_embedding.shape[0]
        self.embed_dim = visual.output_dim
        self.depth = len(visual.transformer.resblocks)
        self.pretrained = config.clip_model != SMALL and config.clip_pretrained != "none"

    def embed(self, x: Tensor) -> tuple[Tensor, None]:
        visual = self.visual
        maps = visual.conv1(scale_images(x, self.input_size))  # (B, width, h, w), one cell a patch
        patches = maps.flatten(2).transpose(1, 2)  # (B, N, width)
        cls = visual.class_embedding.to(patches.dtype).expand(patches.shape[0], 1, -1)
        tokens = torch.cat((cls, patches), dim=1) + visual.positional_embedding.to(patches.dtype)
        return visual.ln_pre(visual.patch_dropout(tokens)), None

    def blocks(self) -> Iterable[nn.Module]:
        return self.visual.transformer.resblocks

    def project(self, cls: Tensor) -> Tensor:
        return self.visual.ln_post(cls) @ self.visual.proj

    def pretrained_parameters(self) -> list[nn.Parameter]:
        return list(self.visual.parameters()) if self.pretrained else []


def _require_class_token(visual: Any, name: str) -> None:
    if (
        not isinstance(visual, VisionTransformer)
        or visual.attn_pool is not None
        or visual.pool_type != "tok"
        or visual.proj is None
    ):
        raise ConfigError(
            f"'{name}' is not a vision transformer that reads out its class token",
            remedy="Choose an open_clip ViT such as ViT-B-16, ViT-B-32 or ViT-L-14",
        )
    if not visual.transformer.batch_first:
        raise ConfigError(
            f"'{name}' runs its blocks sequence-first", remedy="Choose another open_clip ViT"
        )
