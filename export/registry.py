"""The export targets by name. A new target is one module and one line here."""

from __future__ import annotations

import importlib
from types import ModuleType

from gazeclip.errors import ConfigError, nearest

# Each module has `PRECISIONS: tuple[str, ...]` and `export(job: ExportJob) -> dict` with the keys
# `model` (file name inside `job.out_dir`) and `notes`.
TARGETS = {
    "onnx": "export.targets.onnx",
    "openvino": "export.targets.openvino",
    "coreml": "export.targets.coreml",
    "tflite": "export.targets.tflite",
}
# The packages each target imports, and the extra that installs them.
REQUIRES = {
    "onnx": ("onnx",),
    "openvino": ("openvino",),
    "coreml": ("coremltools",),
    "tflite": ("litert_torch",),
}
EXTRAS = {"onnx": "onnx", "openvino": "openvino", "coreml": "coreml", "tflite": "tflite"}


def get(target: str) -> ModuleType:
    """The module of a target.

    Raises:
        ConfigError: no such target; the nearest name is only a hint, it is never taken instead.
        MissingDependencyError: the packages of the target are not installed.
    """
    if target not in TARGETS:
        raise ConfigError(f"there is no export target '{target}'", remedy=nearest(target, TARGETS))
    _require_packages(target)
    return importlib.import_module(TARGETS[target])


def is_installed(target: str) -> bool:
    """Whether the packages of `target` can be found (nothing is imported)."""
    from importlib.util import find_spec

    return all(find_spec(package) is not None for package in REQUIRES[target])


def _require_packages(target: str) -> None:
    from importlib.util import find_spec

    from gazeclip.system.packages import require

    for package in REQUIRES[target]:
        if find_spec(package) is None:
            require(package, EXTRAS[target])
