"""Around the application: every request gets an answer in one form, and is counted.

ASGI only, without FastAPI, because some of it happens before and after anything that it does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from gazeclip.console.progress import say
from runtimes.serve.gate import Gate
from runtimes.serve.lines import JSON, encode_line
from runtimes.serve.refusal import Refusal
from runtimes.serve.strangers import StrangerCheck

VERIFY = "/verify"
LIVE = "/healthz"
READY = "/readyz"
# Whatever watches over the server may ask by any name: nothing else is told there.
PROBES = (LIVE, READY)
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]
_DRAIN_SECONDS = 2.0
_DRAIN_BODIES = 2  # of the largest size that is accepted
_CLOSE = (b"connection", b"close")


class Door:
    """The outermost part of the server.

    A request that is refused before its body was read still sends it. The rest is read and thrown
    away, up to a limit, before the answer is given: who sends without listening would otherwise see
    a broken connection and no answer.

    Where there is no room, that is said here: under overload most requests end so, and should cost
    as little as can be.
    """

    def __init__(
        self,
        app: Application,
        gate: Gate,
        count_answer: Callable[[int, float], None],
        strangers: StrangerCheck | None = None,
    ) -> None:
        """Stand around an application.

        Args:
            gate: says whether there is room.
            count_answer: is told status and seconds of each answer to `VERIFY`.
            strangers: says who is refused before anything else; None: nobody.
        """
        self.app = app
        self.gate = gate
        self.stopping = False
        self.cut_off = 0  # requests that the end of the server left without an answer
        self._count_answer = count_answer
        self._strangers = strangers

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One request, or the life of the application."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        visit = _Visit(self, scope, receive, send)
        started = time.perf_counter()
        asks_for_verdict = scope["path"] == VERIFY
        obstacle = self._find_obstacle(scope)
        try:
            if obstacle is None:
                await self.app(scope, visit.receive, visit.send)
            else:
                await visit.refuse(obstacle)
        except asyncio.CancelledError:
            self.cut_off += 1
            raise
        except Exception as error:
            # Its message may hold parts of a file: only its kind is told.
            say(f"error: a request failed: {type(error).__name__}")
            if not visit.status:  # the application has not answered it
                raise
        if asks_for_verdict:
            self._count_answer(visit.status, time.perf_counter() - started)

    def _find_obstacle(self, scope: Message) -> Refusal | None:
        """Why the application is not asked at all."""
        if self._strangers is not None and scope["path"] not in PROBES:
            refusal = self._strangers.find_refusal(scope["headers"])
            if refusal is not None:
                return refusal
        return self.gate.find_obstacle() if scope["path"] == VERIFY else None


class _Visit:
    """One request on its way through."""

    def __init__(self, door: Door, scope: Message, receive: Receive, send: Send) -> None:
        self.status = 0  # of the answer; 0: none was given
        self._door = door
        self._receive = receive
        self._send = send
        headers = dict(scope["headers"])
        # who waits for this word has not sent its body, and will not after another answer
        self._holds_back = headers.get(b"expect", b"").lower() == b"100-continue"
        has_body = b"content-length" in headers or b"transfer-encoding" in headers
        self._is_read = not has_body

    async def receive(self) -> Message:
        """The next piece of the request; notes when it was the last."""
        message = await self._receive()
        self._holds_back = False
        if message["type"] != "http.request" or not message.get("more_body", False):
            self._is_read = True
        return message

    async def send(self, message: Message) -> None:
        """A piece of the answer; before the first one the rest of the request is read."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            await self._drain()
            if self._door.stopping or not self._is_read:
                message = {**message, "headers": [*message.get("headers", []), _CLOSE]}
        await self._send(message)

    async def refuse(self, refusal: Refusal) -> None:
        """Answer without the application."""
        body = encode_line(refusal.to_dict())
        headers = {"content-type": JSON, "content-length": str(len(body)), **refusal.headers}
        pairs = [(name.lower().encode(), text.encode()) for name, text in headers.items()]
        start = {"type": "http.response.start", "status": refusal.status, "headers": pairs}
        await self.send(start)
        await self.send({"type": "http.response.body", "body": body})

    async def _drain(self) -> None:
        left = _DRAIN_BODIES * self._door.gate.limits.body_bytes
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                while not self._is_read and not self._holds_back and left > 0:
                    left -= len((await self.receive()).get("body", b""))
        except TimeoutError:
            pass
