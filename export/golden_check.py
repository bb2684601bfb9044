"""Does this machine compute what a bundle says? Its golden images, by every way that there is here.

One way is the engine, the other the target's reference evaluator; where both can run, they are
compared with each other as well. `gazeclip bundle check` prints what comes of it.

torch and a converter are imported for the reference evaluator only.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from export.registry import find_target, lacks_engine, reference_name
from gazeclip.bundle.bundle import Bundle
from gazeclip.bundle.layout import OUTPUTS
from gazeclip.bundle.trust import load_trusted
from gazeclip.system.packages import find_import_faults, require
from runtimes.batches import Outputs
from runtimes.loading import load

GOLDEN = "golden outputs"


@dataclass(frozen=True)
class Comparison:
    """One output of the golden images, computed in two ways.

    Attributes:
        by: what computed it: an engine's label, or a reference evaluator.
        against: what it is compared with: another way, or `GOLDEN`.
        difference: the largest absolute one of all images and elements.
        bound: the bundle's own for this output.
    """

    by: str
    against: str
    output: str
    difference: float
    bound: float

    @property
    def within(self) -> bool:
        """Whether the bound holds; a difference that is not a number is beyond it."""
        return self.difference <= self.bound


@dataclass(frozen=True)
class GoldenCheck:
    """What was compared of one bundle, and what was not and why."""

    bundle: Bundle
    comparisons: tuple[Comparison, ...]
    remarks: tuple[str, ...]

    def list_missed(self) -> list[Comparison]:
        """Those whose bound does not hold."""
        return [item for item in self.comparisons if not item.within]


def check_bundle(
    folder: Path,
    engine: str | None = None,
    compute_units: str | None = None,
    trusted: Path | None = None,
) -> GoldenCheck:
    """Compute the golden images and compare.

    Args:
        engine: name in `runtimes.ENGINES`; None takes the one made for the bundle, or on a system
            that it is not made for the target's reference evaluator.
        compute_units, trusted: as of `runtimes.load`.

    Raises:
        BundleError: the bundle is not whole, is not signed by a key that is pinned, or an output
            of its engine is not finite or has another shape.
        ConfigError: unknown target or engine, or one that cannot run this bundle.
        MissingDependencyError: nothing that computes it is installed here.
    """
    bundle = load_trusted(folder, trusted)
    target = find_target(bundle.target)
    images, expected = bundle.golden
    found: dict[str, Outputs] = {}
    remarks = []
    replaced = engine is None and lacks_engine(bundle.target)
    if replaced and compute_units is not None:
        remarks.append(
            f"the reference evaluator has no compute units: {compute_units} changes nothing here"
        )
    if not replaced:
        verifier = load(
            folder, engine, allow_rejected=True, trusted=trusted, compute_units=compute_units
        )
        found[verifier.engine.label] = verifier.infer(images)
    if target.reference is not None:
        name = reference_name(target.engine)
        lacking = None if replaced else _find_reference_fault(target.packages, target.extra)
        if lacking is None:
            found[name] = _evaluate_reference(bundle, images)
        else:
            remarks.append(f"not compared with {name}: {lacking}")
    return GoldenCheck(bundle, _compare_all(bundle, found, expected), tuple(remarks))


def _find_reference_fault(packages: tuple[str, ...], extra: str) -> str | None:
    """Why the evaluator cannot run beside an engine; None if it can."""
    faults = find_import_faults(["torch"], "train") or find_import_faults(packages, extra)
    return f"{faults[0].what}. {faults[0].remedy}" if faults else None


def _evaluate_reference(bundle: Bundle, images: np.ndarray) -> Outputs:
    require("torch", "train")
    from export.runner import open_reference

    return open_reference(bundle)(images)


def _compare_all(
    bundle: Bundle, found: dict[str, Outputs], expected: Outputs
) -> tuple[Comparison, ...]:
    """Each way against the golden outputs, and the ways against each other."""
    ways = list(found)
    pairs = [(way, GOLDEN) for way in ways]
    pairs += pairwise(ways)
    answers = {**found, GOLDEN: expected}
    comparisons = []
    for by, against in pairs:
        for output in OUTPUTS:
            difference = np.abs(answers[by][output] - answers[against][output]).max()
            bound = bundle.golden_tolerance[output]
            comparisons.append(Comparison(by, against, output, float(difference), bound))
    return tuple(comparisons)
