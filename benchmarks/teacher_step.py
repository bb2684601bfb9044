"""What a training step of the full teacher costs beside its parts run separately.

    python -m benchmarks.teacher_step --batch 8

Forward and backward of GazeCLIP on ViT-B/16 (random weights, float32) against open_clip's ViT-B/16
on the same images and prompts plus a pass of the same frozen gaze encoder. open_clip runs its text
encoder over all 77 places; because GazeCLIP cuts prompts to the longest, ratios are to an open_clip
that does so too. Interleaved rounds in one process; quote ratios, not times.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F

from benchmarks.measure.latency import LatencyConfig, measure_latency
from gazeclip.cli.guard import guard
from gazeclip.console.lines import print_line
from gazeclip.console.parser import CommandParser
from gazeclip.console.progress import progress_callback
from gazeclip.errors import ConfigError
from gazeclip.recipe.teacher import GazeConfig, GazeKind, TeacherConfig, TextConfig
from gazeclip.system.memory import keep_freed_memory
from gazeclip.system.threads import usable_threads
from gazeclip.taxonomy import Taxonomy
from gazeclip.teacher.gaze.encoder import GazeEncoder
from gazeclip.teacher.gaze.ethxgaze import EthXGaze
from gazeclip.teacher.gaze.l2cs import L2CS
from gazeclip.teacher.image.clip import build_clip
from gazeclip.teacher.losses import TeacherLoss
from gazeclip.teacher.model import GazeCLIP

ENCODERS: dict[GazeKind, Callable[[], GazeEncoder]] = {"l2cs": L2CS, "eth-xgaze": EthXGaze}
CUT = "open_clip + gaze encoder, prompts cut"
WHOLE = "open_clip + gaze encoder, 77 places"
TEACHER = "GazeCLIP"
STORED = "GazeCLIP, gaze features stored"
FROZEN = "GazeCLIP, gaze stored, text frozen"


def build_steps(batch: int, gaze: GazeKind, size: int = 224) -> dict[str, Callable[[], None]]:
    """name -> one forward and backward on `batch` random images."""
    torch.manual_seed(0)
    taxonomy = Taxonomy.load("dfad")
    classes = taxonomy.classes()
    prompts = [taxonomy.prompts(name) for name in classes]
    encoder = ENCODERS[gaze]().freeze()
    pixels = torch.randint(0, 256, (batch, 3, size, size), dtype=torch.uint8)
    labels = torch.arange(batch) % len(classes)
    config = TeacherConfig(
        tower="clip", clip_pretrained="none", gaze=GazeConfig(gaze), text=TextConfig()
    )
    frozen = replace(config, text=TextConfig(frozen=True))
    features = encoder(pixels)
    return {
        WHOLE: _build_open_clip_step(
            build_clip(config, size, load=False), encoder, pixels, labels, prompts
        ),
        CUT: _build_open_clip_step(
            build_clip(config, size, load=False), encoder, pixels, labels, prompts, cut=True
        ),
        TEACHER: _build_teacher_step(
            GazeCLIP(config, prompts, size, encoder, load=False), pixels, labels, None
        ),
        STORED: _build_teacher_step(
            GazeCLIP(config, prompts, size, encoder, load=False), pixels, labels, features
        ),
        FROZEN: _build_teacher_step(
            GazeCLIP(frozen, prompts, size, encoder, load=False), pixels, labels, features
        ),
    }


def _build_open_clip_step(
    clip: Any,
    encoder: GazeEncoder,
    pixels: torch.Tensor,
    labels: torch.Tensor,
    prompts: list[Any],
    cut: bool = False,
) -> Callable[[], None]:
    """open_clip's own image and text encoders with cross-entropy, and the gaze encoder beside them.

    Each class prompt is encoded once and averaged. `cut`: its text side is given the places that
    the longest prompt needs.
    """
    import open_clip

    unique = list(dict.fromkeys(text for row in prompts for text in row))
    # `(classes, prompts of a class)`: where each stands among the unique ones.
    place = torch.tensor([[unique.index(text) for text in row] for row in prompts])
    tokens = open_clip.get_tokenizer("ViT-B-16")(unique)
    if cut:
        tokens = cut_to_longest(clip, tokens)
    clip.train()

    def run_step() -> None:
        with torch.no_grad():
            encoder(pixels)
        image = F.normalize(clip.encode_image(pixels.float() / 255.0), dim=-1)
        text = F.normalize(clip.encode_text(tokens)[place].mean(1), dim=-1)
        F.cross_entropy(clip.logit_scale.exp() * image @ text.T, labels).backward()
        clip.zero_grad(set_to_none=True)

    return run_step


def cut_to_longest(clip: Any, tokens: torch.Tensor) -> torch.Tensor:
    """Take the places that no prompt needs from an open_clip model's text side.

    `tokens (N, 77)` come back without padding.
    """
    length = int((tokens != 0).sum(1).max())
    clip.attn_mask = clip.attn_mask[:length, :length]
    clip.positional_embedding = torch.nn.Parameter(
        clip.positional_embedding[:length].detach().clone()
    )
    return tokens[:, :length]


def _build_teacher_step(
    model: GazeCLIP, pixels: torch.Tensor, labels: torch.Tensor, features: Any
) -> Callable[[], None]:
    criterion = TeacherLoss(model.config)
    model.train()

    def run_step() -> None:
        criterion(model(pixels, features), labels)["loss"].backward()
        model.zero_grad(set_to_none=True)

    return run_step


def _parse_options(argv: list[str]) -> argparse.Namespace:
    parser = CommandParser(
        prog="python -m benchmarks.teacher_step", description=__doc__, allow_abbrev=False
    )
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0, help="0: what this process may use")
    parser.add_argument("--gaze", choices=tuple(ENCODERS), default="l2cs")
    args = parser.parse_args(argv)
    if args.batch < 1 or args.rounds < 1 or args.threads < 0:
        raise ConfigError(
            "--batch and --rounds must be at least 1, --threads not negative",
            remedy="Use the defaults",
        )
    return args


def main(argv: list[str]) -> int:
    """Measure and print."""
    args = _parse_options(argv)
    threads = args.threads or usable_threads()
    torch.set_num_threads(threads)
    keep_freed_memory()  # as the stages do
    with progress_callback("teacher step") as update:
        config = LatencyConfig(
            rounds=args.rounds,
            budget_s=args.rounds,
            max_calls_per_round=1,
            warmup_max_s=1.0,
            max_repeats=args.rounds,
        )
        found = measure_latency(
            build_steps(args.batch, args.gaze),
            config,
            threads=threads,
            batch=args.batch,
            progress=update,
        )
    print_line(
        f"ViT-B/16, gaze encoder {args.gaze}, batch {args.batch}, float32, {threads} threads, "
        f"forward + backward, median of {args.rounds} rounds"
    )
    for name, stats in found.items():
        note = " (disturbed by other work)" if stats.disturbed else ""
        ratio = stats.p50 / found[CUT].p50
        print_line(f"  {name:40} {stats.p50:9.0f} ms  {ratio:5.2f} x open_clip{note}")
    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    guard(main)
