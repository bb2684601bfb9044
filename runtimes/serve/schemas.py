"""The answers as types, for OpenAPI: what `verify --json` prints, field by field.

They document and are not used to make an answer, so that they cost nothing; a test compares.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Closed(BaseModel):
    """No other fields than these."""

    model_config = ConfigDict(extra="forbid")


class Attribution(_Closed):
    """One class and its probability."""

    name: str
    title: str
    category: str
    family: str
    p: float = Field(ge=0, le=1)


class Gaze(_Closed):
    """Gaze direction in radians."""

    pitch: float
    yaw: float


class Judged(_Closed):
    """A verdict on one image, or on one face of it where faces are looked for."""

    source: str = Field(description="the file's name, or `image 0`")
    frame: int = Field(ge=1)
    frames: int = Field(ge=1, description="how many the file has; the first one is judged")
    note: str | None = Field(description="what was done about its colours")
    verdict: Literal["real", "fake", "inconclusive"]
    llr: float = Field(description="log-likelihood ratio; above 0 it speaks for a forgery")
    strength: str
    fake_probability: float = Field(ge=0, le=1)
    prior: float
    fake_from: float
    real_below: float
    operating_point: str
    generator: Attribution | None
    attribution: list[Attribution]
    gaze: Gaze | None = Field(description="null where the model learnt no gaze")
    engine: str
    precision: str
    timings_ms: dict[str, float]
    face: int | None = Field(default=None, ge=1)
    box: list[int] | None = Field(default=None, min_length=4, max_length=4)
    crop: list[int] | None = Field(default=None, min_length=4, max_length=4)
    face_score: float | None = None
    unjudged_faces: list[str] | None = None
    embedding: list[float] | None = None


class Faceless(_Closed):
    """A photograph without a face that can be judged."""

    source: str
    verdict: None
    outcome: str = Field(description="`no_face`, `too_small`, `cut_off`, ...")
    reason: str
    remedy: str | None


class Unread(_Closed):
    """One of several files that is no image that can be read."""

    source: str
    verdict: None
    error: str
    remedy: str | None


class Bundle(_Closed):
    """What judged."""

    folder: str
    target: str
    precision: str
    digest: str


class OperatingPoint(_Closed):
    """The thresholds, and what is known of their rates."""

    name: str
    fake_from: float
    real_below: float
    target_fpr: float | None
    target_miss: float | None
    fpr_bound: float | None
    miss_bound: float | None
    n_real: int | None
    n_fake: int | None
    reliable: bool


class Summary(_Closed):
    """How many of each."""

    real: int
    fake: int
    inconclusive: int
    error: int
    no_usable_face: int | None = None


class VerifyAnswer(_Closed):
    """All files of a request in order."""

    schema_: Literal[2] = Field(alias="schema")
    bundle: Bundle
    engine: str
    threads: int
    crop: Literal["whole", "face"]
    operating_point: OperatingPoint
    results: list[Judged | Faceless | Unread]
    summary: Summary


class Error(_Closed):
    """Why there is no verdict, and what to do."""

    error: str
    remedy: str


class State(_Closed):
    """Whether the server is up."""

    status: Literal["ok"]
