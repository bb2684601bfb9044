"""What a verdict on a film says besides: how it was sampled, and when a face was to be seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

RULE = "mean of the LLRs of the track's frames"


class Moment(NamedTuple):
    """One frame of a track.

    Attributes:
        time_s: since the film's beginning.
        llr: of this frame alone.
        box: of the face in pixels of the upright frame; None where the whole frame was judged.
    """

    time_s: float
    llr: float
    box: tuple[int, ...] | None = None


class Film(NamedTuple):
    """How a film was looked at, the same for all its tracks.

    Attributes:
        tracks: how many there are.
        frames: that were looked at.
        without_face: of these, frames without a face that could be judged.
        unjudged: why faces were not judged, each reason with the number of faces.
        every_s: seconds from one frame to the next.
        duration_s: as the file says it; None where it does not.
        remarks: what the user must be told, each the end of a line.
    """

    tracks: int
    frames: int
    without_face: int
    unjudged: dict[str, int]
    every_s: float
    duration_s: float | None
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Track:
    """One face over the frames of a film, or the whole frames.

    Attributes:
        number: 1 for the most suspicious of the film's tracks, which is the film's answer.
        frames: judged; the verdict's LLR is the mean of theirs.
        from_s: time of the first of them, and `to_s` of the last.
        moments: the most suspicious ones, the worst first.
    """

    number: int
    frames: int
    from_s: float
    to_s: float
    moments: tuple[Moment, ...]
    film: Film

    def describe(self, source: str) -> Iterator[str]:
        """Lines for standard error about the film, once for all its tracks."""
        if self.number == 1:
            yield from (f"warning: {source}: {remark}" for remark in self.film.remarks)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "track": {
                "number": self.number,
                "frames": self.frames,
                "from_s": round(self.from_s, 3),
                "to_s": round(self.to_s, 3),
                "rule": RULE,
                "most_suspicious": [_describe_moment(moment) for moment in self.moments],
            },
            "film": self.film._asdict() | {"remarks": list(self.film.remarks)},
        }


def format_time(seconds: float) -> str:
    """`1:02:03.4`, `2:03.4` or `0:03.4`."""
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    clock = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    return f"{clock}:{rest // 10:02}.{rest % 10}"


def _describe_moment(moment: Moment) -> dict[str, Any]:
    row: dict[str, Any] = {"time_s": round(moment.time_s, 3), "llr": moment.llr}
    return row if moment.box is None else row | {"box": list(moment.box)}
