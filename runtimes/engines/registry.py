"""The engines by name. A new engine is one module and one entry in `ENGINES`.

    engine = choose_engine(bundle)  # the one made for its model file
    outputs = engine(bundle, threads=1).infer(images)

Everything else asks this table: `python -m runtimes list`, the checks before a run, the choice for
a bundle, and the names and titles in the report. An engine's module is imported when it is asked
for, and its library when it is used.
"""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from pathlib import PurePath

from gazeclip.bundle.bundle import Bundle
from gazeclip.errors import ConfigError, MissingDependencyError, nearest
from runtimes.engines.base import Engine


@dataclass(frozen=True)
class EngineEntry:
    """What is known of an engine without importing it.

    Attributes:
        module: where its class is.
        class_name: the subclass of `Engine`.
        title: what reports call it.
        formats: endings of the model files that it can load. A bundle whose model file has the
            first one is run by it without being asked.
        packages: import names of its libraries, any of which will do; as with a target, their
            versions are written down with every result.
        platform: the one `sys.platform` where it exists at all; None: everywhere.
        adds_in_16_bits: it adds products of 8 bits pair by pair in 16 bits on x86 CPUs without
            VNNI, where they may saturate (`runtimes/saturation.py`).
        compute_units: its devices are sets of units, one of `gazeclip.bundle.layout.COMPUTE_UNITS`.
    """

    module: str
    class_name: str
    title: str
    formats: tuple[str, ...]
    packages: tuple[str, ...]
    platform: str | None = None
    adds_in_16_bits: bool = False
    compute_units: bool = False

    def load(self) -> type[Engine]:
        """The engine's class. Its library is not imported by this."""
        found: type[Engine] = getattr(importlib.import_module(self.module), self.class_name)
        return found

    def exists_here(self) -> bool:
        """Whether this system is one that the engine is made for, installed or not."""
        return self.platform in (None, sys.platform)


# In the order in which `verify` looks for a bundle that can be run here.
ENGINES: dict[str, EngineEntry] = {
    "openvino": EngineEntry(
        module="runtimes.engines.openvino",
        class_name="OpenVinoEngine",
        title="OpenVINO",
        formats=(".xml", ".onnx"),
        packages=("openvino",),
        adds_in_16_bits=True,
    ),
    "onnxruntime": EngineEntry(
        module="runtimes.engines.onnxruntime",
        class_name="OnnxRuntimeEngine",
        title="ONNX Runtime",
        formats=(".onnx",),
        packages=("onnxruntime",),
        adds_in_16_bits=True,
    ),
    "litert": EngineEntry(
        module="runtimes.engines.litert",
        class_name="LiteRtEngine",
        title="LiteRT",
        formats=(".tflite",),
        packages=("ai_edge_litert", "tflite_runtime"),
    ),
    "coreml": EngineEntry(
        module="runtimes.engines.coreml",
        class_name="CoreMlEngine",
        title="Core ML",
        formats=(".mlpackage",),
        packages=("coremltools",),
        platform="darwin",
        compute_units=True,
    ),
}


def find_engine(name: str) -> EngineEntry:
    """The entry of an engine.

    Raises:
        ConfigError: no such engine; the nearest name is only a hint, it is never taken instead.
    """
    if name not in ENGINES:
        raise ConfigError(f"unknown engine '{name}'", remedy=nearest(name, ENGINES))
    return ENGINES[name]


def engine_made_for(model_file: str | PurePath) -> str | None:
    """Name of the engine that runs such a model file without being asked; None: there is none."""
    ending = PurePath(model_file).suffix
    for name, entry in ENGINES.items():
        if entry.formats[0] == ending:
            return name
    return None


def engine_status() -> dict[str, str | None]:
    """Engine name -> None if it can be used here, else why not."""
    return {name: entry.load().available() for name, entry in ENGINES.items()}


def choose_engine(bundle: Bundle, name: str | None = None) -> type[Engine]:
    """The engine asked for, or the one made for the bundle's model file.

    An engine that merely can read the format as well is used on request only, never as a quiet
    replacement.

    Raises:
        ConfigError: unknown engine, or one that cannot read this bundle.
        MissingDependencyError: the engine is not installed or broken (or this is the wrong system
            for it).
    """
    ending = bundle.model_path.suffix
    chosen = engine_made_for(bundle.model_path) if name is None else name
    if chosen is None:
        known = [entry.formats[0] for entry in ENGINES.values()]
        raise ConfigError(
            f"no engine runs a '{bundle.target}' bundle with a model file '{ending}'",
            remedy=f"Model files: {', '.join(known)}",
        )
    entry = find_engine(chosen)
    if ending not in entry.formats:
        able = [other for other, known in ENGINES.items() if ending in known.formats]
        raise ConfigError(
            f"{chosen} cannot run a '{bundle.target}' bundle",
            remedy=f"Use {' or '.join(able)}",
        )
    engine = entry.load()
    reason = engine.available()
    if reason is not None:
        raise MissingDependencyError(f"engine {chosen}: {reason}")
    return engine


def choose_device(engine: str, device: str | None, compute_units: str | None) -> str | None:
    """What an engine is given as its device; None: what it takes by itself.

    Args:
        engine: name in `ENGINES`.
        compute_units: Core ML's word for a device.

    Raises:
        ConfigError: both were named, or this engine has no compute units.
    """
    if compute_units is None:
        return device
    if not find_engine(engine).compute_units:
        able = ", ".join(name for name, entry in ENGINES.items() if entry.compute_units)
        raise ConfigError(
            f"the engine {engine} has no compute units, {able} has",
            remedy="Leave --compute-units out, or name a device with --device",
        )
    if device is not None:
        raise ConfigError(
            f"device '{device}' and compute units '{compute_units}' name two places",
            remedy="Leave one of them out",
        )
    return compute_units
