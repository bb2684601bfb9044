"""From images to verdicts: decode, infer, decide at an operating point."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from gazeclip.bundle.bundle import Bundle
from gazeclip.bundle.contents import BundleClass, OperatingPoint
from gazeclip.bundle.layout import OUTPUTS, output_widths
from gazeclip.errors import BundleError, ConfigError, ImageError
from gazeclip.images.preprocess import ImageSource
from gazeclip.system.threads import usable_threads
from runtimes.batches import Outputs
from runtimes.engines.base import Engine
from runtimes.engines.registry import choose_engine
from runtimes.verdict import FAKE, REAL, Attribution, Gaze, Verdict

Outcome = Verdict | ImageError
_FLOAT32 = np.dtype(np.float32)


class _Decoded(NamedTuple):
    """One source after decoding: its pixels `(S, S, 3)`, or why there are none."""

    name: str
    image: np.ndarray | ImageError
    decode_ms: float
    frames: int


def load(
    bundle_dir: str | Path,
    engine: str | None = None,
    threads: int | None = None,
    device: str | None = None,
) -> Verifier:
    """Load a bundle (every hash is checked) into an engine.

    Args:
        engine: name in `runtimes.ENGINES`; None takes the one made for the bundle's model file.
        threads: None takes what this process may use (`usable_threads`).
        device: e.g. `GPU`; None takes the CPU. One that is not there is an error, never replaced.

    Raises:
        BundleError, ConfigError, MissingDependencyError.
    """
    bundle = Bundle.load(bundle_dir)
    count = usable_threads() if threads is None else threads
    if count < 1:
        raise ConfigError(f"{count} threads are not enough", remedy="Use at least 1")
    chosen = choose_engine(bundle, engine)
    return Verifier(bundle, chosen(bundle, count, device), count)


class Verifier:
    """A bundle in an engine. May be shared between threads."""

    def __init__(self, bundle: Bundle, engine: Engine, threads: int) -> None:
        self.bundle = bundle
        self.engine = engine
        self.threads = threads
        self._widths = output_widths(bundle.embedding_dim, len(bundle.classes))
        self._temperature = bundle.temperature
        self._classes = bundle.classes

    def verify(
        self,
        images: ImageSource | Iterable[ImageSource],
        threshold: str | float = "fpr1",
        batch: int = 8,
    ) -> list[Verdict]:
        """Judge images; of a file with several frames the first (`Verdict.frames` counts them).

        Args:
            images: one or several paths, encoded bytes, file objects, PIL images or uint8 RGB
                arrays `(H, W, 3)`.
            threshold: an operating point of the bundle (`fpr1`, `fpr0.1`, `default`) or a fake
                probability.
            batch: images per inference.

        Raises:
            ImageError: the first image that cannot be read; `outcomes` carries on instead.
            ConfigError: unknown operating point.
            BundleError: the model's outputs are not finite or have the wrong shape.
        """
        verdicts = []
        for outcome in self.outcomes(images, threshold, batch):
            if isinstance(outcome, ImageError):
                raise outcome
            verdicts.append(outcome)
        return verdicts

    def outcomes(
        self,
        images: ImageSource | Iterable[ImageSource],
        threshold: str | float = "fpr1",
        batch: int = 8,
    ) -> Iterator[Outcome]:
        """Like `verify`, lazily; in the place of an unreadable image stands an `ImageError`."""
        if batch < 1:
            raise ConfigError(f"batch of {batch} is too small", remedy="Use at least 1")
        point = self.bundle.operating_point(threshold)
        sources: Iterable[ImageSource]
        sources = [images] if _is_single(images) else images  # type: ignore[list-item,assignment]
        return self._judge_in_batches(sources, point, batch)

    def _judge_in_batches(
        self, sources: Iterable[ImageSource], point: OperatingPoint, batch: int
    ) -> Iterator[Outcome]:
        waiting: list[_Decoded] = []
        for index, source in enumerate(sources):
            waiting.append(self._decode_source(source, index))
            if len(waiting) == batch:
                yield from self._judge_batch(waiting, point)
                waiting = []
        yield from self._judge_batch(waiting, point)

    def _decode_source(self, source: ImageSource, index: int) -> _Decoded:
        name = str(source) if isinstance(source, str | os.PathLike) else f"image {index}"
        started = time.perf_counter()
        frames = 1
        try:
            image: np.ndarray | ImageError
            image, frames = self.bundle.contract.read(source)
        except ImageError as error:
            image = error
        return _Decoded(name, image, (time.perf_counter() - started) * 1e3, frames)

    def _judge_batch(self, waiting: list[_Decoded], point: OperatingPoint) -> Iterator[Outcome]:
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
                yield item.image
                continue
            answer = {name: array[row] for name, array in outputs.items()}
            timings_ms = {"decode": item.decode_ms, "inference": inference}
            yield self._make_verdict(item, answer, point, timings_ms)
            row += 1

    def _make_verdict(
        self, item: _Decoded, answer: Outputs, point: OperatingPoint, timings_ms: dict[str, float]
    ) -> Verdict:
        """One image's outputs (no batch axis) as a verdict."""
        started = time.perf_counter()
        probability = sigmoid(answer["fake_logit"].item() / self._temperature["detection"])
        ranked = rank_classes(
            self._classes, softmax(answer["logits"].tolist(), self._temperature["attribution"])
        )
        pitch, yaw = answer["gaze"].tolist()
        return Verdict(
            source=item.name,
            frames=item.frames,
            verdict=FAKE if probability >= point.threshold else REAL,
            fake_probability=probability,
            threshold=point.threshold,
            operating_point=point.name,
            attribution=ranked,
            gaze=Gaze(pitch, yaw),
            engine=self.engine.label,
            precision=self.bundle.precision,
            timings_ms={**timings_ms, "post": (time.perf_counter() - started) * 1e3},
            embedding=answer["embedding"],
        )

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


# After an inference the caches hold the network, and each first call into NumPy costs some 30
# microseconds. For a dozen numbers plain Python is several times faster, so these two do not use
# gazeclip.scoring.metrics.
def softmax(logits: Sequence[float], temperature: float) -> list[float]:
    """Probabilities of one image's logits `(C,)` at a temperature."""
    top = max(logits)
    powers = [math.exp((value - top) / temperature) for value in logits]
    total = sum(powers)
    return [power / total for power in powers]


def sigmoid(logit: float) -> float:
    """Logistic function that does not overflow."""
    return 0.5 * (1.0 + math.tanh(0.5 * logit))


def rank_classes(
    classes: Sequence[BundleClass], probabilities: Sequence[float]
) -> tuple[Attribution, ...]:
    """All classes with their probabilities `(C,)`, the most probable first."""
    order = sorted(range(len(classes)), key=probabilities.__getitem__, reverse=True)
    ranked = []
    for index in order:
        entry = classes[index]
        p = probabilities[index]
        ranked.append(Attribution(entry.name, entry.title, entry.category, entry.family, p))
    return tuple(ranked)


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
