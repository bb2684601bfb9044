"""A recipe: one frozen dataclass per stage, one YAML file for all of them, `--set key=value` for single values.

pydantic validates the dataclasses, because it reports every fault of a recipe at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, get_type_hints

import yaml

from gazeclip.checkpoint import atomic_write
from gazeclip.data.faces.dataset import FacesConfig
from gazeclip.errors import ConfigError, nearest, require
from gazeclip.teacher.config import TeacherConfig


@dataclass(frozen=True)
class DataConfig:
    """`manifest`: a CSV or Parquet file; none means the embedded procedural faces."""

    manifest: str | None = None
    taxonomy: str = "demo"
    image_size: int = 96
    faces: FacesConfig = field(default_factory=FacesConfig)
    workers: int = 1


@dataclass(frozen=True)
class TrainConfig:
    """One training. `lr` is for new layers; a pretrained backbone gets `lr * backbone_lr_scale`."""

    epochs: int = 10
    batch_size: int = 32
    lr: float = 1e-3
    backbone_lr_scale: float = 1.0
    weight_decay: float = 0.05
    warmup_epochs: float = 1.0
    ema_decay: float = 0.99
    clip_norm: float = 5.0
    augment: float = 1.0
    patience: int = 1000


@dataclass(frozen=True)
class DistillLoss:
    """Weights of the loss terms; zero switches a term off."""

    embedding: float = 1.0
    relation: float = 0.5
    logits: float = 1.0
    temperature: float = 2.0
    gaze: float = 0.5
    attribution: float = 0.5
    detection: float = 0.5
    label_smoothing: float = 0.05


@dataclass(frozen=True)
class TeacherStage:
    """The teacher and its training.

    `gaze_epochs`: of the small gaze encoder on gaze labels, before it is frozen. `backbone_epochs`: of the hybrid's CNN alone
    with a linear classifier, before the transformer stands on it; what ImageNet weights are for where there are some.
    """

    model: TeacherConfig = field(default_factory=TeacherConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    gaze_epochs: int = 8
    backbone_epochs: int = 0


@dataclass(frozen=True)
class BaselineStage:
    """The peer that every claim is measured against: the student's backbone, fine-tuned on labels, no gaze, no teacher."""

    enabled: bool = True
    weights: str = "none"
    train: TrainConfig = field(default_factory=TrainConfig)


@dataclass(frozen=True)
class CacheStage:
    """`augmentations` per training image; `shard_size` images per shard (the unit of restarting)."""

    augmentations: int = 4
    strength: float = 1.0
    shard_size: int = 512
    batch_size: int = 32


@dataclass(frozen=True)
class StudentStage:
    """The student and its distillation. `weights`: none, package, timm, a file, or `teacher` (the same backbone's, trained)."""

    backbone: str = "mobilenetv4_conv_small"
    weights: str = "none"
    drop_path: float = 0.0
    train: TrainConfig = field(default_factory=TrainConfig)
    loss: DistillLoss = field(default_factory=DistillLoss)


@dataclass(frozen=True)
class QuantizeStage:
    """NNCF. `overflow_fix` keeps 8-bit products from saturating on CPUs without VNNI."""

    calibration_images: int = 300
    overflow_fix: bool = True
    fast_bias_correction: bool = True
    train: TrainConfig = field(default_factory=lambda: TrainConfig(epochs=2, lr=5e-5, warmup_epochs=0.0, ema_decay=0.0))
    loss: DistillLoss = field(default_factory=DistillLoss)


@dataclass(frozen=True)
class ExportStage:
    """Which bundles to write."""

    targets: tuple[str, ...] = ("onnx", "openvino", "tflite", "coreml")
    precisions: tuple[Literal["fp32", "fp16", "int8"], ...] = ("int8", "fp32")
    parity_images: int = 64


@dataclass(frozen=True)
class ReportStage:
    """`threads` 0: all that the quota allows."""

    threads: int = 0
    latency_seconds: float = 2.0
    bootstrap: int = 1000


@dataclass(frozen=True)
class Recipe:
    """A whole run."""

    name: str
    seed: int = 0
    data: DataConfig = field(default_factory=DataConfig)
    teacher: TeacherStage = field(default_factory=TeacherStage)
    baseline: BaselineStage = field(default_factory=BaselineStage)
    cache: CacheStage = field(default_factory=CacheStage)
    student: StudentStage = field(default_factory=StudentStage)
    quantize: QuantizeStage = field(default_factory=QuantizeStage)
    export: ExportStage = field(default_factory=ExportStage)
    report: ReportStage = field(default_factory=ReportStage)


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read, override and check a recipe.

    Args:
        overrides: `key.path=value` with a YAML value.

    Raises:
        ConfigError: missing file, bad YAML, or any number of faulty keys and values, all named.
    """
    try:
        data = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        known = sorted(str(item) for item in Path("recipes").glob("*.yaml"))
        raise ConfigError(f"recipe {path} does not exist", remedy=nearest(str(path), known) if known else None) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"recipe {path} cannot be read: {' '.join(str(error).split())}", remedy="Correct the YAML") from error
    if not isinstance(data, dict):
        raise ConfigError(f"recipe {path} is not a mapping", remedy="See recipes/demo.yaml")
    for item in overrides:
        _override(data, item)
    return parse_recipe(data, str(path))


def parse_recipe(data: dict[str, Any], source: str = "recipe") -> Recipe:
    """Check a mapping and build the recipe; see `load_recipe`."""
    faults = _unknown_keys(data, Recipe, "")
    pydantic = require("pydantic", extra="train")
    try:
        recipe: Recipe = pydantic.TypeAdapter(Recipe).validate_python(data)
        if not faults:
            return recipe
    except pydantic.ValidationError as error:
        faults += [f"{'.'.join(str(p) for p in e['loc'])}: {e['msg'][0].lower()}{e['msg'][1:]}, got {e['input']!r}" for e in error.errors()]
    raise ConfigError(f"{source}: " + "; ".join(faults), remedy="Correct the keys named (recipes/demo.yaml shows all of them)")


def save_recipe(recipe: Recipe, path: Path) -> None:
    """Write the resolved recipe (every value, defaults included)."""
    text = yaml.safe_dump(_plain(asdict(recipe)), sort_keys=False)
    atomic_write(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _override(data: dict[str, Any], item: str) -> None:
    key, separator, text = item.partition("=")
    if not separator or not key:
        raise ConfigError(f"--set {item} is not of the form key=value", remedy="Example: --set student.train.epochs=3")
    *parents, last = key.split(".")
    node = data
    for name in parents:
        child = node.setdefault(name, {})
        if not isinstance(child, dict):
            raise ConfigError(f"--set {item}: '{name}' is a value, not a group", remedy="See recipes/demo.yaml for the keys")
        node = child
    try:
        node[last] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {item}: the value is not valid YAML", remedy="Quote it") from error


def _unknown_keys(data: Any, kind: type, prefix: str) -> list[str]:
    """pydantic ignores unknown keys of dataclasses; a mistyped key must not be dropped."""
    if not isinstance(data, dict):
        return [f"{prefix.rstrip('.') or 'recipe'}: must be a group of keys, got {data!r}"]
    names = {item.name for item in fields(kind)}
    hints = get_type_hints(kind)
    faults = [f"{prefix}{key}: unknown. {nearest(str(key), sorted(names))}" for key in data if key not in names]
    for key in data.keys() & names:
        if is_dataclass(hints[key]):
            faults += _unknown_keys(data[key], hints[key], f"{prefix}{key}.")
    return faults
