"""What an operator decides for a server: limits, token, and how requests are judged by default."""

from __future__ import annotations

from dataclasses import dataclass, field

from gazeclip.bundle.layout import SHIPPED_POINT
from gazeclip.images.crop_rule import WHOLE
from runtimes.serve.limits import Limits


@dataclass(frozen=True)
class Settings:
    """All of it.

    Attributes:
        token: what requests must carry; None: nothing.
        hosts: without a token: under which names this machine is asked, beside loopback's.
        crop, threshold, prior: of requests that do not say.
    """

    limits: Limits = field(default_factory=Limits)
    token: str | None = None
    hosts: tuple[str, ...] = ()
    crop: str = WHOLE
    threshold: str = SHIPPED_POINT
    prior: float = 0.5
