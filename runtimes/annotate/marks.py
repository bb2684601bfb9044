"""What is drawn for an outcome: its colours, its box, its words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from gazeclip.console.text import printable
from gazeclip.errors import FaceError
from gazeclip.scoring.evidence import name_strength
from gazeclip.scoring.thresholds import FAKE, INCONCLUSIVE, REAL
from runtimes.verdict import Attribution, Verdict

Colour = tuple[int, int, int]
_BLACK: Colour = (0, 0, 0)
_WHITE: Colour = (255, 255, 255)
_NO_EVIDENCE = name_strength(0.0)
_MOST_LABELS = 6  # of faces that are not judged: more of them would hide those that are


class Style(NamedTuple):
    """Colour of box and label, colour of the words on it, and whether the box is dashed."""

    fill: Colour
    ink: Colour
    dashed: bool = False


class Mark(NamedTuple):
    """One label, and what it is about.

    Attributes:
        title: its first line, the answer.
        details: phrases below it; each starts a line.
        box: `x0, y0, x1, y1` in pixels of the upright picture; None: the whole picture.
        framed: whether what it is about has a line around it.
    """

    style: Style
    title: str
    details: tuple[str, ...] = ()
    box: tuple[int, ...] | None = None
    framed: bool = True


# Vermilion, blue and yellow of the palette of Okabe and Ito (2008), which people with any of the
# usual kinds of colour blindness tell apart. The answer is also written, and a doubt is dashed.
STYLES = {
    FAKE: Style((213, 94, 0), _BLACK),
    REAL: Style((0, 114, 178), _WHITE),
    INCONCLUSIVE: Style((240, 228, 66), _BLACK, dashed=True),
}
UNJUDGED = Style(_WHITE, _BLACK, dashed=True)


def make_marks(outcomes: Sequence[Verdict | FaceError]) -> list[Mark]:
    """What is drawn into one picture, given all that was said of it.

    Faces are numbered where there are several.
    """
    numbered = len(outcomes) > 1
    marks = []
    for outcome in outcomes:
        if isinstance(outcome, FaceError):
            marks += _mark_obstacles("no verdict", outcome.faces or [(outcome.outcome, None)])
        else:
            marks.append(_mark_verdict(outcome, numbered))
    first = outcomes[0] if outcomes else None
    if isinstance(first, Verdict) and first.face is not None and first.face.unjudged:
        face = first.face
        others = zip(face.unjudged, face.unjudged_boxes, strict=True)
        marks += _mark_obstacles("not judged", list(others))
    return marks


def _mark_obstacles(title: str, faces: Sequence[tuple[str, tuple[int, ...] | None]]) -> list[Mark]:
    """A mark for each face that cannot be judged; of a crowd one that counts the reasons."""
    if len(faces) > _MOST_LABELS:
        counts = Counter(_name_reason(reason) for reason, _ in faces)
        said = ", ".join(f"{name}: {count}" for name, count in counts.items())
        return [Mark(UNJUDGED, f"{len(faces)} faces: {title}", (said,), framed=False)]
    return [Mark(UNJUDGED, title, (_name_reason(reason),), box) for reason, box in faces]


def _name_reason(reason: str) -> str:
    return reason.replace("_", " ")


def _mark_verdict(verdict: Verdict, numbered: bool) -> Mark:
    strength = "no" if verdict.strength == _NO_EVIDENCE else verdict.strength
    details = [f"LLR {verdict.llr:+.2f}, {strength} evidence"]
    if verdict.generator is not None:
        details.append(f"{_name_generator(verdict.generator)} {verdict.generator.p:.2f}")
    title = verdict.verdict
    box = None
    if verdict.face is not None:
        box = verdict.face.box
        title = f"{verdict.face.number}: {title}" if numbered else title
    return Mark(STYLES[verdict.verdict], title, tuple(details), box)


def _name_generator(generator: Attribution) -> str:
    """Its title where Pillow's own font has the letters, else its name."""
    title = generator.title
    is_latin = title.isprintable() and all(ord(letter) < 256 for letter in title)
    return title if is_latin else printable(generator.name)
