"""Frames of a film at even distances in time, decoded one at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from PIL import Image

from gazeclip.errors import ConfigError, ImageError
from runtimes.video.open import OpenFilm, explain_errors, refuse_too_many_pixels
from runtimes.video.seek import find_leap, leap, list_key_frames
from runtimes.video.upright import describe_colours, make_picture

EVERY_S = 1.0
MAX_FRAMES = 60
# A film that ends earlier than its file says by more than this is called cut off. Sound is often
# a little longer.
_LONGER_SOUND_S = 1.0
_CLOCK_ERROR_S = 0.0005  # half of Matroska's unit: a time stamp may be rounded down by it


@dataclass(frozen=True)
class Sampling:
    """Which frames of a film are looked at.

    Attributes:
        every_s: the first frame at or after each multiple of so many seconds.
        max_frames: of a longer film as many, spread evenly over all of it; where its length is not
            known, the first ones.
    """

    every_s: float = EVERY_S
    max_frames: int = MAX_FRAMES

    def __post_init__(self) -> None:
        if not (math.isfinite(self.every_s) and self.every_s > 0):
            raise ConfigError(f"a frame every {self.every_s} s is no rule", remedy="Use above 0 s")
        if self.max_frames < 1:
            raise ConfigError(f"{self.max_frames} frames are too few", remedy="Use at least 1")


class Shot(NamedTuple):
    """One frame.

    Attributes:
        time_s: since the film's beginning.
        picture: upright, RGB.
    """

    time_s: float
    picture: Image.Image


class Sampler:
    """Frames of an open film; what was noticed on the way is in its attributes.

    Attributes:
        every_s: seconds from frame to frame: as asked for, or more where the film is long.
        damaged: packets that could not be decoded and were left out.
    """

    def __init__(self, film: OpenFilm, sampling: Sampling) -> None:
        self.film = film
        self.every_s = sampling.every_s
        self.damaged = 0
        self._start_s = film.start_s
        self._due_s = 0.0
        self._is_broken = False
        self._most = sampling.max_frames
        self._spread = False
        self._position_s = -math.inf  # of the last frame that was decoded
        self._last_shot_s = 0.0
        self._missed_s: float | None = None  # when a frame was due and none came any more
        self._colours: str | None = None
        self._stopped = False
        if film.duration_s is not None and film.duration_s > self._most * self.every_s:
            self.every_s = film.duration_s / self._most
            self._spread = True
        with explain_errors(film.name):
            self._key_frames = list_key_frames(film)
        self._frames = self._decode()

    def take(self) -> Iterator[Shot]:
        """The frames in order, each decoded when it is asked for.

        Raises:
            ImageError: the film breaks off; the frames before were given.
        """
        number = 0
        duration = self.film.duration_s
        for _ in range(self._most):
            due = number * self.every_s
            if number and duration is not None and due >= duration - _CLOCK_ERROR_S:
                return
            frame = self._advance(due)
            if frame is None:
                self._missed_s = due
                return
            shot = self._make_shot(frame)
            yield shot
            number = max(number, math.floor((shot.time_s + _CLOCK_ERROR_S) / self.every_s)) + 1
        self._stopped = duration is None

    def describe(self) -> tuple[str, ...]:
        """What the user must be told of a film whose frames were taken."""
        remarks = []
        if self._spread:
            remarks.append(f"{self._most} frames, one every {self.every_s:.3g} s (--max-frames)")
        if self._stopped:
            remarks.append(
                f"of unknown length; only its first {self._most} frames are judged (--max-frames)"
            )
        if self.damaged:
            remarks.append(f"damaged: {self.damaged} of its packets cannot be decoded")
        duration = self.film.duration_s
        missed = self._missed_s
        if duration is not None and missed is not None and missed < duration - _LONGER_SOUND_S:
            remarks.append(
                f"no frame from {missed:.1f} s on, of {duration:.1f} s: cut off, or longer sound"
            )
        if self._colours is not None:
            remarks.append(self._colours)
        return tuple(remarks)

    def _make_shot(self, frame: Any) -> Shot:
        with explain_errors(self.film.name):
            refuse_too_many_pixels(frame, self.film.name)
            aspect = self.film.stream.sample_aspect_ratio
            picture = make_picture(frame, None if aspect is None else float(aspect))
        if self._colours is None:
            self._colours = describe_colours(frame)
        self._last_shot_s = self._position_s
        return Shot(self._position_s, picture)

    def _advance(self, due_s: float) -> Any | None:
        """The first undamaged frame from a time on; None if there is none."""
        self._due_s = due_s
        try:
            landing_s = find_leap(self._key_frames, self._position_s, due_s)
            if landing_s is not None:
                leap(self.film, landing_s)
                self._frames = self._decode()
            for frame in self._frames:
                self._position_s = self._find_time(frame)
                # What follows damage is made from it, up to the next key frame.
                self._is_broken = frame.is_corrupt or (self._is_broken and not frame.key_frame)
                if self._position_s >= due_s - _CLOCK_ERROR_S and not self._is_broken:
                    return frame
        except Exception as error:  # FFmpeg's are OSError, ValueError and others
            reason = getattr(error, "strerror", None) or " ".join(str(error).split())
            what = f"{self.film.name} breaks off after {self._last_shot_s:.1f} s ({reason})"
            raise ImageError(what, remedy="Get the film again") from error
        return None

    def _decode(self) -> Iterator[Any]:
        for packet in self.film.container.demux(self.film.stream):
            self._spare_effort(packet)
            try:
                frames = packet.decode()
            except (ValueError, OSError):  # FFmpeg's word for a packet that it cannot decode
                self.damaged += 1
                self._is_broken = True
                continue
            yield from frames

    def _spare_effort(self, packet: Any) -> None:
        """Before the frame that is due, leave out frames from which no other is made."""
        codec = self.film.stream.codec_context
        is_wanted = True
        if packet.pts is not None and self._start_s is not None:
            time_s = float(packet.pts * packet.time_base) - self._start_s
            is_wanted = time_s >= self._due_s - _CLOCK_ERROR_S
        codec.skip_frame = "DEFAULT" if is_wanted else "NONREF"

    def _find_time(self, frame: Any) -> float:
        """Seconds since the beginning; of a frame without a time stamp one frame later."""
        if frame.time is not None:
            if self._start_s is None:
                self._start_s = float(frame.time)
            return float(frame.time) - self._start_s
        if not math.isfinite(self._position_s):
            return 0.0
        rate = self.film.stream.average_rate or 25
        return self._position_s + 1 / float(rate)
