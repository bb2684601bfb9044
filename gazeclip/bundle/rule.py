"""From scores to answers at one operating point, for whole splits. NumPy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gazeclip.bundle.contents import OperatingPoint
from gazeclip.scoring.evidence import Evidence
from gazeclip.scoring.outputs import SplitOutputs
from gazeclip.scoring.thresholds import decide_all


@dataclass(frozen=True)
class Rule:
    """From scores to answers, as a bundle carries it."""

    evidence: Evidence
    point: OperatingPoint

    def weigh(self, outputs: SplitOutputs) -> np.ndarray:
        """LLR `(N,)`."""
        return self.evidence.weigh(outputs.fake_logit, outputs.logits)

    def rank(self, outputs: SplitOutputs) -> np.ndarray:
        """LLR `(N,)` without its limits, which would make images equal."""
        return self.evidence.weigh_unlimited(outputs.fake_logit, outputs.logits)

    def answer(self, outputs: SplitOutputs) -> np.ndarray:
        """`(N,)` names of `gazeclip.scoring.thresholds.ANSWERS`."""
        return decide_all(self.weigh(outputs), self.point.fake_from, self.point.real_below)
