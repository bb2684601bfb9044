"""Two angles that cannot run away: a linear layer in units of the teacher's gaze."""

from __future__ import annotations

import torch
from torch import Tensor, nn

# In spreads of the teacher's gaze. Within 2.5 of them, which holds nearly all faces, the bounded
# value stays near the plain one.
LIMIT = 4.0
# In radians, about half a degree: a teacher whose gaze hardly varies would else be learnt to
# its rounding.
MIN_SPREAD = 0.01


class GazeHead(nn.Module):
    """Features `(B, G)` -> pitch and yaw in radians `(B, 2)`.

    The angles are `mean + spread * LIMIT * tanh(z / LIMIT)`, z a linear layer of the features: far
    angles are out of reach, and z is of size 1 whatever the teacher's gaze is. It starts at the
    mean. `mean` and `spread` (`(2,)`, radians) are saved with the weights.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.linear = nn.Linear(features, 2)
        nn.init.normal_(self.linear.weight, std=0.01)
        nn.init.zeros_(self.linear.bias)
        self.register_buffer("mean", torch.zeros(2))
        self.register_buffer("spread", torch.ones(2))
        self.mean: Tensor
        self.spread: Tensor

    @property
    def is_trained(self) -> bool:
        """Whether it has learnt anything: without a gaze to learn its bias stays the 0 it began at.

        Then the loss has no slope here, and weight decay does not move a zero.
        """
        return bool(self.linear.bias.any())

    @torch.no_grad()
    def fit_range(self, gaze: Tensor) -> None:
        """Take mean and spread from the teacher's gaze `(..., 2)` in radians.

        Rows that are not finite have no gaze; where no row has one, mean 0 and spread 1 stay.
        """
        rows = gaze.reshape(-1, 2).double()
        rows = rows[torch.isfinite(rows).all(-1)]
        if not len(rows):
            return
        self.mean.copy_(rows.mean(0))
        self.spread.copy_(rows.std(0, correction=0).clamp(min=MIN_SPREAD))

    def forward(self, features: Tensor) -> Tensor:
        bounded = LIMIT * torch.tanh(self.linear(features) / LIMIT)
        return self.mean + self.spread * bounded
