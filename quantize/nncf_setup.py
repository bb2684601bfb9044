"""The process environment that NNCF and OpenVINO need, set before either is imported."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import logging
import os
import shutil
import sys
import sysconfig
import tempfile
from importlib import metadata
from pathlib import Path

from gazeclip.console.progress import say, working
from gazeclip.errors import StageError
from gazeclip.system.cache import cache_root
from gazeclip.system.cpu import compiler_fault, cpp_compiler
from gazeclip.system.packages import require
from gazeclip.system.place import command_line, name_python
from gazeclip.system.privacy import switch_telemetry_off
from quantize.build_lock import enter_build_folder, find_build_locks

_SLOWER = "NNCF computes its quantizers with torch's own operations, which takes longer"
_prepared = False


@functools.cache
def writable_cache() -> Path:
    """`cache_root`, made.

    Where it cannot be written, a folder of this user's in the temporary one, and a line says so.
    """
    try:
        folder = cache_root()
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except (OSError, RuntimeError) as error:
        folder = _own_temporary_folder()
        said = getattr(error, "strerror", None) or error
        say(
            f"no cache in the home of this user ({said}): {folder} is used instead; "
            "choose another with XDG_CACHE_HOME"
        )
        return folder


def _own_temporary_folder() -> Path:
    """One that lasts over runs.

    Compiled code is loaded from it, so nobody else may have made it or write into it.
    """
    if not hasattr(os, "getuid"):
        return Path(tempfile.mkdtemp(prefix="gazeclip-"))
    folder = Path(tempfile.gettempdir()) / f"gazeclip-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    facts = folder.lstat()
    if folder.is_symlink() or facts.st_uid != os.getuid() or facts.st_mode & 0o022:
        return Path(tempfile.mkdtemp(prefix="gazeclip-"))
    return folder


def prepare_nncf() -> None:
    """Switch telemetry off and make NNCF's C++ extension build reliable.

    Call it before `import nncf` or `openvino`.

    NNCF compiles a C++ extension at first use, by ninja, and gives up after 60 s, which leaves a
    stale lock on a slow machine:

    - the time limit is switched off;
    - the build gets a folder of its own in the user's cache, so that no other program's broken
      build can block it, and one for each compiler, ninja, Python and torch, so that switching
      between them builds nothing anew;
    - a lock that a killed build left there is removed;
    - this environment's own ninja is found even where the environment is not activated.

    Variables that the user has set stay as they are. Safe to call more than once.
    """
    global _prepared
    switch_telemetry_off()
    if _prepared:
        return
    os.environ.setdefault("NNCF_EXTENSION_LOAD_TIMEOUT", "0")
    _find_ninja()  # first, as the folder is named for it too
    if "TORCH_EXTENSIONS_DIR" not in os.environ:
        folder = writable_cache() / "torch_extensions" / build_key()
        folder.mkdir(parents=True, exist_ok=True)
        os.environ["TORCH_EXTENSIONS_DIR"] = str(folder)
        enter_build_folder(folder)
    logging.getLogger("nncf").setLevel(logging.ERROR)
    # torchao (which NNCF's strip imports) announces at WARNING that its optional GPU libraries are
    # absent.
    logging.getLogger("torchao").setLevel(logging.ERROR)
    logging.getLogger("torch.utils._pytree").setLevel(logging.ERROR)
    _prepared = True


def build_key() -> str:
    """A short name for all that the build's commands and their record depend on.

    With another of them, ninja would build anew; another ninja too, which cannot read the record.
    """
    command, path = cpp_compiler()
    resolved = os.path.realpath(path) if path is not None else None
    found = shutil.which("ninja")
    ninja = os.path.realpath(found) if found is not None else None
    torch = importlib.util.find_spec("torch")
    version = metadata.version("torch") if torch is not None else None
    place = torch.origin if torch is not None else None
    python = (sys.version, sysconfig.get_path("include"))
    facts = (command, resolved, ninja, python, version, place)
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:12]


def _find_ninja() -> None:
    """Put the environment's own programs first on PATH, if that is what it takes to find ninja."""
    own = Path(sys.executable).parent
    if shutil.which("ninja") is None and shutil.which("ninja", path=str(own)) is not None:
        os.environ["PATH"] = os.pathsep.join([str(own), os.environ.get("PATH", os.defpath)])


def missing_compiler() -> StageError | str | None:
    """What is missing of the compiler of NNCF's quantizers, which is tried.

    NNCF builds them at first use.

    An error where training would run on a GPU, for which NNCF has no others; a sentence where
    slower ones do; None if all is there.
    """
    import torch
    from torch.utils.cpp_extension import CUDA_HOME

    prepare_nncf()
    on_gpu = torch.cuda.is_available()
    if on_gpu and CUDA_HOME is None:
        return StageError(
            "quantization-aware training on the GPU needs the CUDA toolkit (nvcc), and there is "
            "none",
            remedy=f"Install the one of torch's CUDA version, or {_on_cpu()}",
        )
    fault = compiler_fault()
    if fault is None and shutil.which("ninja") is None:
        fault = f"no ninja to build with ({name_python()} -m pip install ninja)"
    if fault is None:
        return None
    if on_gpu:
        return StageError(
            f"quantization-aware training on the GPU needs a C++ compiler: {fault}",
            remedy=f"Install one or name it in CXX, or {_on_cpu()}",
        )
    return f"{fault}: {_SLOWER}"


def _on_cpu() -> str:
    return f"quantize on the CPU: CUDA_VISIBLE_DEVICES= {command_line('quantize')}"


def require_quantizers() -> str | None:
    """The sentence of `missing_compiler`, if that is all that is missing.

    Raises:
        StageError: there are no quantizers for this machine.
    """
    missing = missing_compiler()
    if isinstance(missing, StageError):
        raise missing
    return missing


def load_quantizers() -> str | None:
    """Build or load NNCF's compiled quantizers for the CPU now; a sentence if slower ones must do.

    Building takes a minute or two, once.

    NNCF itself would fall back without a word. Its slower quantizers try torch's compiler again for
    every shape, and fail each time with pages of warnings; they are run as they are instead.

    Raises:
        StageError: there are no quantizers for this machine.
    """
    slower = require_quantizers()
    require("nncf", extra="train").set_log_level(logging.ERROR)
    import torch

    if torch.cuda.is_available():
        return slower  # NNCF raises by itself where those of the GPU cannot be built
    if slower is None:
        slower = _build_quantizers()
    if slower is not None:
        torch.compiler.set_stance("force_eager")
    return slower


def _build_quantizers() -> str | None:
    extensions = require("nncf.torch.quantization.extensions", extra="train")
    reference = require(
        "nncf.torch.quantization.reference", extra="train"
    ).ReferenceQuantizedFunctions
    name = "Quantize_forward"
    for lock in find_build_locks(Path(os.environ["TORCH_EXTENSIONS_DIR"])):
        say(
            f"quantize: waiting for another process that builds quantizers; if none does: rm {lock}"
        )
    with working("building NNCF's quantizers, once"):
        found = extensions.QuantizedFunctionsCPU.get(name)
    if found is not getattr(reference, name):
        return None
    fault = "NNCF's compiled quantizers could not be built or loaded"
    return f"{fault}: {_SLOWER}; `{command_line('doctor')}` looks at the compiler"
