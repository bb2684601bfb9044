"""What every command line here shares: errors as one line, progress, and which run a command works on."""

from __future__ import annotations

import argparse
import contextlib
import errno
import io
import os
import shlex
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

from gazeclip import ranks
from gazeclip.errors import ConfigError, GazeClipError, StageError
from gazeclip.privacy import switch_telemetry_off
from gazeclip.run import RECIPE, RUNS, Run, latest_run, lock
from gazeclip.text import printable_message

if TYPE_CHECKING:
    from rich.console import Console

T = TypeVar("T")
EXIT_ERROR = 2
EXIT_SOFTWARE = 70  # EX_SOFTWARE of sysexits.h: Python's own exit code of a crash, 1, would be read as "fake"
EXIT_INTERRUPTED = 130  # as a shell reports SIGINT
EXIT_UNREAD = 141  # as a shell reports SIGPIPE
_PLACE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)
_OWN_PACKAGES = ("gazeclip", "distill", "quantize", "export", "runtimes", "benchmarks")
_LONGEST_TEXT = 300  # characters
ANYWHERE = ("data.workers",)  # changes no result, so every stage may be given its own


def guard(main: Callable[[list[str]], int]) -> NoReturn:
    """Run `main(argv)` as a process. Whatever happens is one line; a traceback is printed with `--debug` only.

    Exit codes: `main`'s own, 2 for an error that the user can solve, 70 for a fault of the program, 130 when interrupted, 141
    when nobody reads the output any more. No verdict uses the last three.
    """
    # Before torch loads OpenMP: its threads spin while they wait, and with anything else on the same cores that made training
    # up to ten times slower. Never spinning costs a third as well; a short spin is best of both (docs/toolchain.md).
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    switch_telemetry_off()  # for what is imported without `require`, such as timm and its hub
    _accept_any_text()
    argv = sys.argv[1:]
    debug = "--debug" in argv
    try:
        code = main([item for item in argv if item != "--debug"])
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = EXIT_UNREAD
    except KeyboardInterrupt:
        message = "interrupted; run the same command again, without --force, to resume"
        print(message, file=sys.stderr)
        code = EXIT_INTERRUPTED
    except Exception as error:
        if debug:
            traceback.print_exc()
        message, code = describe_error(error)
        print(f"error: {printable_message(message)}", file=sys.stderr)
    sys.exit(code)


def describe_error(error: Exception) -> tuple[str, int]:
    """What to print about an error that ends a command, and the exit code."""
    if isinstance(error, GazeClipError):
        return str(error), error.exit_code
    if isinstance(error, OSError) and error.errno in _PLACE_ERRORS:
        place = f": {error.filename}" if error.filename is not None else ""
        return f"{error.strerror}{place}. Free space, check its permissions or give another folder", EXIT_ERROR
    if isinstance(error, ModuleNotFoundError) and not _is_own(error.name):
        return f"'{error.name}' is not installed. See: python -m gazeclip doctor", EXIT_ERROR
    kind = type(error).__name__
    text = " ".join(str(error).split())[:_LONGEST_TEXT]
    what = f"{kind}: {text}" if text else kind
    report = "Report it with the output of --debug and of 'python -m gazeclip doctor'"
    return f"this is a fault of the program ({what}). {report}", EXIT_SOFTWARE


def _is_own(module: str | None) -> bool:
    """Whether a module would be this program's, so that its absence is no missing package."""
    return module is None or module.partition(".")[0] in _OWN_PACKAGES


def _accept_any_text() -> None:
    """Let the streams escape what their encoding lacks; a name that cannot be printed is no reason to fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(message: str) -> None:
    """One line of progress on standard error, so that standard output stays a command's result; rank 0 only."""
    if ranks.is_main():
        print(printable_message(message), file=sys.stderr, flush=True)


def progress(items: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
    """Iterate with a bar where `_terminal` is; silently elsewhere."""
    console = _terminal()
    if console is None:
        yield from items
        return
    from rich.progress import track

    yield from track(items, description=label, total=total, console=console, transient=True)


@contextlib.contextmanager
def progress_callback(label: str) -> Iterator[Callable[[int, int], None]]:
    """A `(done, total)` callback that drives a bar; for work that reports rather than iterates."""
    console = _terminal()
    if console is None:
        yield lambda done, total: None
        return
    from rich.progress import Progress

    with Progress(console=console, transient=True) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextlib.contextmanager
def working(label: str) -> Iterator[None]:
    """A spinner, for work that cannot say how far it is."""
    console = _terminal()
    with contextlib.nullcontext() if console is None else console.status(label):
        yield


def _terminal() -> Console | None:
    """Standard error for bars and spinners: a terminal, on rank 0, where rich is installed."""
    if not sys.stderr.isatty() or not ranks.is_main():
        return None
    try:
        from rich.console import Console
    except ModuleNotFoundError:
        return None
    return Console(stderr=True)


def stage_parser(prog: str, description: str) -> argparse.ArgumentParser:
    """A parser with the options that all stages have."""
    parser = argparse.ArgumentParser(prog=prog, description=description, allow_abbrev=False)
    add_stage_options(parser)
    return parser


def add_stage_options(parser: argparse.ArgumentParser) -> None:
    """`--run`, `--set`, `--force`, `--debug` on a parser or sub-parser."""
    parser.add_argument("--run", type=Path, metavar="DIR", help="run folder (default: the most recent one)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a value of the run's recipe")
    parser.add_argument("--force", action="store_true", help="run again even if up to date")
    parser.add_argument("--debug", action="store_true", help="show a traceback on errors")


def find_run(folder: Path | None) -> Run:
    """The run that was named, or the most recent one, and then it says which.

    Raises:
        StageError: there is no such run.
    """
    root = folder if folder is not None else latest_run(RUNS)
    if not (root / RECIPE).is_file():
        raise StageError(f"{root} is not a run folder", remedy="Run first: python -m gazeclip run recipes/demo.yaml")
    if folder is None:
        say(f"run: {root} (the most recent; choose another with --run)")
    return Run(root)


@contextlib.contextmanager
def open_run(args: argparse.Namespace, *sections: str) -> Iterator[Run]:
    """The run that a stage command works on, locked, with `--set` applied to its recipe.

    Args:
        sections: of the recipe that are this command's own. What belongs to another stage is refused: that stage would not
            run, and the recipe would tell of a training that never was.

    Raises:
        StageError: there is no such run, or another process is working on it.
        ConfigError: a key of `--set` belongs to another stage.
    """
    run = find_run(args.run)
    for item in args.set:
        key = item.partition("=")[0].strip()
        if key.partition(".")[0] not in sections and key not in ANYWHERE:
            own = ", ".join(f"{section}.*" for section in sections)
            remedy = f"Here: {own}. For all stages: python -m gazeclip run {run.root / RECIPE} --run {run.root} --set {shlex.quote(item)}"
            raise ConfigError(f"--set {key} is not of this stage", remedy=remedy)
    with lock(run):
        if args.set:
            from gazeclip.recipe import load_recipe, save_recipe

            recipe = load_recipe(run.root / RECIPE, args.set)
            ranks.barrier()  # all have read it before rank 0 changes it
            if ranks.is_main():
                save_recipe(recipe, run.root / RECIPE)
            ranks.barrier()
        yield run
