"""Several processes: shares of an epoch, and a killed training that ends with the same weights."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from gazeclip.data.dataset import epoch_keys, rank_keys
from gazeclip.errors import ConfigError
from gazeclip.files.tensors import load_tensors
from gazeclip.run.execute import execute
from gazeclip.run.folder import RECIPE, Run

ROOT = Path(__file__).parents[3]

# Batch statistics, dropout and EMA, on two processes; the environment says where to die.
SCRIPT = """
import os, signal, sys
from pathlib import Path
import torch
from torch import nn
from gazeclip.system import ranks
from gazeclip.recipe.training import TrainConfig
from gazeclip.training import fit, split_decay

class Toy:
    name = "toy"
    def __init__(self):
        torch.manual_seed(5)
        self.model = nn.Sequential(
            nn.Unflatten(1, (1, 2, 2)), nn.Conv2d(1, 2, 1), nn.Conv2d(2, 8, 2), nn.Flatten(),
                                   nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 1))
        # Gets no gradient, as an unused head.
        self.idle = self.model.register_parameter("idle", nn.Parameter(torch.zeros(2)))
    def parameter_groups(self, config):
        return split_decay(self.model, config.lr, config.weight_decay)
    def batches(self, epoch, skip=0):
        for number in range(skip, 3):
            if os.environ.get("KILL") == f"{epoch},{number}" and ranks.is_main():
                os.kill(os.getpid(), signal.SIGKILL)
            generator = torch.Generator().manual_seed(epoch * 100 + number * 10 + ranks.rank())
            yield {"pixels": torch.randn(6, 4, generator=generator)}
    def batches_per_epoch(self):
        return 3
    def loss(self, batch, model):
        x = batch["pixels"]
        loss = (model(x)[:, 0] - x.sum(1)).square().mean()
        if os.environ.get("NAN") and ranks.rank() == 1:
            loss = loss * float("nan")
        return {"loss": loss}
    def evaluate(self):
        x = torch.linspace(-1, 1, 40).view(10, 4)
        with torch.no_grad():
            return {"score": -float((self.model(x)[:, 0] - x.sum(1)).square().mean())}
    def describe(self, batch):
        return f"images of rank {ranks.rank()}"

config = TrainConfig(epochs=3, lr=0.03, ema_decay=0.9, checkpoint_minutes=0.0)
task = Toy()
try:
    fit(task, config, Path(sys.argv[1]), seed=1)
except Exception as error:
    # Whole lines: the processes share a pipe.
    os.write(1, f"{type(error).__name__} {error}\\n".encode())
    sys.exit(3)
state = torch.cat([p.detach().flatten() for p in task.model.parameters()])
os.write(1, f"sum {ranks.rank()} {float(state.double().sum())}\\n".encode())
"""


@pytest.mark.parametrize("world", [1, 2, 3])
def test_shares_are_disjoint_and_together_the_order_of_one_process(world: int) -> None:
    keys = epoch_keys(50, 0, 3, lambda index: 7)
    shares = [rank_keys(keys, 4, rank, world) for rank in range(world)]
    assert len({len(share) for share in shares}) == 1
    woven = [
        key
        for start in range(0, len(shares[0]), 4)
        for share in shares
        for key in share[start : start + 4]
    ]
    assert woven == keys[: len(woven)] and len(woven) == 50 // (4 * world) * 4 * world


def test_a_stage_for_one_process_refuses_several(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    (tmp_path / RECIPE).write_text("name: x")
    with pytest.raises(ConfigError, match="runs in one process") as caught:
        execute(Run(tmp_path), "cache", config={}, inputs={}, body=lambda folder: {})
    assert "distill cache" in str(caught.value.remedy)


def launch(
    script: Path, folder: Path, *arguments: str, **extra: str
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **extra}
    port = 29_500 + (os.getpid() + time.monotonic_ns()) % 2_000
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc_per_node=2",
        f"--master_port={port}",
        str(script),
        str(folder),
        *arguments,
    ]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=240, check=False
    )


@pytest.mark.slow
def test_two_processes_killed_and_resumed_end_with_the_same_weights(tmp_path: Path) -> None:
    script = tmp_path / "toy.py"
    script.write_text(SCRIPT)
    whole = launch(script, tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr[-2000:]
    killed = launch(script, tmp_path / "parts", KILL="1,2")
    assert killed.returncode != 0 and str(int(signal.SIGKILL)) in killed.stderr
    assert load_tensors(tmp_path / "parts" / "last.safetensors")[1]["epoch"] == 1
    resumed = launch(script, tmp_path / "parts")
    assert resumed.returncode == 0, resumed.stderr[-2000:]
    assert "resuming after epoch 1 and 2 steps" in resumed.stderr
    for name in ("last", "best"):
        first, second = (
            load_tensors(tmp_path / folder / f"{name}.safetensors")[0]
            for folder in ("whole", "parts")
        )
        assert first.keys() == second.keys()
        assert all(torch.equal(first[key], second[key]) for key in first)
    sums = sorted(
        line.split()[2]
        for line in (whole.stdout + resumed.stdout).splitlines()
        if line.startswith("sum")
    )
    assert len(sums) == 4 and len(set(sums)) == 1  # both ranks, both runs


TEACHER = """
import os, sys
from pathlib import Path
import torch
from gazeclip.recipe.training import TrainConfig
from gazeclip.system import ranks
from gazeclip.taxonomy import Taxonomy
from gazeclip.recipe.teacher import GazeConfig, TeacherConfig, TextConfig
from gazeclip.teacher.losses import TeacherLoss
from gazeclip.teacher.model import GazeCLIP
from gazeclip.training import fit

taxonomy = Taxonomy.load("demo")
prompts = [taxonomy.prompts(name) for name in taxonomy.classes()]

class Task:
    name = "teacher"
    def __init__(self, idle):
        torch.manual_seed(0)
        config = TeacherConfig(
            backbone="test_resnet", width=16, depth=1, heads=2, embed_dim=16,
            gaze=GazeConfig("small", tokens=2),
            text=TextConfig(width=16, layers=1, heads=2, context_length=24),
            **{idle: 0.0},
        )
        self.model = GazeCLIP(config, prompts, 64)
        self.criterion = TeacherLoss(config)
    def parameter_groups(self, train):
        return self.model.parameter_groups(train.lr, 1.0, 0.01)
    def batches(self, epoch, skip=0):
        for number in range(skip, 2):
            generator = torch.Generator().manual_seed(10 * epoch + number + 100 * ranks.rank())
            shape = (4, 3, 64, 64)
            pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
            yield {"pixels": pixels, "label": torch.tensor([0, 1, 2, 3])}
    def batches_per_epoch(self):
        return 2
    def loss(self, batch, model):
        return dict(self.criterion(model(batch["pixels"]), batch["label"]))
    def evaluate(self):
        return {"score": 0.0}
    def describe(self, batch):
        return "noise"

for idle in sys.argv[2:]:
    task = Task(idle)
    fit(task, TrainConfig(epochs=2, lr=1e-3, ema_decay=0.0), Path(sys.argv[1], idle), seed=1)
    total = sum(float(p.detach().double().sum()) for p in task.model.parameters())
    os.write(1, f"sum {idle} {total}\\n".encode())
"""


@pytest.mark.slow
def test_a_teacher_with_an_idle_head_trains_on_two_processes(tmp_path: Path) -> None:
    script = tmp_path / "teacher.py"
    script.write_text(TEACHER)
    heads = ("w_nce", "w_attribution", "w_detection")
    result = launch(script, tmp_path / "run", *heads)  # one after the other: starting takes longest
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
    for idle in heads:
        told = f"sum {idle} "
        sums = [line for line in result.stdout.splitlines() if line.startswith(told)]
        assert len(sums) == 2 and len(set(sums)) == 1


@pytest.mark.slow
def test_a_loss_that_is_no_number_on_one_rank_stops_all(tmp_path: Path) -> None:
    script = tmp_path / "toy.py"
    script.write_text(SCRIPT)
    result = launch(script, tmp_path / "nan", NAN="1")
    assert result.returncode != 0
    assert "StageError toy: loss is nan in epoch 1 on images of rank 1" in result.stdout
    assert "on a batch of another process" in result.stdout
