"""The terms a student learns by, one class each; `DistillationLoss` adds them up, weighted."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gazeclip.networks.student import StudentOutput
from gazeclip.recipe.stages import DistillLoss


class EmbeddingLoss(nn.Module):
    """Mean of `1 - cos` between embeddings `(B, D)`.

    They are unit vectors, so this is half their squared L2 distance.
    """

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        # The student's are of unit length already; the teacher's were stored in 16 bits.
        return (1.0 - (student * F.normalize(teacher, dim=-1)).sum(-1)).mean()


class RelationLoss(nn.Module):
    """Contrastive relation: who resembles whom within the batch, teacher against student.

    Cross-entropy between the rows of two `(B, B)` similarity matrices of unit embeddings, each
    softmaxed at `temperature` without its diagonal; minus the teacher's own entropy, so that
    perfect agreement is 0. After the similarity-preserving distillation of MobileCLIP
    (arXiv:2311.17049, section 3).
    """

    def __init__(self, temperature: float = 0.1) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        teacher = F.normalize(teacher, dim=-1)
        # (B, B) without its diagonal, read row by row, is (B, B - 1): an image resembles itself in
        # any case, and that would drown all else.
        off_diagonal = ~torch.eye(len(student), dtype=torch.bool, device=student.device)
        rows = (len(student), len(student) - 1)
        seen = (student @ student.t())[off_diagonal].view(rows)
        wanted = (teacher @ teacher.t())[off_diagonal].view(rows)
        log_p = F.log_softmax(seen / self.temperature, dim=-1)
        log_q = F.log_softmax(wanted / self.temperature, dim=-1)
        # "batchmean" divides the sum by B; "mean" would divide it by B * (B - 1).
        return F.kl_div(log_p, log_q, reduction="batchmean", log_target=True)


class LogitLoss(nn.Module):
    """KL(teacher || student) over classes `(B, C)` at temperature T, times T squared.

    As in Hinton et al., arXiv:1503.02531.
    """

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        t = self.temperature
        log_p = F.log_softmax(student / t, dim=-1)
        log_q = F.log_softmax(teacher / t, dim=-1)
        # Gradients shrink with T squared; the factor keeps the term's weight whatever T is.
        return t * t * F.kl_div(log_p, log_q, reduction="batchmean", log_target=True)


class DetectionLoss(nn.Module):
    """BCE of the fake logit `(B, 1)` against the mean of label and teacher's probability."""

    def forward(self, student: Tensor, teacher: Tensor, fake: Tensor) -> Tensor:
        target = 0.5 * (fake.float()[:, None] + torch.sigmoid(teacher))  # (B, 1)
        return F.binary_cross_entropy_with_logits(student, target)


class GazeLoss(nn.Module):
    """Smooth L1 between gazes `(B, 2)` in units of `spread (2,)`, both in radians.

    Rows of the teacher with NaN have no gaze and are left out. The plain angle between two gazes
    pulls as weakly from far as from near, and in radians its weight would depend on how much the
    teacher's gaze varies. Smooth L1 is Huber's (DOI 10.1214/aoms/1177703732): squared up to one
    spread, linear beyond.
    """

    def __init__(self, spread: Tensor) -> None:
        super().__init__()
        self.spread = spread

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        known = torch.isfinite(teacher).all(-1)
        if not bool(known.any()):  # 0, but with a path to the parameters for `backward`
            return student.sum() * 0.0
        distance = (student[known] - teacher[known]) / self.spread.to(student)
        return F.smooth_l1_loss(distance, torch.zeros_like(distance))


class DistillationLoss(nn.Module):
    """All terms, with the recipe's weights, and their sum.

    `teacher` holds `embedding (B, D)`, `logits (B, C)`, `fake_logit (B, 1)`, `gaze (B, 2)`;
    `label (B,)`. `gaze_spread (2,)` is that of the teacher's gaze in radians, see `GazeHead`.
    """

    def __init__(self, weights: DistillLoss, gaze_spread: Tensor) -> None:
        super().__init__()
        self.weights = weights
        self.embedding = EmbeddingLoss()
        self.relation = RelationLoss()
        self.logits = LogitLoss(weights.temperature)
        self.detection = DetectionLoss()
        self.gaze = GazeLoss(gaze_spread)

    def forward(
        self, output: StudentOutput, teacher: dict[str, Tensor], label: Tensor
    ) -> dict[str, Tensor]:
        w = self.weights
        # Each a scalar. A term of weight 0 is computed all the same, and adds nothing.
        terms = {
            "embedding": w.embedding * self.embedding(output.embedding, teacher["embedding"]),
            "relation": w.relation * self.relation(output.embedding, teacher["embedding"]),
            "logits": w.logits * self.logits(output.logits, teacher["logits"]),
            "gaze": w.gaze * self.gaze(output.gaze, teacher["gaze"]),
            "attribution": w.attribution
            * F.cross_entropy(output.logits, label, label_smoothing=w.label_smoothing),
            "detection": w.detection
            * self.detection(output.fake_logit, teacher["fake_logit"], label != 0),
        }
        return {**terms, "loss": torch.stack(list(terms.values())).sum()}
