"""The end of the server: requests that it leaves without an answer are told."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

pytest.importorskip("uvicorn")

import asyncio

from runtimes.serve import process
from runtimes.serve.door import Door, Message, Receive, Send
from runtimes.serve.gate import Gate
from runtimes.serve.limits import Limits


@pytest.fixture(autouse=True)
def keep_signal_handlers() -> Iterator[None]:
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


class Application:
    """Ends the server with the first request, and answers it after some seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            for step in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{step}.complete"})
            return
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(self._seconds)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"there"})


@pytest.mark.parametrize(("seconds", "code"), [(0.3, 0), (600, 70)])
def test_what_the_exit_code_says(
    seconds: float, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(process, "_GRACE_SECONDS", 0)
    counted: list[Any] = []
    gate = Gate(Limits(seconds=0.5))
    door = Door(Application(seconds), gate, lambda *told: counted.append(told))
    with process.open_socket("127.0.0.1", 0) as bound, ThreadPoolExecutor(1) as pool:
        bound.listen()  # so that the request may come before the server
        answer = pool.submit(ask, bound.getsockname()[1])
        assert process.serve(door, bound) == code
        assert answer.result(10).startswith(b"HTTP/1.1 200") == (code == 0)
    assert ("error: 1 accepted" in capsys.readouterr().err) == (code != 0)


def ask(port: int) -> bytes:
    """All that comes back to a request until the connection ends."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        return b"".join(iter(lambda: connection.recv(65536), b""))
