"""One frozen dataclass per stage, and the recipe that holds them all."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from gazeclip.bundle.layout import ComputeUnits, Precision, WeightFormat
from gazeclip.recipe.bounds import BelowOne, Bounds, Count, Natural, NonNegative, Positive, Share
from gazeclip.recipe.faces import FacesConfig
from gazeclip.recipe.teacher import TeacherConfig
from gazeclip.recipe.training import AugmentedTrainConfig, TrainConfig

FROM_TEACHER = "teacher"  # value of `student.weights`
FROM_BACKBONE = "backbone"  # value of `baseline.weights`


@dataclass(frozen=True)
class DataConfig:
    """`manifest`: a CSV or Parquet file; none means the procedural faces.

    `crop`: how the images were cut, `face` or `whole`; none means as the manifest or the procedural
    faces say. `crop_side`, `crop_lift`: of `face`, see `gazeclip/images/crop_rule.py`.
    """

    manifest: str | None = None
    crop: Literal["face", "whole"] | None = None
    crop_side: Positive | None = None
    crop_lift: float | None = None
    taxonomy: str = "demo"
    image_size: Annotated[int, Bounds(ge=32)] = 96
    faces: FacesConfig = field(default_factory=FacesConfig)
    workers: Natural = 1


@dataclass(frozen=True)
class DistillLoss:
    """Weights of the loss terms; zero switches a term off."""

    embedding: NonNegative = 1.0
    relation: NonNegative = 0.5
    logits: NonNegative = 1.0
    temperature: Positive = 2.0
    gaze: NonNegative = 1.0
    attribution: NonNegative = 0.5
    detection: NonNegative = 0.5
    label_smoothing: BelowOne = 0.05


@dataclass(frozen=True)
class ClassifierStage:
    """A backbone with a linear classifier on labels alone."""

    enabled: bool = True
    label_smoothing: BelowOne = 0.05
    train: AugmentedTrainConfig = field(default_factory=AugmentedTrainConfig)


@dataclass(frozen=True)
class BackboneStage(ClassifierStage):
    """The hybrid teacher's CNN by itself, before the transformer stands on it.

    Its weights at the start are named in `teacher.model`.
    """

    enabled: bool = False


@dataclass(frozen=True)
class TeacherStage:
    """The teacher and its training.

    `gaze_train`: of the small gaze encoder on gaze labels, before it is frozen. `gaze_features`: of
    the plain training image and its mirror image, computed `once`, or of what each step draws.
    """

    model: TeacherConfig = field(default_factory=TeacherConfig)
    train: AugmentedTrainConfig = field(default_factory=AugmentedTrainConfig)
    gaze_train: AugmentedTrainConfig = field(
        default_factory=lambda: AugmentedTrainConfig(epochs=8, batch_size=64, lr=2e-3, augment=0.5)
    )
    gaze_features: Literal["once", "every_step"] = "once"


@dataclass(frozen=True)
class BaselineStage(ClassifierStage):
    """What every claim is measured against: the student's backbone on labels alone.

    `weights`: none, residual, package, timm, a file, or `backbone` (what stage backbone trained).
    With `student.weights: teacher` baseline and student then have one start.
    """

    weights: str = "none"


@dataclass(frozen=True)
class CacheStage:
    """`augmentations` per training image; `shard_size` images per shard, the unit of restarting."""

    augmentations: Count = 4
    strength: NonNegative = 1.0
    shard_size: Count = 512
    batch_size: Count = 32


@dataclass(frozen=True)
class StudentStage:
    """The student and its distillation.

    `weights`: none, residual, package, timm, a file, or `teacher` (the same backbone's, trained).
    """

    backbone: str = "mobilenetv4_conv_small"
    weights: str = "none"
    drop_path: BelowOne = 0.0
    train: TrainConfig = field(default_factory=TrainConfig)
    loss: DistillLoss = field(default_factory=DistillLoss)


@dataclass(frozen=True)
class QuantizeStage:
    """NNCF, and training through its quantizers.

    `overflow_fix` keeps 8-bit products from saturating on CPUs without VNNI. `auto`: climb the
    ladder of steps until one passes the gate. Training minds the cached teacher (`loss`) by the
    weight `teach` and the float student's own answers by `match`; the quantizers' ranges learn at
    `lr * range_lr_scale`.
    """

    calibration_images: Count = 300
    overflow_fix: bool = True
    fast_bias_correction: bool = False
    auto: bool = False
    teach: NonNegative = 0.3
    match: NonNegative = 1.0
    range_lr_scale: NonNegative = 1.0
    train: TrainConfig = field(
        default_factory=lambda: TrainConfig(
            epochs=2, lr=5e-5, weight_decay=0.0, warmup_epochs=0.0, ema_decay=0.0
        )
    )
    loss: DistillLoss = field(default_factory=DistillLoss)


@dataclass(frozen=True)
class CoreMlOptions:
    """What Core ML bundles are for.

    `deployment_target`: the oldest system that must load them, such as `iOS17` or `macOS15`; none:
    `iOS16`, for int8 `iOS17`. `compute_units`: where they are computed, unless others are named
    when they are loaded; none: Core ML chooses.
    """

    deployment_target: str | None = None
    compute_units: ComputeUnits | None = None


@dataclass(frozen=True)
class ExportStage:
    """Which bundles to write.

    `target_miss`: share of forgeries that may be called real; more evidence is asked for until it
    holds, and what lies below is inconclusive. The rates of false alarms are the operating points'.

    `head_weights`: how int8 and w8 bundles store the head's matrices; they compute in float32.

    `text_bank`: `baked` into the model, or an `external` input of it, so that an app changes its
    classes without another model.
    """

    # Names of export/registry.py, which stands above this room: the checks before a run know them.
    targets: Annotated[tuple[str, ...], Bounds(min_length=1)] = (
        "onnx",
        "openvino",
        "tflite",
        "coreml",
    )
    precisions: Annotated[tuple[Precision, ...], Bounds(min_length=1)] = ("int8", "fp32")
    parity_images: Count = 64
    target_miss: Share = 0.05
    head_weights: WeightFormat = "int8"
    text_bank: Literal["baked", "external"] = "baked"
    coreml: CoreMlOptions = field(default_factory=CoreMlOptions)


@dataclass(frozen=True)
class MaxDrop:
    """How much worse than its fp32 twin a file may judge: shares, `cllr` in bits, gaze in degrees.

    The figures are those of `gazeclip/scoring/gate.py`; `worst_generator` is an AUC.
    """

    auc: NonNegative = 0.005
    cllr: NonNegative = 0.05
    tpr: NonNegative = 0.03
    attribution: NonNegative = 0.03
    gaze_deg: NonNegative = 1.0
    worst_generator: NonNegative = 0.02


@dataclass(frozen=True)
class GateConfig:
    """The forensic gate of all precisions but fp32, on val (docs/gate.md).

    `rounds`: draws of the bootstrap. `allow_undecided`: take a file of which val is too small to
    tell whether it is as good.
    """

    enabled: bool = True
    max_drop: MaxDrop = field(default_factory=MaxDrop)
    rounds: Annotated[int, Bounds(ge=100)] = 1000
    allow_undecided: bool = False


@dataclass(frozen=True)
class ReportStage:
    """`threads` 0: all that the quota allows.

    `robustness` judges the test images under disturbances as well, `robustness_images` of each
    split (0: all). `sweep_threads` (0: all that the quota allows) and `sweep_batches` are timed as
    well, and `starts` measures fresh processes. `peers` times other networks beside the bundles, in
    `peer_rounds` rounds with `peer_threads` threads. `other_manifest`: another data set for P4,
    with its `other_taxonomy` (none: that of the run). `device`: `adb[:SERIAL]` with the file
    `benchmark_model`, or `coreml[:UNITS]`.
    """

    threads: Natural = 0
    latency_seconds: Positive = 2.0
    bootstrap: Natural = 1000
    robustness: bool = False
    robustness_images: Natural = 0
    sweep_threads: tuple[Natural, ...] = ()
    sweep_batches: tuple[Count, ...] = (1, 8)
    starts: bool = False
    peers: bool = False
    peer_rounds: Count = 10
    peer_threads: Count = 1
    other_manifest: str | None = None
    other_taxonomy: str | None = None
    device: str | None = None
    benchmark_model: str | None = None


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
    gate: GateConfig = field(default_factory=GateConfig)
    export: ExportStage = field(default_factory=ExportStage)
    report: ReportStage = field(default_factory=ReportStage)

    @property
    def inherited_epochs(self) -> int:
        """How many epochs the student's convolutions have behind them when distillation starts."""
        if self.student.weights != FROM_TEACHER:
            return 0
        epochs = 0
        if self.backbone.enabled:
            epochs += self.backbone.train.epochs
        if not self.teacher.model.backbone_frozen:
            epochs += self.teacher.train.epochs
        return epochs

    @property
    def baseline_epochs(self) -> int:
        """How many epochs the baseline has behind it in the end."""
        epochs = self.baseline.train.epochs
        if self.baseline.weights == FROM_BACKBONE and self.backbone.enabled:
            epochs += self.backbone.train.epochs
        return epochs
