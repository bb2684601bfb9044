"""Two ways to ask: as soon as the last answer is there, or by the clock, whatever comes back.

The second one counts from the time at which a request was due, so that a server which answers
nobody for a second is seen to be slow by all who would have asked in it ("coordinated omission",
Gil Tene).
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from benchmarks.load.client import LOST, Connection, Sample


@dataclass(frozen=True)
class Target:
    """Whom to ask, and what."""

    host: str
    port: int
    request: bytes


async def ask_in_turn(target: Target, clients: int, seconds: float) -> list[Sample]:
    """Closed loop: each client asks again once it was answered, for so long."""
    end = time.perf_counter() + seconds
    samples: list[Sample] = []

    async def ask_on() -> None:
        connection = Connection(target.host, target.port)
        while (started := time.perf_counter()) < end:
            samples.append(await _ask(connection, target.request, started))
        connection.close()

    await asyncio.gather(*(ask_on() for _ in range(clients)))
    return samples


async def ask_by_the_clock(target: Target, rate: float, seconds: float) -> list[Sample]:
    """Open loop: so many requests a second, on as many connections as that takes.

    All that were sent are waited for.
    """
    idle: list[Connection] = []
    samples: list[Sample] = []
    tasks = []

    async def ask_once(due: float) -> None:
        connection = idle.pop() if idle else Connection(target.host, target.port)
        samples.append(await _ask(connection, target.request, due))
        idle.append(connection)

    begin = time.perf_counter()
    for number in range(int(rate * seconds)):
        due = begin + number / rate
        # a sleep of 0 as well: without it nobody else would have a turn in a burst
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(ask_once(due)))
    await asyncio.gather(*tasks)
    for connection in idle:
        connection.close()
    return samples


async def _ask(connection: Connection, request: bytes, since: float) -> Sample:
    try:
        status, _ = await connection.ask(request)
    except OSError:
        status = LOST
    return Sample(status, time.perf_counter() - since)
