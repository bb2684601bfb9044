"""Whether there is memory left for one more network."""

from __future__ import annotations

from pathlib import Path

MEMINFO = Path("/proc/meminfo")
# Engines keep a packed copy of the weights beside the file's, and for a moment both and a third.
_COPIES = 3
_KEEP_FREE_MB = 1500  # for everything else that runs here


def find_shortage(file_mb: float, meminfo: Path = MEMINFO) -> str:
    """Why a file of that size should not be loaded now; empty if it may, or nobody tells."""
    free = read_free_mb(meminfo)
    needed = _COPIES * file_mb + _KEEP_FREE_MB
    if free is None or needed <= free:
        return ""
    return f"about {needed:.0f} MB are needed, and {free:.0f} MB are free"


def read_free_mb(meminfo: Path) -> float | None:
    """Memory that a program can have without others being swapped out, in 10^6 bytes; Linux."""
    try:
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024 / 1e6
    except (OSError, ValueError, IndexError):
        pass
    return None
