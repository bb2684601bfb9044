"""Stage `quantized`: the student's encoder in 8 bits, with the head that was tuned to it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from gazeclip.console.progress import say
from gazeclip.errors import GateError
from gazeclip.files.tensors import load_tensors, save_tensors
from gazeclip.networks.student import Student
from gazeclip.recipe.stages import Recipe
from gazeclip.run.context import Context
from gazeclip.run.execute import execute
from gazeclip.run.folder import Run
from gazeclip.stages.load import load_run_student
from quantize.encoder import load_quantized, save_quantized
from quantize.ladder import choose_attempt, climb
from quantize.nncf_setup import load_quantizers
from quantize.workshop import Workshop


def run_stage(run: Run, force: bool = False) -> bool:
    """Write `quantized/`: NNCF state and config, the tuned head, and what each step brought.

    Raises:
        GateError: no step of `quantize.auto` passes the gate; the best one is there.
    """
    context = Context(run)
    stage = context.recipe.quantize
    config = {
        "quantize": asdict(stage),
        "contract": context.contract.to_dict(),
        "seed": context.recipe.seed,
        "gate": _select_gate(context.recipe),
        "target_miss": context.recipe.export.target_miss,
    }
    inputs = {name: run.output_hash(name) for name in ("data", "cache", "student")}
    ran = execute(
        run,
        "quantized",
        config=config,
        inputs=inputs,
        body=lambda f: _write_quantized(context, f),
        force=force,
    )
    if stage.auto:
        _refuse_failed_ladder(run)
    return ran


def _select_gate(recipe: Recipe) -> dict[str, Any]:
    """What of the gate changes the result: limits choose the epoch, the rest ends the climb."""
    limits = asdict(recipe.gate.max_drop)
    if not recipe.quantize.auto:
        return limits
    return {**limits, "rounds": recipe.gate.rounds, "undecided": recipe.gate.allow_undecided}


def _write_quantized(context: Context, folder: Path) -> dict[str, Any]:
    slower = load_quantizers()
    if slower is not None:
        say(f"quantize: {slower}")
    workshop = Workshop(context, load_run_student(context), folder)
    attempts = list(climb(workshop, context.recipe.quantize.auto))
    chosen = choose_attempt(attempts)
    say(f"quantize: kept '{chosen.step}'")
    save_quantized(folder, chosen.model.encoder, image_size=context.contract.size)
    save_tensors(folder / "head.safetensors", chosen.model.head.state_dict(), {"kind": "head"})
    return {
        "kept": chosen.step,
        "accepted": chosen.accepted,
        "float_layers": list(chosen.float_layers),
        "steps": [attempt.to_entry() for attempt in attempts],
        **chosen.counts,
    }


def _refuse_failed_ladder(run: Run) -> None:
    metrics = run.manifest("quantized")["metrics"]
    if not metrics["accepted"]:
        steps = ", ".join(f"{item['step']} ({item['outcome']})" for item in metrics["steps"])
        raise GateError(
            f"no step of the ladder passes the gate on val: {steps}",
            remedy=f"'{metrics['kept']}' comes closest and was kept; docs/gate.md says what helps",
        )


def load_quantized_student(context: Context) -> Student:
    """The run's student with its quantized encoder and tuned head, in eval mode.

    Raises:
        StageError: the run has no quantized student.
    """
    run = context.run
    run.manifest("quantized")
    student = load_run_student(context)
    encoder = load_quantized(run.folder("quantized"), student.encoder)
    model = student.with_encoder(encoder)
    model.head.load_state_dict(load_tensors(run.folder("quantized") / "head.safetensors")[0])
    return model.eval()
