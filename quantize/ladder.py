"""From cheap to dear: the steps of quantization, each judged by the gate.

Without `auto` the first two are taken and the better one is kept. With it the ladder is climbed
until a step passes, and layers are left in float where nothing else does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

from torch import Tensor, nn

from gazeclip.console.progress import say
from gazeclip.networks.student import Student
from gazeclip.scoring.drops import Gate
from gazeclip.stages.gate import is_accepted
from quantize.encoder import count_quantizers
from quantize.judge import summarise_gate
from quantize.sensitivity import measure_sensitivity, write_sensitivity
from quantize.workshop import Workshop

State = dict[str, Tensor]
LONGER = 3  # times as many epochs
FASTER = 3.0  # times the learning rate
# At most this share of the convolutions is left in float: beyond, fp32 or fp16 is the better file.
_FLOAT_SHARE = 0.25


@dataclass(frozen=True)
class Attempt:
    """One step of the ladder, and what it cost.

    Several steps share a model; `state` is what it was after this one.
    """

    step: str
    model: Student
    state: State
    gate: Gate
    accepted: bool
    seconds: float
    float_layers: tuple[str, ...] = ()
    history: Sequence[Any] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        """Of convolutions and quantizers."""
        return count_quantizers(self.model.encoder)

    def to_entry(self) -> dict[str, Any]:
        """JSON values for the stage's record."""
        return {
            "step": self.step,
            "outcome": self.gate.outcome,
            "accepted": self.accepted,
            "val": summarise_gate(self.gate),
            "weights_mb": round(estimate_weights_mb(self.model, self.float_layers), 3),
            "seconds": round(self.seconds, 1),
            "float_layers": list(self.float_layers),
            "history": list(self.history),
        }


def climb(workshop: Workshop, auto: bool) -> Iterator[Attempt]:
    """The steps in order; with `auto` no more after one that is accepted."""
    for attempt in _take_steps(workshop, auto):
        _tell(attempt)
        yield attempt
        if auto and attempt.accepted:
            return


_Step = Callable[[float], Attempt]


def _take_steps(workshop: Workshop, auto: bool) -> Iterator[Attempt]:
    taken = []
    for step in _list_steps(workshop, auto):
        taken.append(step(time.perf_counter()))
        yield taken[-1]
    if auto:
        yield from _leave_in_float(workshop, calibrated=taken[0])


def _list_steps(workshop: Workshop, auto: bool) -> list[_Step]:
    """Each trains from the calibrated model on."""

    @cache
    def calibrate_once() -> tuple[Student, State]:
        model = workshop.calibrate()
        return model, copy_state(model)

    def calibrate(started: float) -> Attempt:
        return _judge(workshop, "calibrated", calibrate_once()[0], started)

    def train(started: float, step: str, epochs: int, lr: float) -> Attempt:
        model, calibrated = calibrate_once()
        model.load_state_dict(calibrated)
        history = workshop.train(model, step.replace(" ", "-"), epochs, lr)["history"]
        return _judge(workshop, step, model, started, history=history)

    steps: list[_Step] = [calibrate, partial(train, step="trained", epochs=1, lr=1.0)]
    if auto:
        steps.append(partial(train, step="trained longer", epochs=LONGER, lr=FASTER))
    return steps


def _leave_in_float(workshop: Workshop, calibrated: Attempt) -> Iterator[Attempt]:
    """The most sensitive layers in float, twice as many at each turn: calibrated, then trained."""
    started = time.perf_counter()
    # Ranges that a training has moved say little of those that the next calibration finds.
    calibrated.model.load_state_dict(calibrated.state)
    rows = measure_sensitivity(workshop, calibrated.model)
    write_sensitivity(workshop.folder, rows)
    most = int(_FLOAT_SHARE * len(rows))
    count = 1
    while count <= most:
        layers = tuple(row.layer for row in rows[:count])
        step = f"{count} layers in float" if count > 1 else "1 layer in float"
        model = workshop.calibrate(layers)
        yield _judge(workshop, step, model, started, layers)
        started = time.perf_counter()
        history = workshop.train(model, f"float-{count}")["history"]
        yield _judge(workshop, f"{step}, trained", model, started, layers, history)
        started = time.perf_counter()
        count *= 2


def _judge(
    workshop: Workshop,
    step: str,
    model: Student,
    started: float,
    float_layers: tuple[str, ...] = (),
    history: Sequence[Any] = (),
) -> Attempt:
    gate = workshop.judge.compare(model.eval())
    accepted = is_accepted(workshop.context.recipe.gate, gate)
    seconds = time.perf_counter() - started
    return Attempt(step, model, copy_state(model), gate, accepted, seconds, float_layers, history)


def copy_state(model: nn.Module) -> State:
    """Parameters and buffers, which later steps leave as they are."""
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def _tell(attempt: Attempt) -> None:
    figures = summarise_gate(attempt.gate)
    say(
        f"quantize: {attempt.step}: {attempt.gate.outcome}, worst "
        f"{attempt.gate.worst_ratio:.2f} of what is allowed; AUC {figures['auc']:.4f}, TPR "
        f"{figures['tpr']:.3f}, {attempt.gate.agreement:.1%} of the verdicts agree; weights "
        f"{estimate_weights_mb(attempt.model, attempt.float_layers):.2f} MB, "
        f"{attempt.seconds:.0f} s"
    )


def choose_attempt(attempts: Sequence[Attempt]) -> Attempt:
    """An accepted one before others, then the one whose largest drop is the smallest.

    Its model has its weights again.
    """
    chosen = max(attempts, key=lambda item: (item.accepted, -item.gate.worst_ratio))
    chosen.model.load_state_dict(chosen.state)
    return chosen


def estimate_weights_mb(model: Student, float_layers: Sequence[str]) -> float:
    """Megabytes of the encoder's weights: one byte each, four in layers that are left in float."""
    total = 0
    for name, part in model.encoder.named_modules():
        if isinstance(part, nn.Conv2d):
            total += part.weight.numel() * (4 if name in float_layers else 1)
    return total / 1e6
