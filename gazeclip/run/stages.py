"""The stages of a run, in order, and the names of the folders of bundles.

for stage in STAGES.values():
    print(stage.name, stage.module)
stage_command("export/onnx-fp32")  # gazeclip export --target onnx --precision fp32
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gazeclip.system.place import command_line

EXPORT = "export"  # the stage whose folder holds one folder a bundle
SHIPPED = "int8"  # the precision whose bundle needs no mention of it in its folder's name


@dataclass(frozen=True)
class Stage:
    """One step of a run.

    Attributes:
        name: of the stage and, but for `export`, of its folder.
        module: has `run_stage(run, force)`; imported when the stage is run.
        command: what starts the stage alone, with its options; the remedy where its output is not.
    """

    name: str
    module: str
    command: str


_TABLE = (
    Stage("data", "gazeclip.stages.data", "data prepare"),
    Stage("backbone", "gazeclip.stages.backbone", "backbone"),
    Stage("teacher", "gazeclip.stages.teacher", "teacher"),
    Stage("baseline", "gazeclip.stages.baseline", "baseline"),
    Stage("text_bank", "distill.text_bank", "distill text-bank"),
    Stage("cache", "distill.cache", "distill cache"),
    Stage("student", "distill.student", "distill"),
    Stage("quantized", "quantize.stage", "quantize"),
    Stage(EXPORT, "export.stage", "export --target all"),
    Stage("report", "benchmarks.stage", "benchmark"),
)
STAGES = {stage.name: stage for stage in _TABLE}


def stage_command(name: str, run: Path | None = None) -> str:
    """The command that makes one stage or one bundle (`bundle_stage`).

    Args:
        run: its folder; None means the most recent one, as the command itself takes it.
    """
    words = ["run"]
    if bundle := parse_bundle_stage(name):
        target, precision = bundle
        words = ["export", "--target", target, "--precision", precision]
    elif name in STAGES:
        words = STAGES[name].command.split()
    if run is not None:
        words += ["--run", str(run)]
    return command_line(*words)


def bundle_stage(target: str, precision: str) -> str:
    """Stage and folder of a bundle.

    `export/<target>` is the INT8 build that ships, others carry their precision.
    """
    if precision == SHIPPED:
        return f"{EXPORT}/{target}"
    return f"{EXPORT}/{target}-{precision}"


def parse_bundle_stage(name: str) -> tuple[str, str] | None:
    """`(target, precision)` of a name that `bundle_stage` made; None for any other stage."""
    kind, _, folder = name.partition("/")
    if kind != EXPORT or not folder:
        return None
    target, _, precision = folder.partition("-")
    return target, precision or SHIPPED
