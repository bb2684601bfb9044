"""The ladder stops where the gate passes, leaves layers in float last, and keeps the best."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from gazeclip.recipe.stages import GateConfig
from gazeclip.scoring.drops import CANNOT_TELL, FAIL, FIGURES, PASS, Drop, Gate
from quantize import ladder
from quantize.ladder import Attempt, choose_attempt, climb, estimate_weights_mb
from quantize.sensitivity import LayerEffect


def build_gate(outcome: str, ratio: float) -> Gate:
    drops = [
        Drop(name, 0.9, 0.9, ratio * 0.1, 0.0, 0.0, 0.1, outcome, images=100) for name in FIGURES
    ]
    return Gate(tuple(drops), agreement=0.98)


class FakeWorkshop:
    """Says by step what the gate finds; every step that is taken is written down."""

    def __init__(self, folder: Path, outcomes: dict[str, str], allow_undecided: bool) -> None:
        gate = GateConfig(allow_undecided=allow_undecided)
        self.context = SimpleNamespace(recipe=SimpleNamespace(gate=gate))
        self.folder = folder
        self.outcomes = outcomes
        self.taken: list[str] = []
        self.judge = self

    def calibrate(self, float_layers: tuple[str, ...] = ()) -> Any:
        self.taken.append(f"calibrated {len(float_layers)}")
        model = nn.Module()
        model.encoder = nn.ModuleDict({f"layer{n}": nn.Conv2d(2, 2, 1) for n in range(8)})
        return model

    def train(self, model: Any, step: str, epochs: int = 1, lr: float = 1.0) -> dict[str, Any]:
        self.taken.append(step)
        return {"history": [{"epoch": 1}]}

    def compare(self, model: Any) -> Gate:
        outcome = self.outcomes.get(self.taken[-1], FAIL)
        return build_gate(outcome, ratio=0.5 if outcome == PASS else 2.0)


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    rows = [LayerEffect(f"layer{n}", 4, 0.5, 0.4 + n / 100, 0.1 - n / 100) for n in range(8)]
    monkeypatch.setattr(ladder, "measure_sensitivity", lambda workshop, model: rows)
    monkeypatch.setattr(ladder, "count_quantizers", lambda encoder: {})

    def build_workshop(outcomes: dict[str, str], allow_undecided: bool = False) -> FakeWorkshop:
        return FakeWorkshop(tmp_path, outcomes, allow_undecided)

    return build_workshop


def test_without_auto_the_first_two_steps_are_taken_whatever_they_bring(build: Any) -> None:
    workshop = build({"calibrated 0": PASS})
    attempts = list(climb(workshop, auto=False))
    assert [attempt.step for attempt in attempts] == ["calibrated", "trained"]
    assert choose_attempt(attempts).step == "calibrated"


def test_each_training_starts_from_the_calibrated_model(build: Any) -> None:
    workshop = build({"calibrated 0": CANNOT_TELL, "trained-longer": PASS})
    seen: list[float] = []

    def train(model: Any, step: str, epochs: int = 1, lr: float = 1.0) -> dict[str, Any]:
        workshop.taken.append(step)
        with torch.no_grad():
            seen.append(float(model.encoder["layer0"].weight.sum()))
            model.encoder["layer0"].weight += 1.0
        return {"history": []}

    workshop.train = train
    attempts = list(climb(workshop, auto=True))
    assert [attempt.step for attempt in attempts] == ["calibrated", "trained", "trained longer"]
    assert seen[0] == seen[1]
    chosen = choose_attempt(attempts[:1])  # what a later step changed is taken back
    assert float(chosen.model.encoder["layer0"].weight.sum()) == seen[0]


@pytest.mark.parametrize(
    ("passing", "steps"),
    [
        ("calibrated 0", ["calibrated"]),
        ("trained", ["calibrated", "trained"]),
        ("trained-longer", ["calibrated", "trained", "trained longer"]),
    ],
)
def test_auto_stops_at_the_first_step_that_passes(
    build: Any, passing: str, steps: list[str]
) -> None:
    workshop = build({passing: PASS})
    assert [attempt.step for attempt in climb(workshop, auto=True)] == steps


def test_layers_are_left_in_float_the_most_sensitive_first(build: Any, tmp_path: Path) -> None:
    workshop = build({"float-2": PASS})
    attempts = list(climb(workshop, auto=True))
    told = [(attempt.step, attempt.float_layers) for attempt in attempts[3:]]
    assert told == [
        ("1 layer in float", ("layer0",)),
        ("1 layer in float, trained", ("layer0",)),
        ("2 layers in float", ("layer0", "layer1")),
        ("2 layers in float, trained", ("layer0", "layer1")),
    ]
    chosen = choose_attempt(attempts)
    assert chosen.accepted and chosen.step == "2 layers in float, trained"
    assert (tmp_path / "sensitivity.svg").read_text().count(">layer") == 8
    # A quarter of the convolutions at most: with none passing it ends there.
    assert len(list(climb(build({}), auto=True))) == 7


def test_layers_in_float_are_not_trained_where_that_is_not_needed(build: Any) -> None:
    workshop = build({"calibrated 2": PASS})
    assert [attempt.step for attempt in climb(workshop, auto=True)][-1] == "2 layers in float"
    assert workshop.taken[-1] == "calibrated 2"


def test_sensitivity_is_that_of_the_calibrated_model(
    build: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop = build({})
    seen = []

    def train(model: Any, step: str, epochs: int = 1, lr: float = 1.0) -> dict[str, Any]:
        with torch.no_grad():
            model.encoder["layer0"].weight.fill_(7.0)
        return {"history": []}

    def measure(workshop: Any, model: Any) -> list[LayerEffect]:
        seen.append(float(model.encoder["layer0"].weight.max()))
        return []

    workshop.train = train
    monkeypatch.setattr(ladder, "measure_sensitivity", measure)
    list(climb(workshop, auto=True))
    assert len(seen) == 1 and seen[0] < 7.0


def test_an_undecided_step_ends_the_climb_only_where_that_is_allowed(build: Any) -> None:
    said = {"calibrated 0": CANNOT_TELL, "trained": PASS}
    assert [each.step for each in climb(build(said, True), auto=True)] == ["calibrated"]
    assert [each.step for each in climb(build(said), auto=True)] == ["calibrated", "trained"]


def test_float_layers_weigh_four_bytes() -> None:
    model: Any = nn.Module()
    model.encoder = nn.ModuleDict({"a": nn.Conv2d(100, 100, 1), "b": nn.Conv2d(50, 100, 1)})
    assert estimate_weights_mb(model, ()) == pytest.approx(0.015)
    assert estimate_weights_mb(model, ("a",)) == pytest.approx(0.045)


def test_what_passes_goes_before_what_drops_less() -> None:
    def build_attempt(step: str, accepted: bool, ratio: float) -> Attempt:
        gate = build_gate(PASS if accepted else FAIL, ratio)
        return Attempt(step, torch.nn.Identity(), {}, gate, accepted, 1.0)  # type: ignore[arg-type]

    attempts = [build_attempt("a", False, 0.3), build_attempt("b", True, 0.9)]
    assert choose_attempt(attempts).step == "b"
    attempts.append(build_attempt("c", True, 0.8))
    assert choose_attempt(attempts).step == "c"
