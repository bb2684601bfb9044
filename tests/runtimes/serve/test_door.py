"""What happens around the application: the rest of a body, the end of a connection, faults."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from runtimes.serve.door import Door, Message, Receive, Send
from runtimes.serve.gate import Gate
from runtimes.serve.limits import Limits

PIECE = b"x" * 10
ANSWER = {"type": "http.response.start", "status": 413, "headers": [(b"a", b"b")]}
counted: list[tuple[int, float]] = []


async def refuse(scope: Message, receive: Receive, send: Send) -> None:
    """Answers without reading."""
    await send(dict(ANSWER))
    await send({"type": "http.response.body", "body": b"no"})


async def fail_late(scope: Message, receive: Receive, send: Send) -> None:
    await refuse(scope, receive, send)
    raise ValueError("secret")


async def fail_early(scope: Message, receive: Receive, send: Send) -> None:
    raise ValueError("secret")


def visit(door: Door, pieces: int, *headers: tuple[bytes, bytes]) -> tuple[list[Message], int]:
    """What is sent back to a request of so many pieces, and how many were read."""
    sent: list[Message] = []
    read = 0

    async def receive() -> Message:
        nonlocal read
        read += 1
        return {"type": "http.request", "body": PIECE, "more_body": read < pieces}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {"type": "http", "path": "/verify", "headers": list(headers)}
    counted.clear()
    asyncio.run(door(scope, receive, send))
    return sent, read


def make_door(app: Any, body_bytes: int = 100) -> Door:
    gate = Gate(Limits(body_bytes=body_bytes))
    return Door(app, gate, lambda *told: counted.append(told))


LENGTH = (b"content-length", b"50")


def test_the_rest_of_a_body_is_read_before_the_answer() -> None:
    sent, read = visit(make_door(refuse), 5, LENGTH)
    assert read == 5
    assert sent[0] == ANSWER and sent[1]["body"] == b"no"
    assert [status for status, _ in counted] == [413]


def test_a_body_without_end_is_not_read_to_its_end() -> None:
    sent, read = visit(make_door(refuse, body_bytes=40), 10**9, (b"transfer-encoding", b"chunked"))
    assert read * len(PIECE) == 2 * 40
    assert sent[0]["headers"] == [(b"a", b"b"), (b"connection", b"close")]


def test_who_asks_before_sending_is_not_told_to_send() -> None:
    sent, read = visit(make_door(refuse), 5, LENGTH, (b"expect", b"100-Continue"))
    assert read == 0 and (b"connection", b"close") in sent[0]["headers"]


def test_a_request_without_a_body_keeps_its_connection() -> None:
    door = make_door(refuse)
    sent, read = visit(door, 5)
    assert read == 0 and sent[0] == ANSWER
    door.stopping = True
    sent, _ = visit(door, 5)
    assert sent[0]["headers"] == [(b"a", b"b"), (b"connection", b"close")]


def test_of_a_fault_only_the_kind_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    visit(make_door(fail_late), 1)
    with pytest.raises(ValueError, match="secret"):  # nobody has answered: uvicorn will
        visit(make_door(fail_early), 1)
    told = capsys.readouterr().err
    assert told.count("ValueError") == 2 and "secret" not in told


def test_without_room_the_application_is_not_asked() -> None:
    door = Door(fail_early, Gate(Limits(inside=0)), lambda *told: counted.append(told))
    sent, read = visit(door, 5, LENGTH)
    assert read == 5 and sent[0]["status"] == 429
    headers = dict(sent[0]["headers"])
    assert int(headers[b"retry-after"]) >= 1
    assert int(headers[b"content-length"]) == len(sent[1]["body"])
    assert [status for status, _ in counted] == [429]
