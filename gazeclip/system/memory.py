"""How this process's allocators treat memory."""

from __future__ import annotations

import os


def keep_freed_memory() -> None:
    """Let glibc keep what is freed.

    Activations of 50 MB went back to the system and were faulted in again in every step. A training
    step of EfficientNet-Lite0 at 224 px, batch 32, took 2.2 s before and 1.3 s after
    (docs/toolchain.md).
    """
    try:
        import ctypes

        mallopt = ctypes.CDLL(None).mallopt
    except (ImportError, OSError, AttributeError, TypeError):
        return  # not glibc; TypeError: Windows has no CDLL(None)
    # M_MMAP_THRESHOLD and M_TRIM_THRESHOLD of malloc.h
    mmap_threshold = -3
    trim_threshold = -1
    # Older ones refuse so much, and any setting ends their own adjustment of both.
    if mallopt(mmap_threshold, 1 << 30):
        mallopt(trim_threshold, (1 << 31) - 1)


def take_arrow_from_mimalloc() -> None:
    """Before pyarrow is imported: let it allocate from the system, unless the user says otherwise.

    The mimalloc inside of pyarrow 18.1 crashed in `_mi_thread_done`, when a thread ended, in
    processes that had used Parquet files: some time later, or at their exit.
    """
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
