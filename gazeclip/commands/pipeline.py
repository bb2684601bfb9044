"""All stages in order.

They live in packages that build on this one, so they are named and imported when run.
"""

from __future__ import annotations

import importlib
import time
from pathlib import Path

from gazeclip.commands.dry_run import dry_run
from gazeclip.commands.preflight import preflight
from gazeclip.console.progress import say
from gazeclip.errors import GateError, GazeClipError, StageError
from gazeclip.recipe.load import load_recipe, save_recipe
from gazeclip.recipe.stages import Recipe
from gazeclip.run.folder import RECIPE, RUNS, Run
from gazeclip.run.lock import lock_run
from gazeclip.run.stages import STAGES
from gazeclip.system import ranks
from gazeclip.system.place import command_line


def run_recipe(
    path: Path, overrides: list[str], folder: Path | None = None, force: bool = False
) -> Run:
    """Run a recipe from its first stage that is not up to date to the report.

    Raises:
        ConfigError: the recipe is faulty or cannot be run here; nothing has been written then.
        GateError: the gate rejected a file; everything has been made, the report too.
        StageError: quantization cannot be trained on this GPU; only the run folder has been made.
    """
    recipe = load_recipe(path, overrides)
    preflight(recipe)
    # Now, and not only when the teacher has been trained.
    missing = importlib.import_module("quantize.nncf_setup").missing_compiler()
    if missing and not isinstance(missing, StageError):
        say(f"warning: {missing}")
    run = Run(folder if folder is not None else RUNS / recipe.name)
    dry_run(recipe, run)
    started = time.perf_counter()
    with lock_run(run):
        prepare_run(recipe, run.root)
        if isinstance(missing, StageError):
            _refuse_unless_quantized(run, missing)
        rejected = _run_stages(run, force)
    say(f"pipeline: {time.perf_counter() - started:.0f} s")
    if rejected is not None:
        raise rejected
    return run


def _run_stages(run: Run, force: bool) -> GateError | None:
    """All stages; what the gate said of the files, after the report that shows it."""
    rejected = None
    for name in STAGES:
        try:
            run_stage(run, name, force)
        except GateError as error:
            if rejected is not None:
                say(f"gate: {rejected}")
            rejected = error
    return rejected


def _refuse_unless_quantized(run: Run, missing: StageError) -> None:
    """What was quantized on the CPU, as the remedy says, need not be quantized again.

    Raises:
        StageError: as given, with the way to get as far as that.
    """
    try:
        run.manifest("quantized")
    except GazeClipError:
        before = ", ".join(command_line(verb) for verb in ("teacher", "distill"))
        remedy = f"{missing.remedy}, after the stages before it, one by one ({before})"
        raise StageError(missing.message, remedy=remedy) from missing
    say(f"warning: {missing.message}")


def prepare_run(recipe: Recipe, folder: Path) -> Run:
    """A run folder with the resolved recipe in it.

    Raises:
        StageError: another process is working on it.
    """
    run = Run(folder)
    with lock_run(run):
        if ranks.is_main():
            save_recipe(recipe, run.root / RECIPE)
            run.mark_recent()
        ranks.barrier()
    say(f"run: {run.root}")
    return run


def run_stage(run: Run, name: str, force: bool = False) -> bool:
    """One stage by name; whether it had anything to do."""
    from gazeclip.system.threads import usable_threads

    _limit_threads(usable_threads())
    return bool(importlib.import_module(STAGES[name].module).run_stage(run, force=force))


def _limit_threads(threads: int) -> None:
    """Follow the quota, not the host's core count: oversubscription costs more than it brings."""
    import torch

    torch.set_num_threads(threads)
