"""The load generator against a server of a few lines whose every answer is known."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable

import pytest

from benchmarks.load.client import LOST, Sample, write_request
from benchmarks.load.figures import count_statuses, count_unanswered, describe_samples
from benchmarks.load.loops import Target, ask_by_the_clock, ask_in_turn

BODY = b"0123456789"
REQUEST = write_request("/verify", BODY)
Work = Callable[[Target], Awaitable[list[Sample]]]


def drive(statuses: list[int], work: Work, pause: float = 0.0) -> tuple[list[Sample], list[bytes]]:
    """What `work` brings back from a server with these answers in turn, and what it was sent.

    0 breaks the connection; 503 announces that it will be closed.
    """
    answers = itertools.cycle(statuses)
    received: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                received.append(await reader.readexactly(len(REQUEST)))
            except asyncio.IncompleteReadError:
                break
            await asyncio.sleep(pause)
            status = next(answers)
            if status == LOST:
                break
            closing = b"Connection: close\r\n" if status == 503 else b""
            writer.write(b"HTTP/1.1 %d Word\r\n%sContent-Length: 4\r\n\r\nbody" % (status, closing))
            if closing:
                break
        writer.close()

    async def run() -> list[Sample]:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        samples = await work(Target("127.0.0.1", port, REQUEST))
        server.close()
        return samples

    return asyncio.run(run()), received


def test_a_request_is_http() -> None:
    head, _, body = REQUEST.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /verify HTTP/1.1" and body == BODY
    assert f"Content-Length: {len(BODY)}" in lines
    assert write_request("/metrics").startswith(b"GET /metrics HTTP/1.1\r\n")


def test_each_client_asks_again_as_soon_as_it_was_answered() -> None:
    pause = 0.05
    samples, received = drive([200], lambda target: ask_in_turn(target, 3, 0.5), pause)
    assert set(received) == {REQUEST} and len(received) == len(samples)
    # at most one for each pause and client, and one that begins before the end
    assert 3 <= len(samples) <= 3 * (0.5 / pause + 1)
    assert all(sample.status == 200 and sample.seconds >= pause for sample in samples)


def test_every_answer_is_counted_and_a_broken_connection_too() -> None:
    samples, _ = drive(
        [200, 429, LOST, 503, 500], lambda target: ask_by_the_clock(target, 100, 0.2)
    )
    assert len(samples) == 20
    assert count_statuses(samples) == {"lost": 4, "200": 4, "429": 4, "500": 4, "503": 4}
    assert count_unanswered(samples) == 12


def test_the_clock_does_not_wait_for_answers() -> None:
    started = time.perf_counter()
    samples, _ = drive([200], lambda target: ask_by_the_clock(target, 40, 0.5), pause=1.0)
    assert len(samples) == 20
    assert time.perf_counter() - started < 10  # one after the other would take 20
    assert all(sample.seconds >= 1.0 for sample in samples)


def test_nobody_listens() -> None:
    async def ask() -> list[Sample]:
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        return await ask_by_the_clock(Target("127.0.0.1", port, REQUEST), 10, 0.3)

    assert [sample.status for sample in asyncio.run(ask())] == [LOST] * 3


def test_figures_are_of_verdicts_only() -> None:
    samples = [Sample(200, number / 1000) for number in range(1, 101)] + [Sample(429, 9.0)] * 50
    figures = describe_samples(samples, 2.0)
    assert figures["requests"] == 150 and figures["judged_per_second"] == 50.0
    # of 1 to 100 by linear interpolation: 1 + p / 100 * 99
    for percent in (50, 95, 99):
        assert figures[f"p{percent}_ms"] == pytest.approx(1 + percent * 0.99)
    assert describe_samples([Sample(429, 1.0)], 1.0)["p50_ms"] is None
