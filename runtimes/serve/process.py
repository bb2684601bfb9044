"""The server as a process: its socket, and an end that leaves no accepted request unanswered."""

from __future__ import annotations

import math
import signal
import socket
from types import FrameType
from typing import Any

import uvicorn

from gazeclip.cli.guard import EXIT_INTERRUPTED, EXIT_SOFTWARE
from gazeclip.console.progress import say
from gazeclip.errors import ConfigError
from runtimes.serve.door import Door

_GRACE_SECONDS = 30  # for what was begun before the deadline of its request


def open_socket(host: str, port: int) -> socket.socket:
    """A bound socket that does not listen yet, so that nobody is kept waiting by a start.

    Raises:
        ConfigError: there is no such host here, or the port is taken or may not be used.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:  # the second where it can be no name at all
        what = f"cannot listen on {host} ({getattr(error, 'strerror', None) or 'no such name'})"
        raise ConfigError(what, remedy="Use an address of this machine with --host") from error
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        what = f"cannot listen on {host} port {port} ({error.strerror})"
        raise ConfigError(what, remedy="Choose another with --host or --port") from error
    return bound


def serve(door: Door, bound: socket.socket) -> int:
    """Answer requests until SIGTERM or SIGINT; 0 once all that were accepted are answered.

    130 where a second SIGINT did not wait for that, and 70 where the time for it was over.
    """
    config = uvicorn.Config(
        door,
        http="h11",
        loop="asyncio",
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="error",  # what was asked for, and by whom, is not logged
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=math.ceil(door.gate.limits.seconds) + _GRACE_SECONDS,
    )
    server = _Server(config, door)
    # uvicorn answers what it accepted and then raises the signal again, to end by it. An end that
    # was asked for and went well is no error: the exit code is 0.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _pass)
    server.run(sockets=[bound])
    if server.force_exit:
        return EXIT_INTERRUPTED
    if door.cut_off:
        say(f"error: {door.cut_off} accepted requests were not answered before the end")
        return EXIT_SOFTWARE
    return 0


def _pass(_: int, __: FrameType | None) -> None:
    """Stands for the handler that would end the process."""


class _Server(uvicorn.Server):
    """Says when it listens, and tells the door when it stops."""

    def __init__(self, config: uvicorn.Config, door: Door) -> None:
        super().__init__(config)
        self._door = door

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen."""
        await super().startup(sockets)
        if self.started and sockets:
            host, port = sockets[0].getsockname()[:2]
            say(f"listening on http://{f'[{host}]' if ':' in host else host}:{port}")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> Any:
        """Accept no more, and answer what was accepted."""
        self._door.stopping = True
        say("stopping: no more requests are accepted, those inside are answered")
        await super().shutdown(sockets)
