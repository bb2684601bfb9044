"""The teacher's configuration.

Recipes and the command line read these classes, so no training library is imported.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, get_args, get_type_hints

from gazeclip.errors import ConfigError, nearest

GazeKind = Literal["small", "eth-xgaze", "l2cs", "none"]
GazeSignal = Literal["both", "features", "vector"]
TowerKind = Literal["hybrid", "clip"]
PROMPT_LEVELS = 4
STRIDES = (16, 32)  # of the CNN maps that the hybrid tower takes
DataclassT = TypeVar("DataclassT")


@dataclass(frozen=True)
class GazeConfig:
    """The frozen gaze encoder and its prompts.

    `weights` is a local file; `eth-xgaze` and `l2cs` need one, `small` is trained on gaze labels
    where it has none. `tokens` is K, the number of gaze prompts; `prompts=False` keeps them out of
    the image tower (the visual perception encoder may still attend to them). `signal`: what enters
    of the gaze, the feature map, the unit vector, or both. `doubt`: also by how much the gaze of
    the mirror image differs, at the price of a second pass of the encoder. `dropout`: share of
    training images that go without gaze.
    """

    kind: GazeKind = "small"
    weights: str | None = None
    tokens: int = 8
    prompts: bool = True
    signal: GazeSignal = "both"
    doubt: bool = False
    dropout: float = 0.0


@dataclass(frozen=True)
class TextConfig:
    """The text side: a transformer from scratch, or CLIP's, and the refinement on top of either.

    With a named CLIP model `width`, `layers`, `heads` and `context_length` are that model's own.
    `levels` uses the first k of the four prompts of a class; `aws` switches the adaptive word
    selector. `frozen`, for pretrained CLIP weights: of the text side only the weights of the levels
    are trained, so its prompts are encoded once; a selector then stays the identity.
    """

    width: int = 128
    layers: int = 2
    heads: int = 4
    context_length: int = 48
    levels: int = PROMPT_LEVELS
    aws: bool = True
    frozen: bool = False


@dataclass(frozen=True)
class TeacherConfig:
    """The whole teacher.

    Args:
        tower: `hybrid` (timm CNN + transformer) or `clip` (open_clip ViT).
        backbone: timm name of the hybrid's CNN.
        backbone_weights: `none`, `residual`, `package`, `timm` or a checkpoint file; see
            `gazeclip.networks.weights`.
        clip_model: open_clip name, or `small` for a small random-init ViT of `width`, `depth`,
            `heads`. A file of OpenAI's weights needs the name with `-quickgelu`
            (ViT-B-16-quickgelu): no file tells its activation, and the wrong one runs as well.
        clip_pretrained: open_clip tag, a local checkpoint file, or `none`.
        input_size: side in pixels to which the image tower scales its images; 0: as they come.
        extra_sizes: of further CNNs of the hybrid, one for each size, of the same kind as the first
            and trained by themselves; what their classifiers would be given joins that of the first
            in the class token. Two sizes see different traces.
        keep_classifiers: the classifiers that stage `backbone` trained stay on the CNNs, and the
            heads only add to their mean.
        folded: the hybrid's tokens are the cells of the stride-32 map, each with its four of stride
            16, instead of both maps' cells: a fifth of the tokens.
        frozen_stride: the hybrid's convolutions up to this stride keep the weights they start with
            (0 = none).
        width, depth, heads: of the hybrid's transformer (and of `small`).
        dropout, drop_path: in the hybrid's transformer; `head_dropout` before the two heads.
        embed_dim: D of the hybrid and of `small`; a named CLIP model brings its own
            (`GazeCLIP.embed_dim` tells).
        deep_prompts: blocks at whose entrance the gaze prompts are renewed (0 = shallow: inserted
            once).
        use_vpe: the visual perception encoder (gaze by cross-attention).
        w_nce, w_attribution, w_detection, w_consistency, w_levels, w_gaze: weights of the loss
            terms (`gazeclip/teacher/losses.py`). The last is left out where the visual perception
            encoder has no gaze.
        gate_lr_scale: learning rate of the scalars that start at 0 (gamma, beta, weights of the
            levels), in learning rates.
        nce_targets: `multi` = all samples of a class are positives, `identity` = only the own pair
            (an ablation).
    """

    tower: TowerKind = "hybrid"
    backbone: str = "tf_efficientnet_lite0"
    backbone_weights: str = "none"
    clip_model: str = "ViT-B-16"
    clip_pretrained: str = "openai"
    input_size: int = 0
    extra_sizes: tuple[int, ...] = ()
    keep_classifiers: bool = False
    folded: bool = False
    frozen_stride: int = 0
    width: int = 256
    depth: int = 4
    heads: int = 4
    dropout: float = 0.0
    drop_path: float = 0.0
    head_dropout: float = 0.0
    embed_dim: int = 256
    deep_prompts: int = 0
    use_vpe: bool = True
    gaze: GazeConfig = field(default_factory=GazeConfig)
    text: TextConfig = field(default_factory=TextConfig)
    w_nce: float = 1.0
    w_attribution: float = 1.0
    w_detection: float = 0.5
    w_consistency: float = 0.0
    w_levels: float = 0.0
    w_gaze: float = 0.0
    label_smoothing: float = 0.0
    gate_lr_scale: float = 30.0
    nce_targets: Literal["multi", "identity"] = "multi"

    def __post_init__(self) -> None:
        faults = _find_faults(self)
        if faults:
            raise ConfigError("teacher: " + "; ".join(faults), remedy="Correct the values named")

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sides in pixels to which the tower's CNNs scale their images; 0: as they come.

        The first is that of the CNN whose maps are the tokens.
        """
        return (self.input_size, *self.extra_sizes)

    @property
    def backbone_frozen(self) -> bool:
        """Whether no convolution of the tower is trained."""
        return self.tower == "hybrid" and self.frozen_stride >= max(STRIDES)

    def to_dict(self) -> dict[str, Any]:
        """Plain nested dictionary, for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TeacherConfig:
        """The inverse of `to_dict`.

        Raises:
            ConfigError: an unknown key (with the nearest known one) or a value out of range.
        """
        values = dict(data)
        for name, kind in (("gaze", GazeConfig), ("text", TextConfig)):
            if isinstance(values.get(name), Mapping):
                values[name] = _build(kind, values[name], f"teacher.{name}")
        if isinstance(values.get("extra_sizes"), list):  # as JSON has it
            values["extra_sizes"] = tuple(values["extra_sizes"])
        return _build(cls, values, "teacher")


def _build(kind: type[DataclassT], values: Mapping[str, Any], where: str) -> DataclassT:
    known = [item.name for item in dataclasses.fields(kind)]  # type: ignore[arg-type]
    for key in values:
        if key not in known:
            raise ConfigError(f"{where} has no option '{key}'", remedy=nearest(str(key), known))
    return kind(**values)


def _find_faults(config: TeacherConfig) -> list[str]:
    """All faults of a configuration at once, as short sentences."""
    return [
        *_find_wrong_choices(config),
        *_find_wrong_sizes(config),
        *_find_wrong_rates(config),
        *_find_contradictions(config),
    ]


def _find_wrong_choices(config: TeacherConfig) -> list[str]:
    faults = []
    for owner, prefix in ((config, ""), (config.gaze, "gaze."), (config.text, "text.")):
        for name, hint in get_type_hints(type(owner)).items():
            choices = get_args(hint)
            value = getattr(owner, name)
            is_choice = choices and all(isinstance(choice, str) for choice in choices)
            if is_choice and value not in choices:
                faults.append(f"{prefix}{name} is '{value}' ({nearest(str(value), choices)})")
    return faults


def _find_wrong_sizes(config: TeacherConfig) -> list[str]:
    text = config.text
    positive = {
        "width": config.width,
        "depth": config.depth,
        "heads": config.heads,
        "embed_dim": config.embed_dim,
        "gaze.tokens": config.gaze.tokens,
        "text.width": text.width,
        "text.layers": text.layers,
        "text.heads": text.heads,
    }
    faults = []
    for name, value in positive.items():
        if value < 1:
            faults.append(f"{name} must be at least 1, not {value}")
    for name, width, heads in (
        ("width", config.width, config.heads),
        ("text.width", text.width, text.heads),
    ):
        if heads > 0 and width % heads:
            faults.append(f"{name} {width} is not a multiple of its {heads} heads")
    if not 1 <= text.levels <= PROMPT_LEVELS:
        faults.append(f"text.levels must be 1 to {PROMPT_LEVELS}, not {text.levels}")
    if config.deep_prompts < 0:
        faults.append(f"deep_prompts must not be negative, not {config.deep_prompts}")
    sides = [("input_size", config.input_size)]
    sides += [("extra_sizes", size) for size in config.extra_sizes]
    for name, size in sides:
        if size and size < 32:
            faults.append(f"{name} must be 0 or at least 32 px, not {size}")
    return faults


def _find_wrong_rates(config: TeacherConfig) -> list[str]:
    faults = []
    if config.gate_lr_scale <= 0:
        faults.append(f"gate_lr_scale must be positive, not {config.gate_lr_scale}")
    shares = {
        "dropout": config.dropout,
        "drop_path": config.drop_path,
        "head_dropout": config.head_dropout,
        "label_smoothing": config.label_smoothing,
        "gaze.dropout": config.gaze.dropout,
    }
    for name, value in shares.items():
        if not 0.0 <= value < 1.0:
            faults.append(f"{name} must lie in [0, 1), not {value}")
    for item in dataclasses.fields(config):
        if item.name.startswith("w_") and getattr(config, item.name) < 0:
            faults.append(f"{item.name} must not be negative")
    return faults


def _find_contradictions(config: TeacherConfig) -> list[str]:
    faults = []
    if config.tower == "clip":
        for name in ("folded", "frozen_stride", "extra_sizes", "keep_classifiers"):
            if getattr(config, name):
                faults.append(f"{name} is of the hybrid tower")
    if config.frozen_stride not in (0, 2, 4, 8, *STRIDES):
        faults.append(f"frozen_stride must be 0, 2, 4, 8, 16 or 32, not {config.frozen_stride}")
    if config.gaze.doubt and config.gaze.signal == "features":
        faults.append("gaze.doubt is part of the vector, and gaze.signal=features leaves that out")
    if not config.w_nce and not config.w_attribution:
        faults.append("w_nce and w_attribution are both 0: nothing would learn the classes")
    return faults
