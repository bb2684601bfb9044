"""The answer about one image."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from gazeclip.scoring.thresholds import FAKE
from runtimes.video.track import Track


class Attribution(NamedTuple):
    """One class and its probability `p`."""

    name: str
    title: str
    category: str
    family: str
    p: float


class Gaze(NamedTuple):
    """Gaze direction in radians."""

    pitch: float
    yaw: float


class Face(NamedTuple):
    """Which face of a photograph a verdict is about.

    Attributes:
        number: 1 for the largest of those that were judged.
        box: `x0, y0, x1, y1` in whole pixels of the upright photograph, beyond its edge perhaps.
        crop: what the model saw, likewise; always inside the photograph. A square, unless the
            photograph was a crop already and was taken whole (`runtimes.faces.crop.MAX_ASPECT`).
        score: how sure the detector is that it is a face, from 0 to 1.
        unjudged: why the photograph's other faces were not judged, one name for each.
        unjudged_boxes: their boxes, in the same order.
    """

    number: int
    box: tuple[int, ...]
    crop: tuple[int, ...]
    score: float
    unjudged: tuple[str, ...] = ()
    unjudged_boxes: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True)
class Verdict:
    """Whether an image is real or fake, on what evidence, and what computed it.

    Attributes:
        verdict: `real`, `fake` or `inconclusive`.
        llr: log-likelihood ratio (natural logarithm) of forged against real; above 0 it speaks for
            forged. It holds no prior.
        strength: the word of the verbal scale for it.
        fake_probability: what the LLR makes of `prior`, the probability of a forgery before the
            image is seen.
        fake_from: an image is `fake` from this LLR on, `real` below `real_below`.
        operating_point: the name of these two.
        attribution: all classes with their probabilities, the most probable first.
        generator: the most probable forgery and its share among the forgeries; None where the
            verdict is `real`.
        gaze: where the face looks; None where the bundle says that its model learnt no gaze.
        embedding: `(D,)` float32 of unit length.
        timings_ms: `decode`, `inference` and `post`; the last two are the batch's time divided by
            its size. `detect` where faces were looked for; of several faces each has its share.
        frames: the number in the file (animations, pages); this verdict is on number `frame`.
        note: what was done about the image's colours, such as a conversion to sRGB; None: nothing.
        face: which face it is about; None where the whole image was judged.
        track: of a film, the frames it is about, whose means it holds; None of an image.
    """

    source: str
    verdict: str
    llr: float
    strength: str
    fake_probability: float
    prior: float
    fake_from: float
    real_below: float
    operating_point: str
    attribution: tuple[Attribution, ...]
    generator: Attribution | None
    gaze: Gaze | None
    engine: str
    precision: str
    timings_ms: dict[str, float] = field(compare=False)
    embedding: np.ndarray = field(compare=False, repr=False)
    frame: int = 1
    frames: int = 1
    note: str | None = None
    face: Face | None = None
    track: Track | None = None

    @property
    def is_fake(self) -> bool:
        """Whether the verdict is `fake`; `inconclusive` is neither."""
        return self.verdict == FAKE

    def to_dict(self, embedding: bool = True) -> dict[str, Any]:
        """Plain values for JSON; `embedding=False` leaves the D numbers out."""
        generator = None if self.generator is None else self.generator._asdict()
        data: dict[str, Any] = {
            "source": self.source,
            "frame": self.frame,
            "frames": self.frames,
            "note": self.note,
            "verdict": self.verdict,
            "llr": self.llr,
            "strength": self.strength,
            "fake_probability": self.fake_probability,
            "prior": self.prior,
            "fake_from": self.fake_from,
            "real_below": self.real_below,
            "operating_point": self.operating_point,
            "generator": generator,
            "attribution": [entry._asdict() for entry in self.attribution],
            "gaze": None if self.gaze is None else self.gaze._asdict(),
            "engine": self.engine,
            "precision": self.precision,
            "timings_ms": {key: round(value, 4) for key, value in self.timings_ms.items()},
        }
        if self.face is not None:
            data["face"] = self.face.number
            data["box"] = list(self.face.box)
            data["crop"] = list(self.face.crop)
            data["face_score"] = self.face.score
            data["unjudged_faces"] = list(self.face.unjudged)
        if self.track is not None:
            data |= self.track.to_dict()
        return data | {"embedding": self.embedding.tolist()} if embedding else data
