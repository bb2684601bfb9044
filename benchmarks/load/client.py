"""HTTP/1.1 over a connection that is kept: as little work as can be, beside the server measured."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

LOST = 0  # the status of a request that was never answered
_END_OF_HEAD = b"\r\n\r\n"


class Sample(NamedTuple):
    """One request: the status of its answer, and the seconds until it was there."""

    status: int
    seconds: float


class Connection:
    """One connection, opened when it is first used and again after the server closed it."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body of the answer.

        Raises:
            OSError: no connection, or it broke before the answer was whole.
        """
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(*self._address)
        try:
            self._writer.write(request)
            await self._writer.drain()
            head = (await self._reader.readuntil(_END_OF_HEAD)).lower()
            body = await self._reader.readexactly(_find_length(head))
        except (asyncio.IncompleteReadError, OSError) as error:
            self.close()
            raise ConnectionError("the connection broke before the answer was whole") from error
        if b"connection: close" in head:
            self.close()
        return int(head.split(b" ", 2)[1]), body

    def close(self) -> None:
        """End it; the next request opens another."""
        if self._writer is not None:
            self._writer.close()
        self._reader = None
        self._writer = None


def write_request(path: str, body: bytes | None = None, content_type: str = "image/jpeg") -> bytes:
    """A request as bytes: GET, or POST where it has a body."""
    method = "GET" if body is None else "POST"
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    if body is not None:
        lines += [f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + _END_OF_HEAD + (body or b"")


def _find_length(head: bytes) -> int:
    _, _, rest = head.partition(b"content-length:")
    return int(rest.partition(b"\r\n")[0])
