"""The export targets by name. A new target is one module and one entry in `TARGETS`.

    target = find_target("onnx")  # what is known without importing any converter
    load_target("onnx").export(job)

Everything else asks this table: the options and the list of `python -m export`, the checks before
a run, the engine that an export is compared in, and the names in the report.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType

from export.coreml_options import TARGET as COREML
from export.coreml_options import find_system_faults
from gazeclip.bundle.layout import Precision
from gazeclip.errors import ConfigError, Fault, nearest
from gazeclip.system.packages import find_import_faults, is_installed, require
from runtimes.engines.registry import ENGINES


@dataclass(frozen=True)
class Target:
    """What is known of a target without importing it.

    Attributes:
        module: has `FILE`, the name of the model file; `export(job: ExportJob) -> dict` with the
            keys `model` (file name inside `job.out_dir`), `notes` and, where the file has names of
            its own, `io`; and `rehearse(job: ExportJob)`, what of an export takes seconds only.
        packages: import names that it needs; their versions are written down with every result.
        extra: of this distribution, which installs them.
        engine: name in `runtimes.engines.registry.ENGINES` of the engine that runs its files.
        precisions: number formats that it can write.
        reference: module whose `evaluate(model_path, images)` stands in for the engine on systems
            for which that does not exist; None: there is none.
    """

    module: str
    packages: tuple[str, ...]
    extra: str
    engine: str
    precisions: tuple[Precision, ...]
    reference: str | None = None

    def missing_packages(self) -> list[str]:
        """Those of `packages` that cannot be found (nothing is imported)."""
        return [name for name in self.packages if not is_installed(name)]

    def find_import_faults(self) -> list[Fault]:
        """Find those of `packages` that are missing or broken.

        They are imported, which takes seconds and is not quiet.
        """
        return find_import_faults(self.packages, self.extra)


# The names stand in commands, recipes and folders (`export/NAME-PRECISION`), so without hyphen.
TARGETS: dict[str, Target] = {
    "onnx": Target(
        module="export.targets.onnx",
        packages=("onnx",),
        extra="onnx",
        engine="onnxruntime",
        precisions=("fp32", "w8", "int8"),
    ),
    "openvino": Target(
        module="export.targets.openvino",
        packages=("openvino",),
        extra="openvino",
        engine="openvino",
        precisions=("fp32", "fp16", "w8", "int8"),
    ),
    "coreml": Target(
        module="export.targets.coreml",
        packages=("coremltools",),
        extra="coreml",
        engine="coreml",
        precisions=("fp32", "fp16", "w8", "int8"),
        reference="export.reference.evaluator",
    ),
    "tflite": Target(
        module="export.targets.tflite",
        packages=("litert_torch",),
        extra="tflite",
        engine="litert",
        precisions=("fp32", "fp16", "w8", "int8"),
    ),
}


def find_target(name: str) -> Target:
    """The entry of a target.

    Raises:
        ConfigError: no such target; the nearest name is only a hint, it is never taken instead.
    """
    if name not in TARGETS:
        raise ConfigError(f"there is no export target '{name}'", remedy=nearest(name, TARGETS))
    return TARGETS[name]


def load_target(name: str) -> ModuleType:
    """The module of a target.

    Raises:
        ConfigError: no such target.
        MissingDependencyError: the packages of the target are not installed.
    """
    target = find_target(name)
    for package in target.missing_packages():
        require(package, target.extra)
    return importlib.import_module(target.module)


def find_target_faults(
    names: Iterable[str], precisions: Iterable[str], system: str | None = None
) -> list[Fault]:
    """Names that are no target, and precisions that a target cannot write.

    Args:
        system: that Core ML bundles are for; None: the usual one of each precision.
    """
    faults = []
    wanted = list(dict.fromkeys(precisions))
    for name in dict.fromkeys(names):
        if name not in TARGETS:
            what = f"targets: there is no export target '{name}'"
            faults.append(Fault(what, nearest(name, TARGETS)))
            continue
        able = TARGETS[name].precisions
        unable = ", ".join(precision for precision in wanted if precision not in able)
        if unable:
            what = f"precisions: {name} cannot be exported as {unable}, only as {', '.join(able)}"
            faults.append(Fault(what, f"Leave out {unable}, or {name} from export.targets"))
        if name == COREML:
            faults += find_system_faults(system, [one for one in wanted if one in able])
    return faults


def refuse_impossible(names: Iterable[str], precisions: Iterable[str]) -> None:
    """Refuse a list of exports of which one cannot be written, before the first is.

    Raises:
        ConfigError: naming all of them, and what is possible.
    """
    faults = find_target_faults(names, precisions)
    if len(faults) == 1:
        raise ConfigError(faults[0].what, faults[0].remedy)
    if faults:
        raise ConfigError("; ".join(f"{fault.what} ({fault.remedy})" for fault in faults))


def lacks_engine(name: str) -> bool:
    """Whether a reference evaluator stands in for the target's engine on this system.

    Raises:
        ConfigError: no such target.
    """
    target = find_target(name)
    return target.reference is not None and not ENGINES[target.engine].exists_here()


def reference_name(engine: str) -> str:
    """What stands in parity notes and reports for the reference evaluator of an engine."""
    return f"{engine}-reference"
