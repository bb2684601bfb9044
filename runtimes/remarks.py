"""What is said on standard error beside verdicts: failures, what was left out, colours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gazeclip.errors import FaceError, ImageError
from runtimes.verifier import Outcome


def describe_remarks(judged: Sequence[tuple[str, Outcome]], frames: int | None) -> Iterator[str]:
    """Lines in the order of the images; what holds for a whole file is said once.

    Args:
        frames: how many of one file were to be judged; None: all.
    """
    file: str | None = None
    seen: set[int] = set()  # frames of that file
    notes: set[str] = set()  # said of that file
    for source, outcome in judged:
        if isinstance(outcome, ImageError):
            yield f"{'no verdict' if isinstance(outcome, FaceError) else 'error'}: {outcome}"
            continue
        if outcome.face is not None and outcome.face.number > 1:
            continue  # of each frame once
        if outcome.face is not None and outcome.face.unjudged:
            names = ", ".join(outcome.face.unjudged)
            yield f"warning: {source}: other faces that are not judged: {names}"
        if source != file or outcome.frame in seen:  # a file may be named twice
            file = source
            seen = set()
            notes = set()
            if frames is not None and outcome.frames > frames:
                judged_only = "the first is" if frames == 1 else f"the first {frames} are"
                yield f"warning: {source}: {outcome.frames} frames, only {judged_only} judged"
        seen.add(outcome.frame)
        if outcome.note is not None and outcome.note not in notes:
            notes.add(outcome.note)
            yield f"warning: {source}: {outcome.note}"
