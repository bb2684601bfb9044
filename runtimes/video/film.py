"""A film to verdicts: its frames go the way of photographs, then each track has one answer."""

from __future__ import annotations

import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping

from gazeclip.errors import FaceError, ImageError
from gazeclip.images.preprocess import DecodedImage
from runtimes.faces.usable import NO_FACE, describe_obstacle
from runtimes.sources import Decoded, Reader
from runtimes.verdict import Verdict
from runtimes.video.follow import Follower
from runtimes.video.merge import merge_track, order_tracks
from runtimes.video.open import open_film
from runtimes.video.sample import Sampler, Sampling, Shot
from runtimes.video.track import Film

JudgeAll = Callable[[Iterable[Decoded]], Iterator[tuple[int, Verdict | ImageError]]]
"""Things to judge -> an outcome for each, in order, with the number of its source."""


def judge_film(
    path: str | os.PathLike[str],
    number: int,
    reader: Reader,
    judge: JudgeAll,
    sampling: Sampling,
    threads: int,
) -> Iterator[tuple[int, Verdict | ImageError]]:
    """One verdict for each track of a film, the most suspicious first; `number` with each.

    In their place an `ImageError` where it cannot be read, or a `FaceError` where no frame has a
    face that can be judged. A film that breaks off has verdicts and then an `ImageError`.
    """
    reading = _Reading(str(path), number, reader, sampling, threads)
    for _, outcome in judge(reading.read(path)):
        reading.take(outcome)
    yield from ((number, outcome) for outcome in reading.conclude())


class _Reading:
    """One film while it is read and judged. What is kept of a frame is its verdict."""

    def __init__(
        self, name: str, number: int, reader: Reader, sampling: Sampling, threads: int
    ) -> None:
        self.name = name
        self.number = number
        self._reader = reader
        self._sampling = sampling
        self._threads = threads
        self._waiting: deque[tuple[int, float]] = deque()  # track and time of what is being judged
        self._tracks: dict[int, list[tuple[float, Verdict]]] = {}
        self._frames = 0
        self._faceless: list[str] = []  # why each frame without a usable face has none
        self._unjudged: Counter[str] = Counter()
        self._failure: ImageError | None = None
        self._sampler: Sampler | None = None
        # Of frames without a usable face; the next face takes them over, so that sums are right.
        self._unclaimed_ms: dict[str, float] = {}

    def read(self, path: str | os.PathLike[str]) -> Iterator[Decoded]:
        """What is to be judged in the film's frames, one frame after the other."""
        try:
            with open_film(path, self._threads) as film:
                self._sampler = Sampler(film, self._sampling)
                follower = Follower(self._sampler.every_s)
                started = time.perf_counter()
                for shot in self._sampler.take():
                    decode_ms = (time.perf_counter() - started) * 1e3
                    self._frames += 1
                    yield from self._read_shot(shot, follower, decode_ms)
                    started = time.perf_counter()
        except ImageError as error:
            self._failure = error

    def take(self, outcome: Verdict | ImageError) -> None:
        """The outcome of the first thing that was given out and has none yet."""
        track, time_s = self._waiting.popleft()
        if isinstance(outcome, Verdict):
            self._tracks.setdefault(track, []).append((time_s, outcome))

    def conclude(self) -> Iterator[Verdict | ImageError]:
        """What the film comes to, once all of it is judged."""
        tracks = list(self._tracks.values())
        film = self._describe(len(tracks))
        for place, old in enumerate(order_tracks(tracks), start=1):
            yield merge_track(tracks[old], place, film)
        if self._failure is not None:
            yield self._failure
        elif self._frames == 0:
            what = f"{self.name} has no frame that can be decoded"
            yield ImageError(what, remedy="Get the film again")
        elif not tracks:
            (outcome, _), *_ = Counter(self._faceless).most_common(1)
            frames = "1 frame" if self._frames == 1 else f"{self._frames} frames"
            reason = describe_obstacle(f"{self.name} ({frames})", outcome)
            reason.remarks = film.remarks
            yield reason

    def _read_shot(self, shot: Shot, follower: Follower, decode_ms: float) -> Iterator[Decoded]:
        photo = DecodedImage(shot.picture, 1, None, 1)
        items = list(self._reader.read_photo(photo, self.number, self.name, decode_ms))
        usable = []
        for item in items:
            if isinstance(item.image, FaceError):
                self._faceless.append(item.image.outcome)
                self._unjudged[item.image.outcome] += item.image.outcome != NO_FACE
                self._unclaimed_ms = _add_up(self._unclaimed_ms, item.timings_ms)
            elif isinstance(item.image, ImageError):
                raise item.image
            else:
                usable.append(item)
        if usable and usable[0].face is not None:
            self._unjudged.update(usable[0].face.unjudged)
        for item, track in zip(usable, _find_tracks(usable, shot, follower), strict=True):
            timings_ms = _add_up(item.timings_ms, self._unclaimed_ms)
            self._unclaimed_ms = {}
            self._waiting.append((track, shot.time_s))
            yield item._replace(timings_ms=timings_ms)

    def _describe(self, tracks: int) -> Film:
        sampler = self._sampler
        return Film(
            tracks=tracks,
            frames=self._frames,
            without_face=len(self._faceless),
            unjudged=dict(+self._unjudged),
            every_s=self._sampling.every_s if sampler is None else sampler.every_s,
            duration_s=None if sampler is None else sampler.film.duration_s,
            remarks=() if sampler is None else sampler.describe(),
        )


def _find_tracks(items: list[Decoded], shot: Shot, follower: Follower) -> list[int]:
    """The track of each thing to judge in a frame; whole frames are one track."""
    boxes = [item.face.box for item in items if item.face is not None]
    if len(boxes) < len(items):
        return [0] * len(items)
    follower.watch(shot.picture)
    return follower.follow(shot.time_s, boxes)


def _add_up(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    """Sums of what has the same name."""
    return dict(one) | {name: one.get(name, 0.0) + value for name, value in other.items()}
