"""How much each layer's quantizers move the verdicts: those of one layer off in turn."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from gazeclip.console.progress import progress
from gazeclip.console.tables import Table
from gazeclip.files.atomic import write_json, write_text
from gazeclip.networks.student import Student
from gazeclip.stages.gate import VAL
from quantize.encoder import named_quantizers
from quantize.figure import draw_bars
from quantize.fuse import prepare_encoder
from quantize.layers import map_inputs, map_operations
from quantize.workshop import Workshop

IMAGES = 256  # of val, spread over its labels
_BATCH_SIZE = 64
JSON = "sensitivity.json"
FIGURE = "sensitivity.svg"


@dataclass(frozen=True)
class LayerEffect:
    """What one layer's quantizers do.

    Attributes:
        layer: name of the convolution.
        weights: how many it has, biases included.
        error_with: root mean square of the LLR's difference from the float student's with all
            quantizers on; `error_without`: with those of the layer's weights and input off.
    """

    layer: str
    weights: int
    error_with: float
    error_without: float

    @property
    def gain(self) -> float:
        """How much of the error goes with this layer's quantizers."""
        return self.error_with - self.error_without


def measure_sensitivity(workshop: Workshop, model: Student) -> list[LayerEffect]:
    """Every convolution of a quantized student, the most sensitive first."""
    pixels = _read_pixels(workshop)
    evidence = workshop.judge.twin_rule.evidence

    def weigh(student: Student) -> np.ndarray:
        with torch.inference_mode():
            outputs = [student(part) for part in pixels.split(_BATCH_SIZE)]
        fake_logit = torch.cat([item.fake_logit for item in outputs]).numpy()
        logits = torch.cat([item.logits for item in outputs]).numpy()
        return evidence.weigh_unlimited(fake_logit, logits)

    wanted = weigh(workshop.student)

    def measure_error() -> float:
        return float(np.sqrt(np.mean((weigh(model) - wanted) ** 2)))

    error_with = measure_error()
    found = []
    for layer, quantizers in progress(list(_group_quantizers(workshop, model)), "sensitivity"):
        with _switched_off(quantizers):
            error_without = measure_error()
        weights = sum(part.numel() for part in model.encoder.get_submodule(layer).parameters())
        found.append(LayerEffect(layer, weights, error_with, error_without))
    return sorted(found, key=lambda row: (-row.gain, row.layer))


def _read_pixels(workshop: Workshop) -> Tensor:
    """`(N, 3, S, S)` uint8 of val."""
    images = workshop.context.read_pixels(VAL, IMAGES)
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()


def _group_quantizers(workshop: Workshop, model: Student) -> Iterator[tuple[str, list[nn.Module]]]:
    """Each convolution with the quantizers of its weights and of its input."""
    size = workshop.context.contract.size
    example = torch.zeros(1, 3, size, size)
    prepared = prepare_encoder(workshop.student.encoder, size)
    operations = map_operations(prepared, example)
    inputs = map_inputs(prepared, example)
    by_hook = {
        name.partition(".")[2]: module for name, module, _ in named_quantizers(model.encoder)
    }
    for layer, operation in operations.items():
        # A hook is named by its operation and port: 0 is what a convolution reads, 1 its weights.
        hooks = (f"{operation}__1.0", f"{operation}__0.0", f"{inputs[layer]}__0.0")
        yield layer, [by_hook[hook] for hook in hooks if hook in by_hook]


@contextlib.contextmanager
def _switched_off(quantizers: Sequence[nn.Module]) -> Iterator[None]:
    for quantizer in quantizers:
        quantizer.disable_quantization()  # type: ignore[operator]
    try:
        yield
    finally:
        for quantizer in quantizers:
            quantizer.enable_quantization()  # type: ignore[operator]


def build_table(rows: Sequence[LayerEffect]) -> Table:
    """The most sensitive layer first."""
    cells = [
        (row.layer, f"{row.weights:,}", f"{row.error_without:.3f}", f"{row.gain:+.3f}")
        for row in rows
    ]
    title = f"LLR error with all quantizers: {rows[0].error_with:.3f}" if rows else ""
    return Table(("layer", "weights", "error without it", "gain"), cells, title=title)


def write_sensitivity(folder: Path, rows: Sequence[LayerEffect]) -> None:
    """The table as JSON and a figure."""
    write_json(folder / JSON, [asdict(row) | {"gain": row.gain} for row in rows])
    bars = [(row.layer, row.gain) for row in rows]
    write_text(folder / FIGURE, draw_bars(bars, "LLR error that a layer's quantizers make"))
