"""What the teacher returns."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


# Tuples, because DistributedDataParallel looks for the parameters behind an output's tensors in
# those, and not in dataclasses.
class VisualOutput(NamedTuple):
    """What the image side says of B images.

    `embedding (B, D)` L2-normalised; `attribution (B, C)` and `detection (B, 2)` head logits;
    `gaze (B, 2)` pitch and yaw in radians from the frozen gaze encoder, NaN for a teacher without
    one; `gaze_attribution (B, C)`: what the attribution head says of the gaze alone, only where the
    loss wants it.
    """

    embedding: Tensor
    attribution: Tensor
    detection: Tensor
    gaze: Tensor
    gaze_attribution: Tensor | None = None

    def float(self) -> VisualOutput:
        """In float32."""
        return VisualOutput(
            self.embedding.float(),
            self.attribution.float(),
            self.detection.float(),
            self.gaze.float(),
            None if self.gaze_attribution is None else self.gaze_attribution.float(),
        )


class TeacherOutput(NamedTuple):
    """Image and text side together.

    `text (C, D)` L2-normalised; `text_logits (B, C)` = scale * embedding @ text.T; `logits (B, C)`
    the fused attribution logits; `fake_logit (B, 1)` the fused detection logit, > 0 = fake;
    `logit_scale ()`; `text_groups (C,)`: classes with the same number have the same prompts.
    `level_logits (B, C, L)`: scaled similarities with the prompts' levels, only where the loss
    wants them; `level_counts (C, L)`: how many classes share a prompt. The rest as in
    `VisualOutput`.
    """

    embedding: Tensor
    attribution: Tensor
    detection: Tensor
    gaze: Tensor
    text: Tensor
    text_logits: Tensor
    logits: Tensor
    fake_logit: Tensor
    logit_scale: Tensor
    text_groups: Tensor
    level_logits: Tensor | None
    level_counts: Tensor
    gaze_attribution: Tensor | None = None
