"""The process environment that NNCF and OpenVINO need, set before either is imported."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from gazeclip.cpu import cpp_compiler
from gazeclip.errors import StageError

_prepared = False


def cache_root() -> Path:
    """The user's cache folder of this program (`$XDG_CACHE_HOME` or `~/.cache`, then `gazeclip`)."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "gazeclip"


def prepare() -> None:
    """Switch telemetry off and make NNCF's C++ extension build reliable; call it before `import nncf` or `openvino`.

    - NNCF and OpenVINO's converter both report usage through the package `openvino_telemetry` when it can be
      imported. Marking it as not importable makes both take their own silent stand-in, writes nothing into the
      user's home and holds even for code that looks at no environment variable. If something else has already
      imported it, its three sending methods are replaced.
    - NNCF compiles a C++ extension at first use and gives up after 60 s, which leaves a stale lock on a slow
      machine: the time limit is switched off, and the build gets a folder of its own in the user's cache, so that
      no other program's broken build can block it.

    Variables that the user has set stay as they are. Safe to call more than once.
    """
    global _prepared
    if _prepared:
        return
    os.environ.setdefault("NNCF_CI", "1")
    os.environ.setdefault("NNCF_EXTENSION_LOAD_TIMEOUT", "0")
    if "TORCH_EXTENSIONS_DIR" not in os.environ:
        folder = cache_root() / "torch_extensions"
        folder.mkdir(parents=True, exist_ok=True)
        os.environ["TORCH_EXTENSIONS_DIR"] = str(folder)
    _silence_telemetry()
    logging.getLogger("nncf").setLevel(logging.ERROR)
    # torchao (which NNCF's strip imports) announces at WARNING that its optional GPU libraries are absent.
    logging.getLogger("torchao").setLevel(logging.ERROR)
    logging.getLogger("torch.utils._pytree").setLevel(logging.ERROR)
    _prepared = True


def missing_compiler() -> StageError | str | None:
    """What is missing of the compiler of NNCF's quantizers, which it builds at first use.

    An error where training would run on a GPU, for which NNCF has no others; a sentence where slower ones do; None if all is there.
    """
    import torch
    from torch.utils.cpp_extension import CUDA_HOME

    if torch.cuda.is_available():
        if CUDA_HOME is not None:
            return None
        return StageError(
            "quantization-aware training on the GPU needs the CUDA toolkit (nvcc), and there is none",
            remedy="Install the one of torch's CUDA version, or quantize on the CPU: CUDA_VISIBLE_DEVICES= python -m quantize",
        )
    name, path = cpp_compiler()
    if path is None:
        return f"no C++ compiler ({name}): NNCF computes its quantizers with torch's own operations, which takes longer"
    return None


def require_quantizers() -> str | None:
    """The sentence of `missing_compiler`, if that is all that is missing.

    Raises:
        StageError: there are no quantizers for this machine.
    """
    missing = missing_compiler()
    if isinstance(missing, StageError):
        raise missing
    return missing


def _silence_telemetry() -> None:
    """Keep `openvino_telemetry` from being imported, or from sending where it already was."""
    module = sys.modules.get("openvino_telemetry")
    if module is None:
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
        return
    telemetry = getattr(module, "Telemetry", None)
    for method in ("send_event", "start_session", "end_session", "send_error", "send_stack_trace"):
        if telemetry is not None:
            setattr(telemetry, method, lambda self, *args, **kwargs: None)
