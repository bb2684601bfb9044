"""The engines. Adding one is a file and a line here."""

from __future__ import annotations

from gazeclip.bundle.bundle import Bundle
from gazeclip.errors import ConfigError, MissingDependencyError, nearest
from runtimes.engines.base import Engine
from runtimes.engines.coreml import CoreMlEngine
from runtimes.engines.litert import LiteRtEngine
from runtimes.engines.onnxruntime import OnnxRuntimeEngine
from runtimes.engines.openvino import OpenVinoEngine

ENGINES: dict[str, type[Engine]] = {
    engine.name: engine
    for engine in (OpenVinoEngine, OnnxRuntimeEngine, LiteRtEngine, CoreMlEngine)
}


def engine_status() -> dict[str, str | None]:
    """Engine name -> None if it can be used here, else why not."""
    return {name: engine.available() for name, engine in ENGINES.items()}


def choose(bundle: Bundle, name: str | None = None) -> type[Engine]:
    """The engine asked for, or the one made for the bundle's target.

    An engine that merely can read the format as well is used on request only, never as a quiet
    replacement.

    Raises:
        ConfigError: unknown engine, or one that cannot read this bundle.
        MissingDependencyError: the engine is not installed or broken (or this is the wrong system
            for it).
    """
    if name is None:
        fitting = [engine for engine in ENGINES.values() if engine.reads[0] == bundle.target]
        if not fitting:
            raise ConfigError(
                f"no engine runs a '{bundle.target}' bundle",
                remedy=f"Targets: {', '.join(_targets())}",
            )
        engine = fitting[0]
    elif name in ENGINES:
        engine = ENGINES[name]
    else:
        raise ConfigError(f"unknown engine '{name}'", remedy=nearest(name, ENGINES))
    if bundle.target not in engine.reads:
        able = [other.name for other in ENGINES.values() if bundle.target in other.reads]
        raise ConfigError(
            f"{engine.name} cannot run a '{bundle.target}' bundle",
            remedy=f"Use {' or '.join(able)}",
        )
    reason = engine.available()
    if reason is not None:
        raise MissingDependencyError(f"engine {engine.name}: {reason}")
    return engine


def _targets() -> list[str]:
    return [engine.reads[0] for engine in ENGINES.values()]
