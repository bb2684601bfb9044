"""The ladder of `quantize --auto` on a student that integers cannot hold, as Markdown.

    python tools/climb_broken_student.py runs/demo FOLDER

An eighth of the first convolution's channels is made 3,000 times as large and what reads them as
much smaller: in float the student answers as before, and in one range for all channels the others
are lost. FOLDER, which must not exist, keeps the trainings and the sensitivities.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gazeclip.console.lines import print_line
from gazeclip.console.tables import Table, print_markdown
from gazeclip.errors import GazeClipError
from gazeclip.run.context import Context
from gazeclip.run.folder import Run
from gazeclip.stages.load import load_run_student
from quantize.ladder import Attempt, choose_attempt, climb
from quantize.nncf_setup import prepare_nncf
from quantize.workshop import Workshop

FACTOR = 3000.0
SHARE = 8  # one channel of so many
_NORM = "backbone.bn1"  # of timm's MobileNetV4, as the layer that reads it
_NEXT = "backbone.blocks.0.0.conv"
_COLUMNS = ("step", "gate", "worst drop of allowed", "AUC", "TPR", "verdicts agree", "MB", "s")


@torch.no_grad()
def spoil_encoder(encoder: nn.Module) -> None:
    """Make some channels large and take it back in the next layer, in place."""
    norm: Any = encoder.get_submodule(_NORM)
    reader: Any = encoder.get_submodule(_NEXT)
    spoiled = slice(norm.weight.numel() // SHARE)
    norm.weight[spoiled] *= FACTOR
    norm.bias[spoiled] *= FACTOR
    reader.weight[:, spoiled] /= FACTOR  # (O, I, H, W)


def describe_attempt(attempt: Attempt) -> list[str]:
    """A row of the table."""
    entry = attempt.to_entry()
    return [
        attempt.step,
        attempt.gate.outcome,
        f"{attempt.gate.worst_ratio:.2f}",
        f"{entry['val']['auc']:.3f}",
        f"{entry['val']['tpr']:.3f}",
        f"{attempt.gate.agreement:.3f}",
        f"{entry['weights_mb']:.2f}",
        f"{attempt.seconds:.0f}",
    ]


def main(argv: Sequence[str]) -> int:
    """Print the table and what was kept."""
    if len(argv) != 2:
        print_line("usage: python tools/climb_broken_student.py RUN NEW_FOLDER", sys.stderr)
        return 2
    folder = Path(argv[1])
    try:
        context = Context(Run(Path(argv[0])))
        student = load_run_student(context)
        folder.mkdir(parents=True)
    except (GazeClipError, OSError) as error:
        print_line(f"error: {error}", sys.stderr)
        return 2
    spoil_encoder(student.encoder)
    prepare_nncf()
    attempts = list(climb(Workshop(context, student, folder), auto=True))
    rows = [describe_attempt(attempt) for attempt in attempts]
    print_markdown(Table(_COLUMNS, rows, left=(0, 1)))
    kept = choose_attempt(attempts)
    print_line(f"kept: {kept.step}; in float: {', '.join(kept.float_layers) or 'nothing'}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
