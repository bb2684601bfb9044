"""The stages of a run, in order: where each lives and how it is started alone."""

from __future__ import annotations

# How a user starts each stage alone; the remedy when its output is missing.
COMMANDS = {
    "data": "python -m gazeclip data prepare",
    "backbone": "python -m gazeclip backbone",
    "teacher": "python -m gazeclip teacher",
    "baseline": "python -m gazeclip baseline",
    "text_bank": "python -m distill text-bank",
    "cache": "python -m distill cache",
    "student": "python -m distill",
    "quantized": "python -m quantize",
    "export": "python -m export --target all",
    "report": "python -m benchmarks",
}


def command(stage: str) -> str:
    """The command that makes one stage; `export/<target>-<precision>` names a bundle."""
    kind, _, name = stage.partition("/")
    if kind == "export" and name:
        target, _, precision = name.partition("-")
        return f"python -m export --target {target} --precision {precision or 'int8'}"
    return COMMANDS.get(kind, "python -m gazeclip run")


STAGES = {
    "data": "gazeclip.stages.data",
    "backbone": "gazeclip.stages.backbone",
    "teacher": "gazeclip.stages.teacher",
    "baseline": "gazeclip.stages.baseline",
    "text_bank": "distill.text_bank",
    "cache": "distill.cache",
    "student": "distill.student",
    "quantized": "quantize.stage",
    "export": "export.stage",
    "report": "benchmarks.stage",
}


def folder_name(target: str, precision: str) -> str:
    """Stage name of a bundle: `export/<target>` is the INT8 build that ships, others carry their
    precision.
    """
    return f"export/{target}" if precision == "int8" else f"export/{target}-{precision}"
