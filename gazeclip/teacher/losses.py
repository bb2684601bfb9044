"""The teacher's loss terms; each is a class, returns a scalar, and says which shapes it takes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gazeclip.errors import StageError
from gazeclip.recipe.teacher import TeacherConfig
from gazeclip.teacher.outputs import TeacherOutput


class MultiPositiveInfoNCE(nn.Module):
    """Symmetric InfoNCE between images and class texts where everything of one class is a positive.

    Image to text: softmax over the C texts; the positives of an image are the texts of its class,
    duplicates of that text included. Text to image: for every class present, softmax over the
    batch; the positives are all images of the class. With several positives the log-probabilities
    are averaged (the "out" form of arXiv:2004.11362).
    """

    def forward(self, logits: Tensor, labels: Tensor, groups: Tensor) -> Tensor:
        """The loss of `logits (B, C)`, scaled similarities.

        `labels (B,)`; `groups (C,)`: equal for classes with equal texts.
        """
        # (B, C): which texts are an image's own.
        positive = (groups[labels][:, None] == groups[None, :]).to(logits.dtype)
        to_text = -(positive * logits.log_softmax(1)).sum(1) / positive.sum(1)
        # A class without an image in the batch has no positive, and no say.
        present = positive.sum(0) > 0
        to_image = -(positive * logits.log_softmax(0)).sum(0)[present] / positive.sum(0)[present]
        return 0.5 * (to_text.mean() + to_image.mean())


class IdentityInfoNCE(nn.Module):
    """Symmetric InfoNCE as CLIP trains it: only the own pair is a positive. An ablation.

    Equal texts are negatives.
    """

    def forward(self, logits: Tensor, labels: Tensor, groups: Tensor) -> Tensor:
        """Shapes as in `MultiPositiveInfoNCE`; `groups` is not used."""
        pairs = logits[:, labels]  # (B, B): image against the text of another image
        own = torch.arange(len(labels), device=labels.device)
        return 0.5 * (F.cross_entropy(pairs, own) + F.cross_entropy(pairs.T, own))


class AttributionLoss(nn.Module):
    """Cross-entropy over the classes, with label smoothing."""

    def __init__(self, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing

    def forward(self, attribution: Tensor, labels: Tensor) -> Tensor:
        """`attribution (B, C)` logits, `labels (B,)`."""
        return F.cross_entropy(attribution, labels, label_smoothing=self.label_smoothing)


class DetectionLoss(nn.Module):
    """Cross-entropy real (class 0) against fake (every other class)."""

    def __init__(self, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing

    def forward(self, detection: Tensor, labels: Tensor) -> Tensor:
        """`detection (B, 2)` logits, `labels (B,)` class indices."""
        return F.cross_entropy(detection, (labels > 0).long(), label_smoothing=self.label_smoothing)


class LevelLoss(nn.Module):
    """Cross-entropy of an image against the different prompts of each level; mean over levels.

    The levels are real or fake, category, family, generator.
    """

    def forward(self, level_logits: Tensor, labels: Tensor, counts: Tensor) -> Tensor:
        """The loss of `level_logits (B, C, L)`, scaled similarities.

        `labels (B,)`; `counts (C, L)`: how many classes share a prompt.
        """
        # A prompt that n classes share is there n times; each copy counts 1/n.
        # (B, C, L) summed over the classes, against the own class: both (B, L).
        total = (level_logits - counts.log()).logsumexp(1)
        own = level_logits[torch.arange(len(labels), device=labels.device), labels]
        return (total - own).mean()


class ConsistencyLoss(nn.Module):
    """KL(detection || attribution's real against the rest): the two heads shall tell one story."""

    def forward(self, detection: Tensor, logits: Tensor) -> Tensor:
        """`detection (B, 2)` logits and fused attribution `logits (B, C)`."""
        rest = torch.logsumexp(logits[:, 1:], dim=1)  # (B,): all forgeries as one class
        other = torch.stack((logits[:, 0], rest), dim=1).log_softmax(1)
        own = detection.log_softmax(1)
        return (own.exp() * (own - other)).sum(1).mean()


class TeacherLoss(nn.Module):
    """The weighted sum: a dictionary with `loss` and every term that has a weight, unweighted."""

    def __init__(self, config: TeacherConfig) -> None:
        super().__init__()
        self.weights = {
            "nce": config.w_nce,
            "attribution": config.w_attribution,
            "detection": config.w_detection,
            "consistency": config.w_consistency,
            "levels": config.w_levels,
            "gaze": config.w_gaze,
        }
        self.nce = MultiPositiveInfoNCE() if config.nce_targets == "multi" else IdentityInfoNCE()
        self.attribution = AttributionLoss(config.label_smoothing)
        self.detection = DetectionLoss(config.label_smoothing)
        self.consistency = ConsistencyLoss()
        self.levels = LevelLoss()

    def forward(self, output: TeacherOutput, labels: Tensor) -> dict[str, Tensor]:
        """`labels (B,)`: class indices, 0 = real."""
        terms: dict[str, Tensor] = {}
        if self.weights["nce"]:
            terms["nce"] = self.nce(output.text_logits, labels, output.text_groups)
        if self.weights["attribution"]:
            terms["attribution"] = self.attribution(output.attribution, labels)
        if self.weights["detection"]:
            terms["detection"] = self.detection(output.detection, labels)
        if self.weights["consistency"]:
            terms["consistency"] = self.consistency(output.detection, output.logits)
        if self.weights["levels"]:
            if output.level_logits is None:
                raise StageError(
                    "the loss wants the texts' levels, and the teacher's answer has none",
                    remedy="Let the teacher encode its texts, or set teacher.model.w_levels=0",
                )
            terms["levels"] = self.levels(output.level_logits, labels, output.level_counts)
        if self.weights["gaze"] and output.gaze_attribution is not None:
            terms["gaze"] = self.attribution(output.gaze_attribution, labels)
        total = torch.stack([self.weights[name] * term for name, term in terms.items()]).sum()
        return {"loss": total, **terms}
