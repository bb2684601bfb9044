"""Whether it pays to leap: to a key frame that lies between here and the next frame wanted.

Decoding can only begin at a key frame. Where none lies between, or where it is not known, frames
are decoded one after the other.
"""

from __future__ import annotations

import bisect

from runtimes.video.open import OpenFilm

# The index holds decoding times, which run ahead of the times at which frames are shown; and what
# is shown just before a key frame may be decoded after it.
_AHEAD_S = 0.5
_WITHOUT_INDEX = ("mpegts", "mpeg")  # seeking there lands behind what was asked for


def list_key_frames(film: OpenFilm) -> list[float]:
    """Where decoding can begin, as the container lists it: seconds since the film's beginning.

    In order; empty where it has no list that can be used.
    """
    if film.container.format.name in _WITHOUT_INDEX:
        return []
    stream = film.stream
    try:  # Matroska reads its list only then
        film.container.seek(stream.start_time or 0, stream=stream)
    except (ValueError, OSError):  # FFmpeg's
        return []
    times_s = [
        float(entry.timestamp * stream.time_base) - (film.start_s or 0.0)
        for entry in stream.index_entries
        if entry.is_keyframe
    ]
    return times_s if times_s == sorted(times_s) else []


def find_leap(key_frames: list[float], position_s: float, due_s: float) -> float | None:
    """Where to leap to from `position_s` on the way to `due_s`; None if it is better to decode on.

    The container then goes to the last key frame before.
    """
    landing_s = due_s - _AHEAD_S
    place = bisect.bisect_right(key_frames, landing_s) - 1
    if place < 0 or key_frames[place] <= position_s + _AHEAD_S:
        return None
    return landing_s


def leap(film: OpenFilm, time_s: float) -> None:
    """Go to the last key frame at or before a time."""
    stamp = int(((film.start_s or 0.0) + time_s) / film.stream.time_base)
    film.container.seek(stamp, stream=film.stream)
