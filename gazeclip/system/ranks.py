"""Which process this is when `accelerate launch` or `torchrun` started several.

A single process is rank 0 of 1. Only rank 0 prints, writes files and publishes stages. All ranks
must see the same run folder.
"""

from __future__ import annotations

import os
from datetime import timedelta


def rank() -> int:
    """Number of this process over all nodes."""
    return int(os.environ.get("RANK", "0"))


def world_size() -> int:
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_main() -> bool:
    """Whether this process prints and writes."""
    return rank() == 0


def on_cpu() -> bool:
    """Whether several processes train on the CPU.

    Where there is no GPU, accelerate would otherwise let each of them train alone.
    """
    import torch

    if world_size() == 1:
        return False
    asked = os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true", "yes")
    return asked or not torch.accelerator.is_available()


def join() -> None:
    """Meet the other processes, before anything else of accelerate is used; none if alone.

    Process 0 does some things for all (gaze features, figures on val), and the usual patience of 10
    to 30 minutes would end the others meanwhile.
    """
    if world_size() > 1:
        from accelerate import PartialState

        PartialState(cpu=on_cpu(), timeout=timedelta(hours=12))


def barrier() -> None:
    """Wait until every process is here; nothing where there is only one."""
    if world_size() > 1:
        from accelerate import PartialState

        join()
        PartialState().wait_for_everyone()
