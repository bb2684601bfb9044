"""Bodies that come in pieces, too many of them, too slowly, or with a wrong length."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from runtimes.serve.body import declared_size, read_body
from runtimes.serve.limits import Limits
from runtimes.serve.refusal import Refusal

LIMITS = Limits(body_bytes=10, seconds=0.05)


async def give(*parts: bytes, pause: float = 0.0) -> AsyncIterator[bytes]:
    for part in parts:
        await asyncio.sleep(pause)
        yield part


def read(parts: AsyncIterator[bytes]) -> bytes:
    async def work() -> bytes:
        deadline = asyncio.get_running_loop().time() + LIMITS.seconds
        return await read_body(parts, LIMITS, deadline)

    return asyncio.run(work())


def test_pieces_are_put_together() -> None:
    assert read(give(b"12345", b"", b"67890")) == b"1234567890"
    assert read(give()) == b""


def test_too_many_bytes() -> None:
    with pytest.raises(Refusal) as caught:
        read(give(b"12345", b"67890", b"1"))
    assert caught.value.status == 413


def test_too_slow() -> None:
    with pytest.raises(Refusal) as caught:
        read(give(b"1", b"2", pause=5.0))
    assert caught.value.status == 408


def test_the_declared_size() -> None:
    assert declared_size("10", LIMITS) == 10 and declared_size("0", LIMITS) == 0
    assert declared_size(None, LIMITS) == LIMITS.body_bytes
    for text, status in (("11", 413), ("9" * 5000, 413), ("-1", 400), ("x", 400), ("\u0661", 400)):
        with pytest.raises(Refusal) as caught:
            declared_size(text, LIMITS)
        assert caught.value.status == status
