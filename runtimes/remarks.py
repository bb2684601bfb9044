"""What is said on standard error beside verdicts: failures, what was left out, colours."""

from __future__ import annotations

from collections.abc import Iterator

from gazeclip.errors import FaceError, ImageError
from runtimes.verdict import Verdict
from runtimes.verifier import Outcome


class Remarks:
    """Lines about outcomes as they come; what holds for a whole file is said once."""

    def __init__(self, frames: int | None) -> None:
        """Nothing was said yet.

        Args:
            frames: how many of one file were to be judged; None: all.
        """
        self._frames = frames
        self._file: str | None = None
        self._seen: set[int] = set()  # frames of that file
        self._notes: set[str] = set()  # said of that file

    def describe(self, source: str, outcome: Outcome) -> Iterator[str]:
        """The lines about one outcome, which follows those before it in order."""
        if isinstance(outcome, ImageError):
            yield f"{'no verdict' if isinstance(outcome, FaceError) else 'error'}: {outcome}"
        if isinstance(outcome, FaceError):
            yield from (f"warning: {source}: {remark}" for remark in outcome.remarks)
            yield from self._describe_file(source, outcome)
        if isinstance(outcome, ImageError):
            return
        if outcome.track is not None:
            yield from outcome.track.describe(source)
            return
        if outcome.face is not None and outcome.face.number > 1:
            return  # of each frame once
        if outcome.face is not None and outcome.face.unjudged:
            names = ", ".join(outcome.face.unjudged)
            yield f"warning: {source}: other faces that are not judged: {names}"
        yield from self._describe_file(source, outcome)

    def _describe_file(self, source: str, outcome: Verdict | FaceError) -> Iterator[str]:
        if source != self._file or outcome.frame in self._seen:  # a file may be named twice
            self._file = source
            self._seen = set()
            self._notes = set()
            frames = self._frames
            if frames is not None and outcome.frames > frames:
                judged_only = "the first is" if frames == 1 else f"the first {frames} are"
                yield f"warning: {source}: {outcome.frames} frames, only {judged_only} judged"
        self._seen.add(outcome.frame)
        if outcome.note is not None and outcome.note not in self._notes:
            self._notes.add(outcome.note)
            yield f"warning: {source}: {outcome.note}"
