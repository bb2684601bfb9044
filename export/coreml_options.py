"""What Core ML packages may be made for: the oldest system that must load them, and where there.

No converter is imported: the checks before a run ask this module, too.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

from export.batch import Pair
from gazeclip.bundle.layout import COMPUTE_UNITS, Precision
from gazeclip.errors import ConfigError, Fault, nearest, raise_first
from gazeclip.recipe.stages import CoreMlOptions

TARGET = "coreml"
# System -> version of the specification that it introduced (Apple's table is coremltools' enum
# `AvailableTarget`). A file of one version is loaded by all later systems.
SPECIFICATIONS = {
    "iOS15": 6,
    "iOS16": 7,
    "iOS17": 8,
    "iOS18": 9,
    "iOS26": 10,
    "macOS12": 6,
    "macOS13": 7,
    "macOS14": 8,
    "macOS15": 9,
    "macOS26": 10,
}
# ML Programs came with iOS 15 / macOS 12, weights that are expanded when a package is loaded with
# iOS 16 / macOS 13, and quantized activations (W8A8) with iOS 17 / macOS 14.
LOWEST_SYSTEM = {
    "fp32": "iOS15",
    "fp16": "iOS15",
    "w8": "iOS16",
    "int8": "iOS17",
}
# Where nothing was chosen: no older than what the other precisions and the listing for iOS need.
USUAL_SYSTEM = {**LOWEST_SYSTEM, "fp32": "iOS16", "fp16": "iOS16"}


def add_coreml_options(parser: argparse.ArgumentParser) -> None:
    """The options of `gazeclip export` that count for Core ML only."""
    parser.add_argument(
        "--coreml-deployment-target",
        choices=tuple(SPECIFICATIONS),
        metavar="SYSTEM",
        help=f"oldest system that must load Core ML bundles: {', '.join(SPECIFICATIONS)} (default: "
        "the recipe's, else iOS16, for int8 iOS17)",
    )
    parser.add_argument(
        "--coreml-compute-units",
        choices=COMPUTE_UNITS,
        help="where Core ML may compute them unless others are named when they are loaded; "
        "written into the bundle (default: the recipe's)",
    )


def read_coreml_options(args: argparse.Namespace) -> CoreMlOptions:
    """What `add_coreml_options` was given; None where it was not."""
    return CoreMlOptions(args.coreml_deployment_target, args.coreml_compute_units)


def merge_options(first: CoreMlOptions, other: CoreMlOptions) -> CoreMlOptions:
    """The values of `first`, and those of `other` where it has none."""
    return CoreMlOptions(
        first.deployment_target or other.deployment_target,
        first.compute_units or other.compute_units,
    )


def list_options(options: CoreMlOptions, target: str) -> dict[str, Any]:
    """What a bundle of `target` depends on; nothing where nothing was chosen.

    So exports from before there were these options stay up to date.
    """
    chosen = {name: value for name, value in vars(options).items() if value is not None}
    return {TARGET: chosen} if chosen and target == TARGET else {}


def find_system_faults(system: str | None, precisions: Iterable[str]) -> list[Fault]:
    """A system that is not known, or that is too old for a precision."""
    if system is None:
        return []
    if system not in SPECIFICATIONS:
        what = f"coreml.deployment_target: there is no system '{system}'"
        return [Fault(what, nearest(system, SPECIFICATIONS))]
    faults = []
    for precision in dict.fromkeys(precisions):
        lowest = LOWEST_SYSTEM[precision]
        if SPECIFICATIONS[system] < SPECIFICATIONS[lowest]:
            names = _name_equals(lowest)
            what = f"coreml.deployment_target: {precision} needs {names}, and {system} is older"
            faults.append(Fault(what, f"Use {names} or later, or leave {precision} out"))
    return faults


def _name_equals(system: str) -> str:
    """A system and those that came with it."""
    version = SPECIFICATIONS[system]
    return " / ".join(name for name, other in SPECIFICATIONS.items() if other == version)


def choose_system(options: CoreMlOptions, precision: Precision) -> str:
    """The system that a package is made for.

    Raises:
        ConfigError: it is too old for the precision, or unknown.
    """
    raise_first(find_system_faults(options.deployment_target, [precision]))
    return options.deployment_target or USUAL_SYSTEM[precision]


def refuse_coreml_options(asked: CoreMlOptions, given: CoreMlOptions, wanted: list[Pair]) -> None:
    """Refuse a system that cannot be, before anything is exported.

    Args:
        asked: on the command line.
        given: the same, with what the recipe says where it says nothing.

    Raises:
        ConfigError: too old for a precision that is wanted, or no Core ML bundle is.
    """
    precisions = [precision for target, precision in wanted if target == TARGET]
    if not precisions and asked != CoreMlOptions():
        raise ConfigError(
            "--coreml-deployment-target and --coreml-compute-units are of Core ML bundles, and "
            "none is exported",
            remedy=f"Add --target {TARGET}, or leave them out",
        )
    raise_first(find_system_faults(given.deployment_target, precisions))
