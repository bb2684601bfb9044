"""`python -m runtimes verify` as a process of its own, whose streams a test holds."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 150  # seconds; many times what is needed


@contextlib.contextmanager
def start_verify(*arguments: str | Path, **streams: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A process that has ended when the block has, and is killed if that takes too long.

    Standard output is a pipe unless `streams` says otherwise.
    """
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "runtimes", "verify", "--threads", "1", *map(str, arguments)]
    given: dict[str, Any] = {"stdout": subprocess.PIPE} | streams
    process = subprocess.Popen(command, env=environment, **given)
    guard = threading.Timer(PATIENCE, process.kill)
    guard.start()
    try:
        with process:  # closes its streams and waits
            yield process
    finally:
        guard.cancel()
