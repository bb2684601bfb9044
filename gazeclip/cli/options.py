"""Options that all stage commands share, and which run a command works on."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from pathlib import Path

from gazeclip.console.progress import say
from gazeclip.errors import ConfigError, StageError
from gazeclip.run.folder import RECIPE, RUNS, Run, latest_run
from gazeclip.run.lock import lock_run
from gazeclip.system import ranks
from gazeclip.system.place import command_line

RECENT_RUN = "run folder (default: the most recent one)"
ANYWHERE = ("data.workers",)  # changes no result, so every stage may be given its own


def add_stage_options(
    parser: argparse.ArgumentParser, run_help: str = RECENT_RUN, recipe: str = "the run's recipe"
) -> None:
    """`--run`, `--set`, `--force`, `--debug` on a parser or sub-parser.

    Args:
        run_help: the help of `--run`, where its default is another one.
        recipe: what help calls the recipe that `--set` changes.
    """
    parser.add_argument("--run", type=Path, metavar="DIR", help=run_help)
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help=f"change a value of {recipe}; may be repeated",
    )
    parser.add_argument("--force", action="store_true", help="run again even if up to date")
    parser.add_argument("--debug", action="store_true", help="show a traceback on errors")


def find_run(folder: Path | None) -> Run:
    """The run that was named, or the most recent one, and then it says which.

    Raises:
        StageError: there is no such run.
    """
    root = folder if folder is not None else latest_run(RUNS)
    if not (root / RECIPE).is_file():
        raise StageError(
            f"{root} is not a run folder",
            remedy=f"Run first: {command_line('run', 'demo')}",
        )
    if folder is None:
        say(f"run: {root} (the most recent; choose another with --run)")
    return Run(root)


@contextlib.contextmanager
def open_run(args: argparse.Namespace, *sections: str) -> Iterator[Run]:
    """The run that a stage command works on, locked, with `--set` applied to its recipe.

    Args:
        sections: of the recipe that are this command's own. What belongs to another stage is
            refused: that stage would not run, and the recipe would tell of a training that never
            was.

    Raises:
        StageError: there is no such run, or another process is working on it.
        ConfigError: a key of `--set` belongs to another stage.
    """
    run = find_run(args.run)
    for item in args.set:
        key = item.partition("=")[0].strip()
        if key.partition(".")[0] not in sections and key not in ANYWHERE:
            own = ", ".join(f"{section}.*" for section in sections)
            options = ("--run", str(run.root), "--set", item)
            everywhere = command_line("run", str(run.root / RECIPE), *options)
            remedy = f"Here: {own}. For all stages: {everywhere}"
            raise ConfigError(f"--set {key} is not of this stage", remedy=remedy)
    with lock_run(run):
        if args.set:
            from gazeclip.recipe.load import load_recipe, save_recipe

            recipe = load_recipe(run.root / RECIPE, args.set)
            ranks.barrier()  # all have read it before rank 0 changes it
            if ranks.is_main():
                save_recipe(recipe, run.root / RECIPE)
            ranks.barrier()
        yield run
