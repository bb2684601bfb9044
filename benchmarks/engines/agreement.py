"""Whether the bundles of a run, each in its engine, say the same of the same images."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.measure.shipped import Rule
from export.runner import open_runner
from gazeclip.bundle.bundle import Bundle
from gazeclip.bundle.layout import SHIPPED_POINT
from gazeclip.bundle.trust import load_trusted
from gazeclip.console.progress import progress_callback
from gazeclip.errors import ConfigError, ImageError
from gazeclip.images.walk import find_images
from runtimes.batches import Infer

_AT_ONCE = 64  # images that are in memory together


@dataclass(frozen=True)
class Opinion:
    """What one bundle says of N images.

    Attributes:
        rule: its own evidence and thresholds.
        fake_logit: `(N,)`.
        logits: `(N, C)`.
    """

    name: str
    rule: Rule
    fake_logit: np.ndarray
    logits: np.ndarray

    def weigh(self, rule: Rule | None = None) -> np.ndarray:
        """LLR `(N,)` by its own rule or by another one."""
        evidence = (rule or self.rule).evidence
        return evidence.weigh(self.fake_logit, self.logits)

    def answer(self, rule: Rule | None = None) -> np.ndarray:
        """Verdicts `(N,)` by its own rule or by another one."""
        point = (rule or self.rule).point
        return np.array([point.decide(float(llr)) for llr in self.weigh(rule)])


@dataclass(frozen=True)
class Pair:
    """Two opinions of the same images.

    Attributes:
        same: `(N,)`, whether both verdicts are one, each by its own bundle's rule.
        llr_difference: `(N,)`, absolute, likewise.
        same_by_one_rule: `(N,)`, both by the first bundle's rule: what is left is the engines'.
        llr_difference_by_one_rule: `(N,)`.
    """

    one: Opinion
    other: Opinion
    same: np.ndarray
    llr_difference: np.ndarray
    same_by_one_rule: np.ndarray
    llr_difference_by_one_rule: np.ndarray


def read_bundles(folders: Sequence[Path], trusted: Path | None = None) -> list[Bundle]:
    """Bundles that take the same pixels and know the same classes.

    Args:
        trusted: as of `load_trusted`.

    Raises:
        BundleError: one is damaged, or is not signed by the key that is pinned.
        ConfigError: they cannot be compared.
    """
    bundles = [load_trusted(folder, trusted) for folder in folders]
    for bundle in bundles[1:]:
        same = (bundle.contract, bundle.classes) == (bundles[0].contract, bundles[0].classes)
        if not same:
            what = f"{bundle.folder} takes other pixels or knows other classes than the first"
            raise ConfigError(what, remedy="Compare bundles of one run")
    return bundles


def judge_images(bundles: Sequence[Bundle], images: Sequence[Path], threads: int) -> list[Opinion]:
    """What each bundle says of whole images; each image is decoded once.

    Raises:
        ImageError: an image cannot be read.
    """
    runners: list[Infer] = [open_runner(bundle, threads)[0] for bundle in bundles]
    parts: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in bundles]
    contract = bundles[0].contract
    with progress_callback("images") as update:
        for start in range(0, len(images), _AT_ONCE):
            chosen = images[start : start + _AT_ONCE]
            pixels = np.stack([contract.apply(path) for path in chosen])  # (B, S, S, 3)
            for part, infer in zip(parts, runners, strict=True):
                outputs = infer(pixels)
                part.append((outputs["fake_logit"][:, 0], outputs["logits"]))
            update(start + len(chosen), len(images))
    opinions = []
    for bundle, part in zip(bundles, parts, strict=True):
        fake_logits, logits = zip(*part, strict=True)
        rule = Rule(bundle.evidence, bundle.operating_point(SHIPPED_POINT))
        name = bundle.folder.name
        opinions.append(Opinion(name, rule, np.concatenate(fake_logits), np.concatenate(logits)))
    return opinions


def compare_pairs(opinions: Sequence[Opinion]) -> list[Pair]:
    """Each two of them, in order."""
    pairs = []
    for one, other in itertools.combinations(opinions, 2):
        pairs.append(
            Pair(
                one,
                other,
                one.answer() == other.answer(),
                np.abs(one.weigh() - other.weigh()),
                one.answer() == other.answer(one.rule),
                np.abs(one.weigh() - other.weigh(one.rule)),
            )
        )
    return pairs


def list_images(folder: Path) -> list[Path]:
    """The images below a folder.

    Raises:
        ImageError: there are none.
    """
    found = find_images(folder).images
    if not found:
        raise ImageError(f"{folder} has no images", remedy="Name another folder")
    return found


def find_differing(pairs: Sequence[Pair], select: Callable[[Pair], np.ndarray]) -> np.ndarray:
    """Numbers of the images of which any two differ, where `select` gives `(N,)` of sameness."""
    same = np.logical_and.reduce([select(pair) for pair in pairs])
    found: np.ndarray = np.flatnonzero(~same)
    return found
