"""Which process this is when `accelerate launch` or `torchrun` started several; a single process is rank 0 of 1.

Only rank 0 prints, writes files and publishes stages. All ranks must see the same run folder.
"""

from __future__ import annotations

import os


def rank() -> int:
    """Number of this process over all nodes."""
    return int(os.environ.get("RANK", "0"))


def world_size() -> int:
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_main() -> bool:
    """Whether this process prints and writes."""
    return rank() == 0


def barrier() -> None:
    """Wait until every process is here; nothing where there is only one."""
    if world_size() > 1:
        from accelerate import PartialState

        PartialState().wait_for_everyone()
