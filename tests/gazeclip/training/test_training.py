"""The loop: a killed and resumed training ends with the same bits, a diverging one says where."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gazeclip.errors import StageError
from gazeclip.files.atomic import read_json
from gazeclip.files.tensors import load_tensors
from gazeclip.recipe.training import TrainConfig
from gazeclip.training import Ema, fit, learning_rate_factor, split_decay

STEPS = 3


class Toy:
    """Regression with dropout and batch statistics: everything that has a state or is random."""

    name = "toy"

    def __init__(
        self,
        kill_at: tuple[int, int] | None = None,
        nan_at: tuple[int, int] | None = None,
        steep_at: tuple[int, int] | None = None,
        scores: list[float] | None = None,
    ) -> None:
        torch.manual_seed(5)
        self.model = nn.Sequential(
            nn.Unflatten(1, (1, 2, 2)),
            nn.Conv2d(1, 2, 1),
            nn.Conv2d(2, 8, 2),
            nn.Flatten(),  # several channels, larger than 1x1
            nn.BatchNorm1d(8),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(8, 1),
        )
        self.kill_at, self.nan_at, self.steep_at, self.scores = (
            kill_at,
            nan_at,
            steep_at,
            None if scores is None else list(scores),
        )
        self.at, self.fetched = (0, 0), 0

    def parameter_groups(self, config: TrainConfig) -> list[dict[str, Any]]:
        return split_decay(self.model, config.lr, config.weight_decay)

    def batches(self, epoch: int, skip: int = 0) -> Iterator[dict[str, Tensor]]:
        for number in range(skip, STEPS):
            self.at = (epoch, number)
            if self.at == self.kill_at:
                raise KeyboardInterrupt
            self.fetched += 1
            generator = torch.Generator().manual_seed(epoch * 100 + number)
            yield {"pixels": torch.randn(6, 4, generator=generator), "label": torch.tensor(self.at)}

    def batches_per_epoch(self) -> int:
        return STEPS

    def loss(self, batch: dict[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
        x = batch["pixels"]
        loss = (model(x)[:, 0] - x.sum(1)).square().mean()
        if self.at == self.steep_at:
            loss = (
                loss + next(model.parameters()).sub(next(model.parameters()).detach()).sum().sqrt()
            )  # 0, with an infinite slope
        return {"loss": loss * float("nan") if self.at == self.nan_at else loss}

    def evaluate(self) -> dict[str, float]:
        if self.scores is not None:
            return {"score": self.scores.pop(0)}
        x = torch.linspace(-1, 1, 40).view(10, 4)
        with torch.no_grad():
            return {"score": -float((self.model(x)[:, 0] - x.sum(1)).square().mean())}

    def describe(self, batch: dict[str, Tensor]) -> str:
        return f"batch {batch['label'].tolist()}"


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


@pytest.mark.parametrize("ema", [0.0, 0.9])
@pytest.mark.parametrize("kill_at", [(1, 0), (2, 1), (4, 2)])
def test_killed_and_resumed_is_bit_identical(
    tmp_path: Path, ema: float, kill_at: tuple[int, int]
) -> None:
    config = TrainConfig(epochs=5, lr=0.03, ema_decay=ema)
    whole = Toy()
    expected = fit(whole, config, tmp_path / "whole", seed=1)
    with pytest.raises(KeyboardInterrupt):
        fit(Toy(kill_at), config, tmp_path / "parts", seed=1)
    resumed = Toy()
    torch.manual_seed(999)  # a new process has another generator state
    result = fit(resumed, config, tmp_path / "parts", seed=1)
    same(resumed.model.state_dict(), whole.model.state_dict())
    for name in ("last", "best"):
        same(
            *(
                load_tensors(tmp_path / folder / f"{name}.safetensors")[0]
                for folder in ("parts", "whole")
            )
        )
    assert result["best"] == expected["best"]
    assert [entry["loss"] for entry in result["history"]] == [
        entry["loss"] for entry in expected["history"]
    ]
    assert [entry["epoch"] for entry in read_json(tmp_path / "parts" / "history.json")] == [
        1,
        2,
        3,
        4,
        5,
    ]


@pytest.mark.parametrize("kill_at", [(0, 1), (1, 2), (3, 1)])
def test_killed_inside_an_epoch_goes_on_at_the_next_step(
    tmp_path: Path, kill_at: tuple[int, int]
) -> None:
    config = TrainConfig(epochs=4, lr=0.03, ema_decay=0.9, checkpoint_minutes=0.0)
    whole = Toy()
    expected = fit(whole, config, tmp_path / "whole", seed=1)
    with pytest.raises(KeyboardInterrupt):
        fit(Toy(kill_at), config, tmp_path / "parts", seed=1)
    assert load_tensors(tmp_path / "parts" / "last.safetensors")[1]["step"] == kill_at[1]
    resumed = Toy()
    torch.manual_seed(999)
    result = fit(resumed, config, tmp_path / "parts", seed=1)
    assert resumed.fetched == 4 * STEPS - (
        kill_at[0] * STEPS + kill_at[1]
    )  # no batch is made twice
    same(resumed.model.state_dict(), whole.model.state_dict())
    assert [entry["loss"] for entry in result["history"]] == [
        entry["loss"] for entry in expected["history"]
    ]


class Plain(Toy):
    """Without dropout and batch statistics, which see how a batch is cut."""

    def __init__(self, size: int) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.model, self.size = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1)), size

    def batches(self, epoch: int, skip: int = 0) -> Iterator[dict[str, Tensor]]:
        images = torch.randn(6, 4, generator=torch.Generator().manual_seed(epoch))
        for part in images.split(self.size)[skip:]:
            yield {"pixels": part, "label": torch.zeros(1)}

    def batches_per_epoch(self) -> int:
        return 6 // self.size


def test_accumulated_batches_are_one_large_batch(tmp_path: Path) -> None:
    large, small = Plain(3), Plain(1)
    fit(large, TrainConfig(epochs=3, lr=0.03, ema_decay=0.0), tmp_path / "large", seed=1)
    fit(
        small,
        TrainConfig(epochs=3, lr=0.03, ema_decay=0.0, accumulate=3),
        tmp_path / "small",
        seed=1,
    )
    for (name, a), b in zip(
        large.model.state_dict().items(), small.model.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(
            a, b, atol=1e-5, rtol=1e-4, msg=name
        )  # sums in another order, through Adam's division


def test_bf16_learns_and_leaves_a_float32_model(tmp_path: Path) -> None:
    task, seen = Toy(), set()
    task.model[-1].register_forward_hook(
        lambda module, inputs, output: seen.add((module.training, output.dtype))
    )
    result = fit(
        task, TrainConfig(epochs=30, lr=0.03, ema_decay=0.0, precision="bf16"), tmp_path, seed=0
    )
    assert (True, torch.bfloat16) in seen and (True, torch.float32) not in seen
    assert result["best"]["score"] > result["history"][0]["score"] / 2
    x = torch.randn(5, 4)
    by_hand = x
    for layer in task.model:
        by_hand = layer(by_hand)
    assert torch.equal(
        task.model(x), by_hand
    )  # autocast is gone, or these would differ in the third digit
    assert task.model[1].weight.dtype == torch.float32


def test_the_seed_matters(tmp_path: Path) -> None:
    a, b = (fit(Toy(), TrainConfig(epochs=1), tmp_path / str(seed), seed) for seed in (1, 2))
    assert a["history"][0]["loss"] != b["history"][0]["loss"]


def test_it_learns(tmp_path: Path) -> None:
    result = fit(Toy(), TrainConfig(epochs=30, lr=0.03, ema_decay=0.0), tmp_path, seed=0)
    assert result["best"]["score"] > result["history"][0]["score"] / 2


def test_nan_names_the_batch_and_keeps_the_last_epoch(tmp_path: Path) -> None:
    config = TrainConfig(epochs=4, ema_decay=0.9)
    with pytest.raises(
        StageError, match=r"toy: loss is nan in epoch 3 on batch \[2, 1\]"
    ) as caught:
        fit(Toy(nan_at=(2, 1)), config, tmp_path, seed=1)
    assert caught.value.remedy
    tensors, counters = load_tensors(tmp_path / "last.safetensors")
    assert counters["epoch"] == 2
    assert all(torch.isfinite(value).all() for value in tensors.values())


def test_an_infinite_gradient_stops_before_it_reaches_a_weight(tmp_path: Path) -> None:
    task = Toy(steep_at=(1, 1))
    with pytest.raises(
        StageError,
        match=r"toy: gradient is (inf|nan) in epoch 2 on the step that ends with batch \[1, 1\]",
    ):
        fit(task, TrainConfig(epochs=4, ema_decay=0.9, checkpoint_minutes=0.0), tmp_path, seed=1)
    assert all(torch.isfinite(value).all() for value in task.model.state_dict().values())
    tensors, counters = load_tensors(tmp_path / "last.safetensors")
    assert (counters["epoch"], counters["step"]) == (1, 1)
    assert all(torch.isfinite(value).all() for value in tensors.values())


def test_the_best_epoch_is_kept_and_patience_stops(tmp_path: Path) -> None:
    result = fit(
        Toy(scores=[0.1, 0.6, 0.5, 0.6, 0.9]),
        TrainConfig(epochs=5, patience=2, ema_decay=0.0),
        tmp_path / "a",
        seed=1,
    )
    assert len(result["history"]) == 4  # an equal score is no improvement
    assert result["best"] == {"epoch": 2, "score": 0.6}
    two = Toy(scores=[0.1, 0.6])
    with pytest.raises(IndexError):
        fit(two, TrainConfig(epochs=5, ema_decay=0.0), tmp_path / "b", seed=1)
    same(*(load_tensors(tmp_path / folder / "best.safetensors")[0] for folder in "ab"))


def test_patience_counts_on_after_a_kill(tmp_path: Path) -> None:
    config = TrainConfig(epochs=9, patience=3, ema_decay=0.0)
    with pytest.raises(KeyboardInterrupt):
        fit(Toy(kill_at=(3, 0), scores=[0.9, 0.1, 0.1]), config, tmp_path, seed=1)
    assert len(fit(Toy(scores=[0.1] * 9), config, tmp_path, seed=1)["history"]) == 4


def test_ema_against_a_loop() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    ema = Ema(model, 0.8)
    shadow = {name: value.double().clone() for name, value in model.state_dict().items()}
    for step in range(1, 60):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter))
        model(torch.randn(4, 2))
        ema.update(model)
        decay = min(0.8, (1 + step) / (10 + step))
        for name, value in model.state_dict().items():
            counter = name.endswith("num_batches_tracked")
            shadow[name] = (
                value.double() if counter else decay * shadow[name] + (1 - decay) * value.double()
            )
    for name, value in ema.shadow.items():
        torch.testing.assert_close(value.double(), shadow[name], atol=1e-4, rtol=1e-4)


def test_the_schedule_by_hand() -> None:
    assert [learning_rate_factor(step, 12, 4) for step in range(4)] == [0.25, 0.5, 0.75, 1.0]
    assert learning_rate_factor(4, 12, 4) == 1.0
    assert learning_rate_factor(8, 12, 4) == pytest.approx(0.505)
    assert learning_rate_factor(6, 12, 4) == pytest.approx(0.01 + 0.99 * (1 + math.sqrt(0.5)) / 2)
    assert learning_rate_factor(12, 12, 4) == pytest.approx(0.01)
    assert learning_rate_factor(0, 12, 0) == 1.0


def test_only_matrices_decay_and_frozen_stay_out() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
    model[2].weight.requires_grad_(False)
    decayed, plain = split_decay(model, 0.1, 0.05)
    assert [p.shape for p in decayed["params"]] == [(3, 2)]
    assert len(plain["params"]) == 4
    assert (decayed["weight_decay"], plain["weight_decay"], plain["lr"]) == (0.05, 0.0, 0.1)
