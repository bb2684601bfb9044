"""One image's outputs become its verdict: evidence, an operating point, the answer."""

from __future__ import annotations

import time
from typing import NamedTuple

from gazeclip.bundle.bundle import Bundle, prior_log_odds
from gazeclip.bundle.contents import OperatingPoint
from gazeclip.bundle.layout import SHIPPED_POINT
from gazeclip.scoring.evidence import name_strength
from gazeclip.scoring.thresholds import REAL
from runtimes.batches import Outputs
from runtimes.engines.base import Engine
from runtimes.outputs import find_generator, rank_classes, sigmoid, softmax, weigh_scores
from runtimes.sources import Decoded
from runtimes.verdict import Gaze, Verdict


class Rule(NamedTuple):
    """How a call decides: at which operating point, and with which prior its probabilities are."""

    point: OperatingPoint
    prior: float
    prior_log_odds: float


class Judge:
    """What a bundle makes of its model's outputs. May be shared between threads."""

    def __init__(self, bundle: Bundle, engine: Engine) -> None:
        self.bundle = bundle
        self.engine = engine
        self._temperature = bundle.temperature["attribution"]
        self._evidence = bundle.evidence
        self._classes = bundle.classes
        self._tells_gaze = bundle.tells_gaze

    def make_rule(self, threshold: str | float = SHIPPED_POINT, prior: float = 0.5) -> Rule:
        """The rule of an operating point, or of a fake probability, at a prior.

        Raises:
            ConfigError: unknown operating point, or a number outside (0, 1).
        """
        point = self.bundle.operating_point(threshold, prior)
        return Rule(point, prior, prior_log_odds(prior))

    def decide(
        self, item: Decoded, answer: Outputs, rule: Rule, timings_ms: dict[str, float]
    ) -> Verdict:
        """The verdict on one image by its outputs, which have no batch axis."""
        started = time.perf_counter()
        logits = answer["logits"].tolist()
        llr = weigh_scores(self._evidence, answer["fake_logit"].item(), logits)
        ranked = rank_classes(self._classes, softmax(logits, self._temperature))
        point = rule.point
        decided = point.decide(llr)
        gaze = Gaze(*answer["gaze"].tolist()) if self._tells_gaze else None
        return Verdict(
            source=item.name,
            frame=item.frame,
            frames=item.frames,
            note=item.note,
            face=item.face,
            verdict=decided,
            llr=llr,
            strength=name_strength(llr),
            fake_probability=sigmoid(llr + rule.prior_log_odds),
            prior=rule.prior,
            fake_from=point.fake_from,
            real_below=point.real_below,
            operating_point=point.name,
            attribution=ranked,
            generator=None if decided == REAL else find_generator(ranked),
            gaze=gaze,
            engine=self.engine.label,
            precision=self.bundle.precision,
            timings_ms={**timings_ms, "post": (time.perf_counter() - started) * 1e3},
            embedding=answer["embedding"],
        )
