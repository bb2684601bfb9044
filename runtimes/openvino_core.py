"""The one `openvino.Core` of this process, which is never given back."""

from __future__ import annotations

import functools
from typing import Any

from gazeclip.system.packages import require


@functools.cache
def share_core() -> Any:
    """OpenVINO's entrance.

    On CPUs with AMX its plugin gives the thread that compiles a stack for signals, and takes that
    memory away with the last Core, also from another thread, which leaves the first one without.
    The next signal with a handler then kills the process without a word.

    Raises:
        MissingDependencyError: it is not installed.
    """
    return require("openvino", extra="openvino").Core()
