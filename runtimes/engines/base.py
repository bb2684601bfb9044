"""What an engine is: it maps uint8 images to the four named outputs of a bundle's model."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import ClassVar, TypeVar

import numpy as np

from gazeclip.bundle.bundle import Bundle
from gazeclip.errors import BundleError, Fault
from gazeclip.system.packages import find_import_faults
from runtimes.batches import Outputs, infer_in_batches
from runtimes.engines.bank import BankFeed

EngineT = TypeVar("EngineT", bound="Engine")


class Engine(ABC):
    """One inference library with one loaded model.

    Constructing one loads and compiles the model; `infer` may be called from any thread.

    Subclasses import their library through `require`, inside `find_fault` and `__init__` only, so
    that importing the engines costs nothing.
    """

    name: ClassVar[str]
    """Its key in `runtimes.engines.registry.ENGINES`."""

    bank: BankFeed | None = None
    """The classes that the model is given; None where they are part of it."""

    label: str
    """Library, version and device that really run, as verdicts name them."""

    @classmethod
    @abstractmethod
    def find_fault(cls) -> Fault | None:
        """None if it can be used here, else why not and what to do.

        Imports the engine's library.
        """

    @classmethod
    def available(cls) -> str | None:
        """The same in one line."""
        fault = cls.find_fault()
        return None if fault is None else f"{fault.what}. {fault.remedy}"

    @abstractmethod
    def __init__(self, bundle: Bundle, threads: int, device: str | None = None) -> None:
        """Load the bundle's model.

        Raises:
            MissingDependencyError: the library is not installed.
            ConfigError: it does not offer `device` here.
            BundleError: it cannot load the model, or the model's input or outputs are not what the
                bundle says.
        """

    @abstractmethod
    def infer(self, images: np.ndarray) -> Outputs:
        """The four outputs of uint8 RGB images `(B, S, S, 3)`, as float32.

        `embedding (B, D)`, `logits (B, C)`, `fake_logit (B, 1)` and `gaze (B, 2)`.

        The arrays belong to the caller.
        """

    def with_bank(self: EngineT, bundle: Bundle) -> EngineT:
        """The same loaded model, given the classes of `bundle`, which has another text bank."""
        other = copy.copy(self)
        other.bank = BankFeed.of_bundle(bundle)
        return other


def find_library_fault(module: str, extra: str) -> Fault | None:
    """Why `module` cannot be imported, and what to do; None if it can.

    It is tried: one that is there may be broken.
    """
    faults = find_import_faults([module], extra)
    return faults[0] if faults else None


def read_version(library: ModuleType) -> str:
    """A library's release as it says it itself, `unknown` where it does not.

    Looking through what is installed would cost a start 20 ms.
    """
    return str(getattr(library, "__version__", "unknown")).partition("-")[0]


def cannot_load(engine: str, path: Path, error: Exception) -> BundleError:
    """The one-line error for a model file that the library refuses."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [
        type(error).__name__
    ]
    return BundleError(
        f"{engine} cannot load {path}: {lines[-1][:200]}", remedy="Export the bundle again"
    )


def check_names(path: Path, wanted: dict[str, str], found: list[str]) -> None:
    """Refuse a model whose graph lacks an output that the bundle names.

    Raises:
        BundleError: naming what is missing and what is there.
    """
    lost = [graph for graph in wanted.values() if graph not in found]
    if lost:
        there = ", ".join(sorted(found))
        raise BundleError(
            f"{path} has no output {', '.join(lost)}, but {there}", remedy="Export the bundle again"
        )


def check_input(path: Path, dtype: str, shape: tuple[int | None, ...], size: int) -> int | None:
    """Refuse an input that is not uint8 `(B, S, S, 3)`.

    Returns the fixed batch size, or None where it is free.

    Raises:
        BundleError: another type or shape.
    """
    fits = len(shape) == 4 and all(
        have in (None, want) for have, want in zip(shape[1:], (size, size, 3), strict=True)
    )
    if not fits or dtype != "uint8":
        wanted = f"uint8 (B, {size}, {size}, 3)"
        raise BundleError(
            f"{path} takes {dtype} {shape}, not {wanted}", remedy="Export the bundle again"
        )
    return shape[0]


def in_batches_of(
    fixed: int | None, images: np.ndarray, run: Callable[[np.ndarray], Outputs]
) -> Outputs:
    """Call `run` once, or in pieces where the graph has a fixed batch size.

    The last piece is filled up by repetition.
    """
    count = len(images)
    if fixed is None or count == fixed:
        return run(images)
    padding = [images[-1:]] * (-count % fixed)
    padded = np.concatenate([images, *padding]) if padding else images
    outputs = infer_in_batches(run, padded, fixed)
    return {name: values[:count] for name, values in outputs.items()}
