"""A recipe: one frozen dataclass per stage, one YAML file for all of them, `--set key=value` for single values.

pydantic validates the dataclasses, because it reports every fault of a recipe at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import yaml

from gazeclip.checkpoint import write_text
from gazeclip.data.faces.dataset import FacesConfig
from gazeclip.errors import ConfigError, nearest, require
from gazeclip.strict_yaml import load_yaml
from gazeclip.teacher.config import TeacherConfig

FROM_TEACHER = "teacher"  # value of `student.weights`
SEE = "gazeclip/recipe.py lists every key with its default"


@dataclass(frozen=True)
class Bounds:
    """Limits of a field, in pydantic's words. pydantic finds them here without having to be installed to read this file."""

    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    min_length: int | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        schema = handler(source)
        finite = {"allow_inf_nan": False} if schema["type"] == "float" else {}
        return {**schema, **finite, **{name: value for name, value in vars(self).items() if value is not None}}


Count = Annotated[int, Bounds(ge=1)]
Natural = Annotated[int, Bounds(ge=0)]
Positive = Annotated[float, Bounds(gt=0)]
NonNegative = Annotated[float, Bounds(ge=0)]
BelowOne = Annotated[float, Bounds(ge=0, lt=1)]


@dataclass(frozen=True)
class DataConfig:
    """`manifest`: a CSV or Parquet file; none means the embedded procedural faces."""

    manifest: str | None = None
    taxonomy: str = "demo"
    image_size: Annotated[int, Bounds(ge=32)] = 96
    faces: FacesConfig = field(default_factory=FacesConfig)
    workers: Natural = 1


@dataclass(frozen=True)
class TrainConfig:
    """One training. `lr` is for new layers; a pretrained backbone gets `lr * backbone_lr_scale`.

    `batch_size` is per process; gradients of `accumulate` batches are averaged before each step. `precision` is that of the
    forward pass where it is safe (autocast). `patience`: epochs without a better val score before it stops. Within an
    epoch the state is saved every `checkpoint_minutes`, besides after each epoch.
    """

    epochs: Count = 10
    batch_size: Count = 32
    accumulate: Count = 1
    precision: Literal["no", "bf16", "fp16"] = "no"
    checkpoint_minutes: NonNegative = 10.0
    lr: Positive = 1e-3
    backbone_lr_scale: NonNegative = 1.0
    weight_decay: NonNegative = 0.05
    warmup_epochs: NonNegative = 1.0
    ema_decay: BelowOne = 0.99
    clip_norm: Positive = 5.0
    patience: Count = 1000


@dataclass(frozen=True)
class AugmentedTrainConfig(TrainConfig):
    """A training that draws its own augmentations, of strength `augment`; the student's were drawn when the cache was made."""

    augment: Annotated[float, Bounds(ge=0, le=3)] = 1.0


@dataclass(frozen=True)
class DistillLoss:
    """Weights of the loss terms; zero switches a term off."""

    embedding: NonNegative = 1.0
    relation: NonNegative = 0.5
    logits: NonNegative = 1.0
    temperature: Positive = 2.0
    gaze: NonNegative = 0.5
    attribution: NonNegative = 0.5
    detection: NonNegative = 0.5
    label_smoothing: BelowOne = 0.05


@dataclass(frozen=True)
class PlainStage:
    """A backbone with a linear classifier on labels alone."""

    enabled: bool = True
    label_smoothing: BelowOne = 0.05
    train: AugmentedTrainConfig = field(default_factory=AugmentedTrainConfig)


@dataclass(frozen=True)
class BackboneStage(PlainStage):
    """The hybrid teacher's CNN by itself, before the transformer stands on it. Its weights at the start: `teacher.model`."""

    enabled: bool = False


@dataclass(frozen=True)
class TeacherStage:
    """The teacher and its training.

    `gaze_train`: of the small gaze encoder on gaze labels, before it is frozen. `gaze_features`: of the plain training image
    and its mirror image, computed `once`, or of what each step draws.
    """

    model: TeacherConfig = field(default_factory=TeacherConfig)
    train: AugmentedTrainConfig = field(default_factory=AugmentedTrainConfig)
    gaze_train: AugmentedTrainConfig = field(default_factory=lambda: AugmentedTrainConfig(epochs=8, batch_size=64, lr=2e-3, augment=0.5))
    gaze_features: Literal["once", "every_step"] = "once"


@dataclass(frozen=True)
class BaselineStage(PlainStage):
    """The peer that every claim is measured against: the student's backbone, fine-tuned on labels, no gaze, no teacher."""

    weights: str = "none"


@dataclass(frozen=True)
class CacheStage:
    """`augmentations` per training image; `shard_size` images per shard (the unit of restarting)."""

    augmentations: Count = 4
    strength: NonNegative = 1.0
    shard_size: Count = 512
    batch_size: Count = 32


@dataclass(frozen=True)
class StudentStage:
    """The student and its distillation. `weights`: none, package, timm, a file, or `teacher` (the same backbone's, trained)."""

    backbone: str = "mobilenetv4_conv_small"
    weights: str = "none"
    drop_path: BelowOne = 0.0
    train: TrainConfig = field(default_factory=TrainConfig)
    loss: DistillLoss = field(default_factory=DistillLoss)


@dataclass(frozen=True)
class QuantizeStage:
    """NNCF. `overflow_fix` keeps 8-bit products from saturating on CPUs without VNNI."""

    calibration_images: Count = 300
    overflow_fix: bool = True
    fast_bias_correction: bool = True
    train: TrainConfig = field(default_factory=lambda: TrainConfig(epochs=2, lr=5e-5, weight_decay=0.0, warmup_epochs=0.0, ema_decay=0.0))
    loss: DistillLoss = field(default_factory=DistillLoss)


@dataclass(frozen=True)
class ExportStage:
    """Which bundles to write."""

    targets: Annotated[tuple[Literal["onnx", "openvino", "tflite", "coreml"], ...], Bounds(min_length=1)] = ("onnx", "openvino", "tflite", "coreml")
    precisions: Annotated[tuple[Literal["fp32", "fp16", "int8"], ...], Bounds(min_length=1)] = ("int8", "fp32")
    parity_images: Count = 64


@dataclass(frozen=True)
class ReportStage:
    """`threads` 0: all that the quota allows."""

    threads: Natural = 0
    latency_seconds: Positive = 2.0
    bootstrap: Natural = 1000


@dataclass(frozen=True)
class Recipe:
    """A whole run. `name` is that of its folder under `runs/`."""

    name: str
    seed: Annotated[int, Bounds(ge=0, lt=2**32)] = 0
    data: DataConfig = field(default_factory=DataConfig)
    backbone: BackboneStage = field(default_factory=BackboneStage)
    teacher: TeacherStage = field(default_factory=TeacherStage)
    baseline: BaselineStage = field(default_factory=BaselineStage)
    cache: CacheStage = field(default_factory=CacheStage)
    student: StudentStage = field(default_factory=StudentStage)
    quantize: QuantizeStage = field(default_factory=QuantizeStage)
    export: ExportStage = field(default_factory=ExportStage)
    report: ReportStage = field(default_factory=ReportStage)

    @property
    def inherited_epochs(self) -> int:
        """How many epochs the student's convolutions have behind them when distillation starts."""
        if self.student.weights != FROM_TEACHER:
            return 0
        before = self.backbone.train.epochs if self.backbone.enabled else 0
        return before + (0 if self.teacher.model.backbone_frozen else self.teacher.train.epochs)


def load_recipe(path: Path, overrides: Sequence[str] = (), then: Sequence[str] = ()) -> Recipe:
    """Read, override and check a recipe.

    Args:
        overrides: `key.path=value` with a YAML value, as the user gave them.
        then: the same of the program itself, which may change what the user has set.

    Raises:
        ConfigError: missing file, bad YAML, a key given twice, or faulty keys and values, all named.
    """
    _refuse_repeated(overrides)
    try:
        data = load_yaml(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        known = sorted(str(item) for item in Path("recipes").glob("*.yaml"))
        raise ConfigError(f"recipe {path} does not exist", remedy=nearest(str(path), known) if known else None) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"recipe {path} cannot be read: {' '.join(str(error).split())}", remedy="Correct the YAML") from error
    if not isinstance(data, dict):
        raise ConfigError(f"recipe {path} is not a mapping", remedy=SEE)
    for item in (*overrides, *then):
        _override(data, item)
    return parse_recipe(data, str(path))


def parse_recipe(data: dict[str, Any], source: str = "recipe") -> Recipe:
    """Check a mapping and build the recipe; see `load_recipe`."""
    faults = _unknown_keys(data, Recipe, "") + _name_faults(data.get("name"))
    defaults = asdict(Recipe(name=""))
    del defaults["name"]
    recipe, more = _validate(_merge(defaults, data))
    if recipe is not None and not faults:
        return recipe
    raise ConfigError(f"{source}: " + "; ".join(faults + more), remedy=f"Correct the keys named. {SEE}")


def _validate(data: dict[str, Any]) -> tuple[Recipe | None, list[str]]:
    """The recipe, or everything that pydantic finds wrong with it."""
    pydantic = require("pydantic", extra="train")
    try:
        return pydantic.TypeAdapter(Recipe).validate_python(data), []
    except pydantic.ValidationError as error:
        return None, [_fault(item) for item in error.errors()]
    except ConfigError as error:  # the teacher's model checks itself, and its refusal ends the validation of everything else
        return None, [error.message, *_validate(_merge(data, {"teacher": {"model": asdict(TeacherConfig())}}))[1]]


def _fault(item: Mapping[str, Any]) -> str:
    hint = " (YAML reads a bare no as false: write 'no' in quotes)" if item["type"] == "literal_error" and item["input"] is False else ""
    return f"{'.'.join(str(part) for part in item['loc'])}: {item['msg'][0].lower()}{item['msg'][1:]}, got {item['input']!r}{hint}"


def _name_faults(name: Any) -> list[str]:
    """The run's folder lies directly under `runs/` and is found again there."""
    if not isinstance(name, str) or (name.strip() == name and name and name[0] != "." and not set(name) & set("/\\\0")):
        return []
    return [f"name: must be a plain folder name, got {name!r}"]


def _merge(whole: dict[str, Any], part: Mapping[str, Any]) -> dict[str, Any]:
    """`whole` with the values of `part`. A group given in part keeps the other defaults of its own stage, which may differ
    from those of its class: `quantize.train: {epochs: 1}` must not raise its learning rate."""
    merged = dict(whole)
    for key, value in part.items():
        inner = merged.get(key)
        merged[key] = _merge(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return merged


def save_recipe(recipe: Recipe, path: Path) -> None:
    """Write the resolved recipe (every value, defaults included), if the file says another."""
    text = yaml.safe_dump(_plain(asdict(recipe)), sort_keys=False)
    try:
        same = path.read_bytes() == text.encode("utf-8")
    except OSError:
        same = False
    if not same:  # a look at someone else's run must not need to write there
        write_text(path, text)


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
            raise ConfigError(f"--set {item}: '{name}' is a value, not a group", remedy=SEE)
        node = child
    try:
        node[last] = load_yaml(text)
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        what = f"--set {item}: the value is not valid YAML ({reason})"
        raise ConfigError(what, remedy="Quote it") from error


def _refuse_repeated(overrides: Sequence[str]) -> None:
    """Of two values for one key, or for a group and a key in it, the last would win in silence."""
    given: dict[str, str] = {}
    for item in overrides:
        key, _, value = (part.strip() for part in item.partition("="))
        for other, earlier in given.items():
            same = key == other and value != earlier
            inside = f"{key}.".startswith(f"{other}.") or f"{other}.".startswith(f"{key}.")
            if same or (inside and key != other):
                what = f"--set {item} comes after --set {other}={earlier}"
                remedy = "Give each key once"
                raise ConfigError(f"{what}, and only one of them can hold", remedy=remedy)
        given[key] = value


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
