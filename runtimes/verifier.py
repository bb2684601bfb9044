"""From images to verdicts: decode, infer, decide at an operating point."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from gazeclip.bundle.bundle import Bundle
from gazeclip.bundle.layout import OUTPUTS, SHIPPED_POINT, output_widths
from gazeclip.errors import BundleError, ConfigError, ImageError, nearest
from gazeclip.images.crop_rule import CROPS, WHOLE
from gazeclip.images.source import ImageSource
from runtimes.bank import open_with_bank
from runtimes.batches import Outputs
from runtimes.engines.base import Engine
from runtimes.faces.detect import FaceDetector
from runtimes.judge import Judge, Rule
from runtimes.sources import Decoded, FaceReader, Reader, WholeReader
from runtimes.verdict import Verdict
from runtimes.video.route import judge_sources
from runtimes.video.sample import Sampling

Outcome = Verdict | ImageError
SAMPLING = Sampling()
_FLOAT32 = np.dtype(np.float32)


@dataclass(frozen=True)
class Asked:
    """How images are to be judged; `Verifier.verify` says what each means.

    Raises:
        ConfigError: a batch or a number of frames below 1.
    """

    threshold: str | float = SHIPPED_POINT
    batch: int = 8
    prior: float = 0.5
    crop: str | None = None
    frames: int | None = 1
    sampling: Sampling = SAMPLING

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise ConfigError(f"batch of {self.batch} is too small", remedy="Use at least 1")
        if self.frames is not None and self.frames < 1:
            raise ConfigError(f"{self.frames} frames are too few", remedy="Use at least 1, or all")


class Verifier:
    """A bundle in an engine. May be shared between threads."""

    def __init__(self, bundle: Bundle, engine: Engine, threads: int) -> None:
        self.bundle = bundle
        self.engine = engine
        self.threads = threads
        self._widths = output_widths(bundle.embedding_dim, len(bundle.classes))
        self.judge = Judge(bundle, engine)
        self._whole = WholeReader(bundle.contract)
        self._faces: FaceReader | None = None
        self._lock = threading.Lock()
        self._own: Verifier | None = None

    def with_bank(self, path: Path) -> Verifier:
        """The same loaded model with the classes of a bank file; detection stays as it is.

        Raises:
            ArtifactError, ConfigError: the bank or the bundle is not made for that.
        """
        bundle = open_with_bank(self.bundle, path)
        other = Verifier(bundle, self.engine.with_bank(bundle), self.threads)
        other._own = self._own or self
        return other

    def verify(
        self,
        images: ImageSource | Iterable[ImageSource],
        threshold: str | float = SHIPPED_POINT,
        batch: int = 8,
        prior: float = 0.5,
        crop: str | None = None,
        frames: int | None = 1,
        sampling: Sampling = SAMPLING,
    ) -> list[Verdict]:
        """Judge images and films; of a file with several frames as many as asked for.

        Args:
            images: one or several paths, encoded bytes, file objects, PIL images or uint8 RGB
                arrays `(H, W, 3)`.
            threshold: an operating point of the bundle (`fpr1`, `fpr0.1`) with its three answers,
                or a fake probability from which on an image is fake, and else real.
            batch: images per inference.
            prior: how probable a forgery is before an image is seen. Fake probabilities depend on
                it; verdicts at a named operating point do not.
            crop: `whole`: each image is judged as it is. `face`: each face that can be judged has
                a verdict, the largest of an image first (`Verdict.face`). None: `default_crop`.
            frames: how many of an animation or a file of several pages are judged; None: all.
                `Verdict.frame` is the number of one, `Verdict.frames` how many there are.
            sampling: which frames of films (paths only) are judged; `Verdict.track` says more.

        Raises:
            ImageError: the first image that cannot be read; `outcomes` carries on instead.
            FaceError: likewise, with `crop="face"`: the first without a face that can be judged.
            ConfigError: unknown operating point or crop, or a prior that is none.
            MissingDependencyError: nothing is installed that runs the face detector.
            BundleError: the model's outputs are not finite or have the wrong shape.
        """
        asked = Asked(threshold, batch, prior, crop, frames, sampling)
        verdicts = []
        for _, outcome in self.numbered_outcomes(images, asked):
            if isinstance(outcome, ImageError):
                raise outcome
            verdicts.append(outcome)
        return verdicts

    def outcomes(
        self,
        images: ImageSource | Iterable[ImageSource],
        threshold: str | float = SHIPPED_POINT,
        batch: int = 8,
        prior: float = 0.5,
        crop: str | None = None,
        frames: int | None = 1,
        sampling: Sampling = SAMPLING,
    ) -> Iterator[Outcome]:
        """Like `verify`, lazily; in the place of an unreadable image stands an `ImageError`.

        With `crop="face"` a `FaceError` stands for an image without a face that can be judged.
        """
        asked = Asked(threshold, batch, prior, crop, frames, sampling)
        return (outcome for _, outcome in self.numbered_outcomes(images, asked))

    def numbered_outcomes(
        self, images: ImageSource | Iterable[ImageSource], asked: Asked
    ) -> Iterator[tuple[int, Outcome]]:
        """Like `outcomes`, each with the number of its image from 0, as one may have several."""
        rule = self.judge.make_rule(asked.threshold, asked.prior)
        sources: Iterable[ImageSource]
        sources = [images] if _is_single(images) else images  # type: ignore[list-item,assignment]
        judge = partial(self._judge_in_batches, rule=rule, batch=asked.batch)
        reader = self.choose_reader(asked.crop)
        return judge_sources(sources, reader, judge, asked.frames, asked.sampling, self.threads)

    @property
    def default_crop(self) -> str:
        """What the bundle says of its training images; `whole` where it says nothing."""
        return WHOLE if self.bundle.crop is None else self.bundle.crop.kind

    def choose_reader(self, crop: str | None) -> Reader:
        """What reads the sources; the face detector is loaded when it is first asked for."""
        crop = crop or self.default_crop
        if crop not in CROPS:
            raise ConfigError(f"unknown crop '{crop}'", remedy=nearest(crop, CROPS))
        if crop == WHOLE:
            return self._whole
        with self._lock:
            if self._faces is None:
                detector = FaceDetector(self.threads, self.engine.name)
                self._faces = FaceReader(self.bundle.contract, detector, self.bundle.crop)
            return self._faces

    def _judge_in_batches(
        self, decoded: Iterable[Decoded], rule: Rule, batch: int
    ) -> Iterator[tuple[int, Outcome]]:
        waiting: list[Decoded] = []
        for item in decoded:
            waiting.append(item)
            if len(waiting) == batch:
                yield from self._judge_batch(waiting, rule)
                waiting = []
        yield from self._judge_batch(waiting, rule)

    def _judge_batch(self, waiting: list[Decoded], rule: Rule) -> Iterator[tuple[int, Outcome]]:
        images = [item.image for item in waiting if isinstance(item.image, np.ndarray)]
        started = time.perf_counter()
        outputs: Outputs = {}
        if len(images) == 1:
            outputs = self.infer(images[0][None])  # a view: one image need not be copied
        elif images:
            outputs = self.infer(np.stack(images))  # (B, S, S, 3)
        inference = (time.perf_counter() - started) * 1e3 / max(1, len(images))
        row = 0
        for item in waiting:
            if isinstance(item.image, ImageError):
                yield item.number, item.image
                continue
            answer = {name: array[row] for name, array in outputs.items()}
            timings_ms = {**item.timings_ms, "inference": inference}
            yield item.number, self.judge.decide(item, answer, rule, timings_ms)
            row += 1

    def infer(self, images: np.ndarray) -> Outputs:
        """Checked raw outputs for uint8 `(B, S, S, 3)`; what the benchmarks score.

        Raises:
            BundleError: the engine gave a wrong shape or type, or values that are not finite.
        """
        outputs = self.engine.infer(images)
        for name, width in self._widths.items():
            array = outputs[name]
            if array.shape != (len(images), width) or array.dtype != _FLOAT32:
                shape = f"{array.dtype} {array.shape} instead of float32 {(len(images), width)}"
                raise BundleError(
                    f"{self.engine.name}: output {name} is {shape}",
                    remedy="Export the bundle again",
                )
            # one pass that is finite only if every value is
            if not math.isfinite(np.vdot(array, array)):
                raise BundleError(
                    f"{self.engine.name}: output {name} is not finite",
                    remedy="Run with --self-test",
                )
        return outputs

    def self_test(self) -> dict[str, float]:
        """Run the golden images and compare; returns the largest absolute difference per output.

        Raises:
            BundleError: an output lies outside the bundle's tolerance on this machine.
        """
        if self._own is not None:  # the golden outputs are those of the bundle's own classes
            return self._own.self_test()
        images, expected = self.bundle.golden
        outputs = self.infer(images)
        tolerance = self.bundle.golden_tolerance
        differences = {
            name: float(np.abs(outputs[name] - expected[name]).max()) for name in OUTPUTS
        }
        beyond = [name for name in OUTPUTS if not differences[name] <= tolerance[name]]
        if beyond:
            faults = ", ".join(
                f"{n} off by {differences[n]:.3g} (allowed {tolerance[n]:.3g})" for n in beyond
            )
            raise BundleError(
                f"self-test of {self.bundle.folder} on {self.engine.label} failed: {faults}",
                remedy="Do not use it here; export it again or choose another engine",
            )
        return differences


def _is_single(images: object) -> bool:
    """Whether this is a path, bytes, a file object, a PIL image or an array `(H, W, 3)`.

    What can be neither one image nor several counts as one, so that it is refused by its type.
    """
    if isinstance(images, np.ndarray):
        return images.ndim != 4
    if isinstance(
        images, str | os.PathLike | bytes | bytearray | memoryview | Image.Image | Mapping
    ):
        return True
    return hasattr(images, "read") or not isinstance(images, Iterable)
