"""Reads a request's body into memory, within its limits of bytes and time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from runtimes.serve.limits import MEGA, Limits
from runtimes.serve.refusal import BAD_REQUEST, TOO_LARGE, TOO_SLOW, Refusal


def declared_size(content_length: str | None, limits: Limits) -> int:
    """The bytes that a body may have by its header: what it says, or the most.

    Raises:
        Refusal: 413, more than the most; 400, no number.
    """
    if content_length is None:
        return limits.body_bytes
    if not content_length.isascii() or not content_length.isdigit():
        raise Refusal(BAD_REQUEST, "Content-Length is no number", "Send the number of bytes")
    if len(content_length) > len(str(limits.body_bytes)) or (
        int(content_length) > limits.body_bytes
    ):
        raise _refuse_size(limits)
    return int(content_length)


async def read_body(parts: AsyncIterator[bytes], limits: Limits, deadline: float) -> bytes:
    """All parts of a body.

    Raises:
        Refusal: 413, more than the most; 408, not there by the deadline (the event loop's clock).
    """
    body = bytearray()
    try:
        async with asyncio.timeout_at(deadline):
            async for part in parts:
                body += part
                if len(body) > limits.body_bytes:
                    raise _refuse_size(limits)
    except TimeoutError:
        what = f"the request was not there after {limits.seconds:g} s"
        raise Refusal(TOO_SLOW, what, "Send smaller files, or one at a time") from None
    return bytes(body)


def _refuse_size(limits: Limits) -> Refusal:
    what = f"the request has more than {limits.body_bytes / MEGA:g} MB"
    return Refusal(TOO_LARGE, what, "Save the image as JPEG, or send fewer at a time")
