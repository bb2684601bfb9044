"""GazeCLIP, the teacher.

A reconstruction of arXiv:2603.29295 from its abstract; see docs/architecture.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gazeclip.errors import ConfigError
from gazeclip.files.hashes import shorten_name
from gazeclip.networks.weights import load_strict
from gazeclip.recipe.teacher import TeacherConfig
from gazeclip.teacher.gaze.angles import mirror_doubt
from gazeclip.teacher.gaze.build import build_gaze_encoder
from gazeclip.teacher.gaze.encoder import GazeEncoder, GazeFeatures
from gazeclip.teacher.groups import Rates, group_parameters, is_gate
from gazeclip.teacher.heads import Heads
from gazeclip.teacher.image.build import build_towers
from gazeclip.teacher.image.hybrid import Seen
from gazeclip.teacher.image.prompts import GazePrompts
from gazeclip.teacher.image.vpe import VisualPerception
from gazeclip.teacher.outputs import TeacherOutput, VisualOutput
from gazeclip.teacher.store import MODEL_FILE, StoredTeacher, read_teacher, write_teacher
from gazeclip.teacher.text.lre import LanguageEncoder

_MAX_SCALE = math.log(100.0)


class GazeCLIP(nn.Module):
    """Gaze encoder -> prompts -> image tower (GIE) -> VPE -> heads, against the texts of the LRE.

    No gradient ever reaches the gaze encoder from here. One without weights is left unfrozen, to be
    trained on gaze labels by itself (`model.gaze_encoder`, then `mark_trained` and `freeze`) before
    the teacher is.

    Args:
        classes_prompts: per class its four prompts, coarse to fine; class 0 is real.
        image_size: side of the square input in pixels.
        gaze_encoder: one to use instead of building the configured kind.
        load: read pretrained weights; False builds the bare network for `load` to fill.

    Raises:
        ConfigError, WeightsError, MissingDependencyError: from the parts.
    """

    def __init__(
        self,
        config: TeacherConfig,
        classes_prompts: Sequence[Sequence[str]],
        image_size: int,
        gaze_encoder: GazeEncoder | None = None,
        load: bool = True,
    ) -> None:
        super().__init__()
        if gaze_encoder is not None and config.gaze.kind == "none":
            raise ConfigError(
                "gaze.kind=none, but a gaze encoder was given", remedy="Drop one of the two"
            )
        self.config = config
        self.prompts = tuple(tuple(row) for row in classes_prompts)
        self.image_size = image_size
        if gaze_encoder is None:
            gaze_encoder = build_gaze_encoder(config.gaze, load)
        self.gaze_encoder = gaze_encoder
        if self.gaze_encoder is not None and self.gaze_encoder.pretrained:
            self.gaze_encoder.freeze()
        self.tower, text, scale = build_towers(config, image_size, len(self.prompts), load)
        self.embed_dim = self.tower.embed_dim
        self._build_gaze_path()
        self.heads = Heads(self.embed_dim, len(self.prompts), config.head_dropout)
        self.lre = LanguageEncoder(config.text, self.prompts, self.embed_dim, text)
        self._frozen_levels: Tensor | None = None
        if config.text.frozen:
            self.lre.requires_grad_(False)
            self.lre.level_weights.requires_grad_(True)
            self.register_load_state_dict_post_hook(
                lambda *_: setattr(self, "_frozen_levels", None)
            )
        self.logit_scale = nn.Parameter(torch.tensor(scale))

    def _build_gaze_path(self) -> None:
        """From gaze features to prompts, into the tower and into the VPE."""
        config = self.config
        encoder = self.gaze_encoder
        width = self.tower.width
        # The widths of a named CLIP tower need not divide by the recipe's heads.
        divides = width % config.heads == 0 and self.embed_dim % config.heads == 0
        heads = config.heads if divides else 1
        by_prompts = encoder is not None and config.gaze.prompts
        by_vpe = encoder is not None and config.use_vpe
        channels = encoder.channels if encoder is not None else 0
        tokens = config.gaze.tokens
        self.gaze_prompts: GazePrompts | None = None
        if by_prompts or by_vpe:
            self.gaze_prompts = GazePrompts(config.gaze, channels, width, heads)
        if config.deep_prompts and by_prompts:
            self.tower.use_deep_prompts(tokens, config.deep_prompts)
        self.vpe = VisualPerception(
            self.embed_dim,
            width if by_vpe else None,
            channels if config.gaze.signal != "vector" else None,
            heads,
        )

    @property
    def classes(self) -> int:
        """C, the number of classes."""
        return len(self.prompts)

    @torch.no_grad()
    def encode_gaze(self, pixels: Tensor) -> GazeFeatures | None:
        """Frozen gaze features of uint8 pixels `(B, 3, S, S)`, to compute once and pass in.

        None without encoder.
        """
        if self.gaze_encoder is None:
            return None
        features: GazeFeatures = self.gaze_encoder(pixels)
        if self.config.gaze.doubt:
            mirrored = self.gaze_encoder(pixels.flip(-1))
            features = replace(features, doubt=mirror_doubt(features.gaze, mirrored.gaze))
        return features

    def encode_image(
        self, pixels: Tensor, gaze: GazeFeatures | None = None, seen: Seen | None = None
    ) -> VisualOutput:
        """The image side of uint8 RGB `(B, 3, S, S)`.

        `gaze` spares the gaze encoder and `seen` the CNNs where they were run before.
        """
        features = gaze
        if gaze is None or self.gaze_encoder is None:
            features = self.encode_gaze(pixels)
        if seen is None:
            tokens, said = self.tower.look(pixels)
        else:
            tokens, said = self.tower.read(seen)  # type: ignore[operator]
        return self.perceive(tokens, features, said)

    def perceive(
        self, tokens: Tensor, features: GazeFeatures | None, said: Tensor | None = None
    ) -> VisualOutput:
        """The rest of `encode_image`, from the tower's tokens and the gaze features on.

        `tokens` and `said` are what `ImageTower.look` gives.
        """
        dropout = self.config.gaze.dropout
        prompts = None
        if self.gaze_prompts is not None:
            prompts = self.gaze_prompts(features)  # (B, K, width)
        whole = prompts
        keep: Tensor | float = 1.0
        if prompts is not None and self.training and dropout:
            # (B, 1): whole images go without gaze, so that the rest of the teacher learns as well.
            drawn = torch.rand(len(prompts), 1, device=prompts.device)
            keep = (drawn >= dropout).to(prompts.dtype)
            prompts = prompts * keep.unsqueeze(-1)
        v_a = self.tower.attend(tokens, prompts if self.config.gaze.prompts else None)
        v = self.vpe(v_a, prompts, features, keep)
        attribution, detection = self.heads(v)
        if said is not None:
            attribution = attribution + said
            # The same as two classes (B, 2): real, and all forgeries together.
            forged = torch.logsumexp(said[:, 1:], dim=1)
            detection = detection + torch.stack((said[:, 0], forged), dim=1)
        # From the prompts before their dropout: zeroed ones have nothing to say.
        of_gaze = self.vpe.judge_gaze(whole, features) if self.config.w_gaze else None
        # Gaze learns to speak to the head as it is: the head is there for the whole.
        alone = None if of_gaze is None else self.heads.attribute_fixed(of_gaze)
        angles = v.new_full((v.shape[0], 2), float("nan")) if features is None else features.gaze
        return VisualOutput(F.normalize(v, dim=-1), attribution, detection, angles, alone)

    def encode_text(self) -> tuple[Tensor, Tensor]:
        """`(embeddings (C, D), levels (C, levels, D))`, L2-normalised.

        This needs no image, so it can be stored. The prompts of a frozen text side are encoded
        once, until other weights are loaded or the model moves.
        """
        if not self.config.text.frozen:
            return self.lre()
        if self._frozen_levels is None or self._frozen_levels.device != self.logit_scale.device:
            # Also under inference_mode these must be ordinary tensors: the next training step uses
            # them.
            with torch.inference_mode(False), torch.no_grad():
                self._frozen_levels = self.lre.encode_levels()
        return self.lre.mix_levels(self._frozen_levels), self._frozen_levels

    def forward(
        self,
        pixels: Tensor,
        gaze: GazeFeatures | None = None,
        text: Tensor | None = None,
        seen: Seen | None = None,
    ) -> TeacherOutput:
        """Both sides.

        `text (C, D)`: embeddings of `encode_text` computed before, e.g. for evaluation; the rest as
        in `encode_image`.
        """
        levels = None
        if text is None:
            text, levels = self.encode_text()
        return self.score(self.encode_image(pixels, gaze, seen), text, levels)

    def score(
        self, visual: VisualOutput, text: Tensor, levels: Tensor | None = None
    ) -> TeacherOutput:
        """Compare images with texts `(C, D)` and fuse the heads that the loss trained.

        `levels (C, L, D)`, the texts' levels, are for the loss only. Always in float32: under
        autocast a scaled similarity would keep two digits only.
        """
        with torch.autocast(text.device.type, enabled=False):
            wanted = levels if self.config.w_levels else None
            levels = None if wanted is None else wanted.float()
            return self._fuse_scores(visual.float(), text.float(), levels)

    def _fuse_scores(
        self, visual: VisualOutput, text: Tensor, levels: Tensor | None
    ) -> TeacherOutput:
        config = self.config
        scale = self.logit_scale.clamp(max=_MAX_SCALE).exp()
        text_logits = scale * visual.embedding @ text.T  # (B, D) @ (D, C)
        trained = ((text_logits, config.w_nce), (visual.attribution, config.w_attribution))
        by_class = [part for part, weight in trained if weight]
        logits = torch.stack(by_class or [text_logits]).mean(0)  # (B, C)
        # Log odds (B,): of all forgeries together against real, and of the detection head.
        fake = [torch.logsumexp(logits[:, 1:], dim=1) - logits[:, 0]]
        if config.w_detection or config.w_consistency:
            fake.append(visual.detection[:, 1] - visual.detection[:, 0])
        level_logits = None
        if levels is not None:
            level_logits = scale * torch.einsum("bd,cld->bcl", visual.embedding, levels)
        return TeacherOutput(
            embedding=visual.embedding,
            attribution=visual.attribution,
            detection=visual.detection,
            gaze=visual.gaze,
            text=text,
            text_logits=text_logits,
            logits=logits,
            fake_logit=torch.stack(fake).mean(0).unsqueeze(1),
            logit_scale=scale,
            text_groups=self.lre.groups,
            level_logits=level_logits,
            level_counts=self.lre.level_counts,
            gaze_attribution=visual.gaze_attribution,
        )

    def backbone_parameters(self) -> list[nn.Parameter]:
        """Parameters that came with pretrained weights and want a smaller learning rate.

        None where all is random.
        """
        parameters = self.tower.pretrained_parameters()
        if parameters and self.config.tower == "clip":
            fresh = {id(p) for p in (*self.lre.selectors.parameters(), self.lre.level_weights)}
            parameters += [p for p in self.lre.parameters() if id(p) not in fresh]
        return parameters

    def parameter_groups(
        self, lr: float, pretrained_scale: float, weight_decay: float
    ) -> list[dict[str, Any]]:
        """Optimizer groups: pretrained weights at `lr * pretrained_scale`, gates at their own rate.

        The gaze encoder is in none of them. What decays is told in `gazeclip.teacher.groups`.
        """
        of_gaze: set[int] = set()
        if self.gaze_encoder is not None:
            of_gaze = {id(parameter) for parameter in self.gaze_encoder.parameters()}
        named = [pair for pair in self.named_parameters() if id(pair[1]) not in of_gaze]
        rates = Rates(lr, pretrained_scale, self.config.gate_lr_scale)
        return group_parameters(named, self.backbone_parameters(), rates, weight_decay)

    def train(self, mode: bool = True) -> GazeCLIP:
        """The gaze encoder stays in eval mode: inside the teacher it is a measuring device."""
        super().train(mode)
        if self.gaze_encoder is not None:
            self.gaze_encoder.eval()
        return self

    def read_gates(self) -> dict[str, list[float]]:
        """Where the scalars are now that start at 0.

        gamma or beta still at 0: its part does nothing; level weights at 0: an even mix.
        """
        gates = {}
        for name, parameter in sorted(self.named_parameters()):
            if is_gate(name):
                gates[name] = parameter.detach().flatten().tolist()
        return gates

    def describe(self) -> str:
        """One line: tower, weights, gaze encoder and trainable size."""
        config = self.config
        image = f"{config.clip_model} ({shorten_name(config.clip_pretrained)})"
        if config.tower == "hybrid":
            image = f"{config.backbone} ({shorten_name(config.backbone_weights)})"
        if any(config.sizes):
            image += " at " + " and ".join(f"{size or self.image_size} px" for size in config.sizes)
        gaze = self.gaze_encoder.describe() if self.gaze_encoder is not None else "no gaze"
        size = sum(p.numel() for p in self.parameters() if p.requires_grad) / 1e6
        return f"{config.tower} {image}, D={self.embed_dim}, {size:.1f} M trainable; {gaze}"

    def save(self, folder: str | Path) -> None:
        """Write `model.safetensors` (frozen gaze weights included) and `config.json`."""
        encoder = self.gaze_encoder
        gaze = None
        if encoder is not None:
            gaze = {"pretrained": encoder.pretrained, "origin": encoder.origin}
        stored = StoredTeacher(
            config=self.config,
            prompts=self.prompts,
            image_size=self.image_size,
            gaze=gaze,
            tensors=self.state_dict(),
        )
        write_teacher(Path(folder), stored)

    @classmethod
    def load(cls, folder: str | Path) -> GazeCLIP:
        """The inverse of `save`, in eval mode; needs none of the original weight files.

        Raises:
            ArtifactError: a file is missing, damaged or of another kind.
            WeightsError: the tensors do not fit the configuration.
        """
        folder = Path(folder)
        stored = read_teacher(folder)
        model = cls(stored.config, stored.prompts, stored.image_size, load=False)
        load_strict(model, stored.tensors, folder / MODEL_FILE)
        if model.gaze_encoder is not None and stored.gaze and stored.gaze["pretrained"]:
            model.gaze_encoder.mark_trained(stored.gaze["origin"])
            model.gaze_encoder.freeze()
        return model.eval()
