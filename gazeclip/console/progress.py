"""What a command tells while it works: lines, bars and spinners on standard error.

Of several processes only rank 0 tells anything. Standard output stays a command's result:

```python
say("reading the manifest")
for image in progress(images, "judging", total=len(images)):
    ...
```
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

from gazeclip.console.lines import print_message
from gazeclip.system import ranks

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, ProgressColumn

T = TypeVar("T")


def say(message: str) -> None:
    """One line on standard error."""
    if ranks.is_main():
        print_message(message)


def progress(items: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
    """Iterate with a bar where standard error is a terminal; silently elsewhere."""
    console = _open_terminal()
    if console is None:
        yield from items
        return
    from rich.progress import track

    yield from track(items, description=label, total=total, console=console, transient=True)


def can_show_progress() -> bool:
    """Whether a bar would be seen; where none is, nothing need be counted for one."""
    return _open_terminal() is not None


@contextlib.contextmanager
def progress_callback(
    label: str, unit: str | None = None
) -> Iterator[Callable[[int, int | None], None]]:
    """A `(done, total)` callback that drives a bar; for work that reports rather than iterates.

    Standard output may be written meanwhile, unless it is the same terminal. A total of None is one
    that is not known yet.

    Args:
        unit: what is counted, such as `images`; its number and how many a second are then shown.
    """
    console = _open_terminal()
    if console is None:
        yield lambda done, total: None
        return
    with _make_bar(console, unit) as bar:
        task = bar.add_task(label, total=None, speed="")

        def report(done: int, total: int | None) -> None:
            bar.update(task, completed=done, total=total)
            speed = bar.tasks[0].speed  # of the last half minute; None at first
            if unit is not None and speed is not None:
                bar.update(task, speed=f"{speed:.1f} {unit}/s")

        yield report


def _make_bar(console: Console, unit: str | None) -> Progress:
    from rich import progress as rich_progress

    columns: list[str | ProgressColumn] = [*rich_progress.Progress.get_default_columns()]
    if unit is not None:
        columns.insert(2, rich_progress.MofNCompleteColumn())
        columns.append("{task.fields[speed]}")
    # rich would print what goes to standard output where the bar is: on standard error.
    return rich_progress.Progress(*columns, console=console, transient=True, redirect_stdout=False)


@contextlib.contextmanager
def working(label: str) -> Iterator[None]:
    """A spinner, for work that cannot say how far it is."""
    console = _open_terminal()
    with contextlib.nullcontext() if console is None else console.status(label):
        yield


def _open_terminal() -> Console | None:
    """Standard error for bars and spinners: a terminal, on rank 0, where rich is installed."""
    if not sys.stderr.isatty() or not ranks.is_main():
        return None
    try:
        from rich.console import Console
    except ModuleNotFoundError:
        return None
    return Console(stderr=True)
