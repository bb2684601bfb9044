"""How much each layer's quantizers move the verdicts: those of one layer off, and on, in turn.

Where two layers are harmful, switching one of them off changes nothing. What a layer's quantizers
do while all others are off does not depend on the others, so that layers are ordered by it.
"""

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

IMAGES = 128  # of val, spread over its labels
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
            quantizers on; `error_without`: with those of the layer's weights and input off;
            `error_alone`: with no others on.
    """

    layer: str
    weights: int
    error_with: float
    error_without: float
    error_alone: float

    @property
    def gain(self) -> float:
        """How much of the error goes with this layer's quantizers."""
        return self.error_with - self.error_without


def measure_sensitivity(workshop: Workshop, model: Student) -> list[LayerEffect]:
    """Every convolution of a quantized student, the most sensitive first.

    Meanwhile it has the float student's weights and biases, those of its head too: what was
    corrected or trained makes up for quantizers, and is wrong where these are off.
    """
    prepared = prepare_encoder(workshop.student.encoder, workshop.context.contract.size)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    behind = {
        name: value
        for name, value in workshop.student.state_dict().items()
        if not name.startswith("encoder.")
    }
    model.load_state_dict(behind, strict=False)
    model.encoder.load_state_dict(prepared.state_dict(), strict=False)
    try:
        return _measure_layers(workshop, model, prepared)
    finally:
        model.load_state_dict(before)


def _measure_layers(workshop: Workshop, model: Student, prepared: nn.Module) -> list[LayerEffect]:
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
    everything = [quantizer for _, quantizer, _ in named_quantizers(model.encoder)]
    groups = list(_group_quantizers(workshop, model, prepared))
    for layer, quantizers in progress(groups, "sensitivity"):
        with _switched_off(quantizers):
            error_without = measure_error()
        others = [each for each in everything if not any(each is own for own in quantizers)]
        with _switched_off(others):
            error_alone = measure_error()
        weights = sum(part.numel() for part in model.encoder.get_submodule(layer).parameters())
        found.append(LayerEffect(layer, weights, error_with, error_without, error_alone))
    return sorted(found, key=lambda row: (-row.error_alone, row.layer))


def _read_pixels(workshop: Workshop) -> Tensor:
    """`(N, 3, S, S)` uint8 of val."""
    images = workshop.context.read_pixels(VAL, IMAGES)
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()


def _group_quantizers(
    workshop: Workshop, model: Student, prepared: nn.Module
) -> Iterator[tuple[str, list[nn.Module]]]:
    """Each convolution with the quantizers of its weights and of its input."""
    size = workshop.context.contract.size
    example = torch.zeros(1, 3, size, size)
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
        (
            row.layer,
            f"{row.weights:,}",
            f"{row.error_alone:.3f}",
            f"{row.error_without:.3f}",
            f"{row.gain:+.3f}",
        )
        for row in rows
    ]
    title = f"LLR error with all quantizers: {rows[0].error_with:.3f}" if rows else ""
    header = ("layer", "weights", "error of it alone", "error without it", "gain")
    return Table(header, cells, title=title)


def write_sensitivity(folder: Path, rows: Sequence[LayerEffect]) -> None:
    """The table as JSON and a figure."""
    write_json(folder / JSON, [asdict(row) | {"gain": row.gain} for row in rows])
    bars = [(row.layer, row.error_alone) for row in rows]
    write_text(folder / FIGURE, draw_bars(bars, "LLR error of a layer's quantizers alone"))
