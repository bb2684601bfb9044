"""What pruning a run's student costs by the gate, and what it saves, as Markdown.

    python tools/measure_pruning.py runs/demo

NNCF prunes single weights by their size. The bytes are those of the convolutions' weights in 8
bits, as a file holds them, and what zlib leaves of these, as a download may be packed.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from export.packed_matrix import round_to_levels
from export.quiet import quiet
from gazeclip.console.lines import print_line
from gazeclip.console.tables import Table, print_markdown
from gazeclip.errors import GazeClipError
from gazeclip.run.context import Context
from gazeclip.run.folder import Run
from gazeclip.stages.load import load_run_student
from quantize.judge import StudentJudge
from quantize.nncf_setup import prepare_nncf

RATIOS = (0.0, 0.1, 0.2, 0.3, 0.5)
_COLUMNS = ("pruned", "gate", "verdicts agree", "AUC", "TPR", "attribution", "MB", "MB packed")
_BEST_COMPRESSION = 9


def prune_encoder(encoder: nn.Module, ratio: float, size: int) -> nn.Module:
    """The encoder without that share of its weights, the smallest of all layers."""
    prepare_nncf()
    import nncf

    example = torch.zeros(1, 3, size, size)
    with quiet():
        mode = nncf.PruneMode.UNSTRUCTURED_MAGNITUDE_GLOBAL
        masked = nncf.prune(encoder, mode, ratio=ratio, examples_inputs=example)
        stripped: nn.Module = nncf.strip(
            masked, strip_format=nncf.StripFormat.IN_PLACE, example_input=example
        )
    return stripped


def gather_levels(encoder: nn.Module) -> bytes:
    """The weights of all convolutions in 8 bits."""
    weights = [value.detach().numpy() for value in encoder.parameters() if value.ndim == 4]
    return b"".join(round_to_levels("", weight).values.tobytes() for weight in weights)


def measure_ratio(context: Context, judge: StudentJudge, ratio: float) -> list[str]:
    """A row of the table."""
    student = load_run_student(context)
    if ratio > 0:
        encoder = prune_encoder(student.encoder, ratio, context.contract.size)
        student = student.with_encoder(encoder).eval()
    gate = judge.compare(student)
    after: dict[str, Any] = {drop.figure: drop.after for drop in gate.drops}
    levels = gather_levels(student.encoder)
    return [
        f"{ratio:.0%}",
        gate.outcome,
        f"{gate.agreement:.3f}",
        f"{after['auc']:.4f}",
        f"{after['tpr']:.3f}",
        f"{after['attribution']:.3f}",
        f"{len(levels) / 1e6:.2f}",
        f"{len(zlib.compress(levels, _BEST_COMPRESSION)) / 1e6:.2f}",
    ]


def main(argv: Sequence[str]) -> int:
    """Print the table of one run."""
    if len(argv) != 1:
        print_line("usage: python tools/measure_pruning.py RUN", sys.stderr)
        return 2
    try:
        context = Context(Run(Path(argv[0])))
        judge = StudentJudge(context, load_run_student(context))
    except GazeClipError as error:
        print_line(f"error: {error}", sys.stderr)
        return 2
    rows = [measure_ratio(context, judge, ratio) for ratio in RATIOS]
    print_markdown(Table(_COLUMNS, rows, left=(0, 1)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
