"""A server process for a measurement: started, asked for its counters, and ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.load.client import Connection, write_request
from gazeclip.errors import StageError
from runtimes.serve.token import VARIABLE

HOST = "127.0.0.1"
_START_SECONDS = 120
_STOP_SECONDS = 60
_LISTENS = re.compile(rf"listening on http://{re.escape(HOST)}:(\d+)")


class Server:
    """A running server."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.port = port
        self._process = process

    def read_counters(self) -> dict[str, float]:
        """Its counters without labels, by name."""

        async def ask() -> bytes:
            connection = Connection(HOST, self.port)
            _, body = await connection.ask(write_request("/metrics"))
            connection.close()
            return body

        lines = re.findall(r"^(\w+) (\S+)$", asyncio.run(ask()).decode(), re.M)
        return {name: float(value) for name, value in lines}

    def stop(self) -> int:
        """End it in an orderly way; its exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(_STOP_SECONDS)


@contextlib.contextmanager
def run_server(*options: str) -> Iterator[Server]:
    """`python -m runtimes serve` with these options, on a free port; ended afterwards.

    Raises:
        StageError: it does not start; with its own words.
    """
    command = [sys.executable, "-m", "runtimes", "serve", "--host", HOST, "--port", "0", *options]
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "stderr"
        with told.open("wb") as stream:
            process = subprocess.Popen(command, stderr=stream, env=environment)
        try:
            yield Server(process, _wait_until_it_listens(process, told))
        finally:
            process.kill()
            process.wait()


def _wait_until_it_listens(process: subprocess.Popen[bytes], told: Path) -> int:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end:
        ended = process.poll() is not None
        text = told.read_text(encoding="utf-8", errors="replace")
        if found := _LISTENS.search(text):
            return int(found[1])
        if ended:
            raise StageError(f"the server did not start: {text.strip()}")
        time.sleep(0.05)
    raise StageError(f"the server was not there after {_START_SECONDS} s")
