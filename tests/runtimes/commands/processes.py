"""`python -m runtimes verify` as a process of its own, whose streams a test holds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 60  # seconds; many times what is needed


def start_verify(*arguments: str | Path, **streams: Any) -> subprocess.Popen[bytes]:
    """Started, with standard output as a pipe unless `streams` says otherwise."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "runtimes", "verify", "--threads", "1", *map(str, arguments)]
    return subprocess.Popen(command, env=environment, **{"stdout": subprocess.PIPE} | streams)
