"""Work spread over the threads that this process may use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from gazeclip.system.threads import usable_threads

Item = TypeVar("Item")
Result = TypeVar("Result")
_AHEAD = 256  # calls that may be done before their results are taken


def map_in_threads(
    call: Callable[[Item], Result], items: Sequence[Item], threads: int | None = None
) -> Iterator[Result]:
    """Results of `call` in the order of the items; what it raises for one is raised in its turn.

    For calls that leave the interpreter alone, such as decoding. No more than some hundred results
    wait at a time.

    Args:
        threads: None takes `usable_threads`.
    """
    count = usable_threads() if threads is None else threads
    if count == 1:
        yield from map(call, items)
        return
    with ThreadPoolExecutor(count) as pool:
        for start in range(0, len(items), _AHEAD):
            yield from pool.map(call, items[start : start + _AHEAD])
