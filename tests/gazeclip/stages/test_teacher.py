"""The teacher's stages on tiny faces: killed in any phase, they end with the same weights."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from gazeclip.errors import ArtifactError
from gazeclip.files.hashes import sha256
from gazeclip.networks.backbones import scale_images
from gazeclip.recipe.load import load_recipe, parse_recipe, save_recipe
from gazeclip.run.context import Context
from gazeclip.run.folder import RECIPE, Run
from gazeclip.stages import backbone, gaze_store
from gazeclip.stages import data as data
from gazeclip.stages import teacher as teacher
from gazeclip.teacher.image.hybrid import HybridTower
from gazeclip.teacher.model import GazeCLIP
from gazeclip.training import loop
from tests.gazeclip.training.test_ranks import launch

pytestmark = pytest.mark.slow

FACES = {
    "size": 64,
    "identities": 60,
    "train_real": 16,
    "train_fake": 4,
    "val_real": 4,
    "val_fake": 2,
    "calibration_real": 2,
    "calibration_fake": 1,
    "test_real": 2,
    "test_fake": 1,
    "unseen_real": 2,
    "unseen_fake": 1,
}


# The stages on two processes; the first of them dies in the teacher's second epoch where the
# environment says so.
TWO = """
import os, signal, sys
from pathlib import Path
from gazeclip.system import ranks
from gazeclip.run.folder import Run
from gazeclip.training import loop
from tests.gazeclip.stages.test_teacher import train

step, done = loop._run_step, []

def dying(state, *args):
    if "KILL" in os.environ and len(done) == 3 and ranks.is_main():
        os.kill(os.getpid(), signal.SIGKILL)
    step(state, *args)
    done.extend([1] if state.task.name == "teacher" else [])

loop._run_step = dying
train(Run(Path(sys.argv[1])))
"""


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with its faces, in which nothing was trained."""
    train = {"epochs": 2, "batch_size": 16, "ema_decay": 0.5, "checkpoint_minutes": 0.0}
    model = {
        "backbone": "mobilenetv4_conv_small_050",
        "input_size": 80,
        "extra_sizes": [0],
        "keep_classifiers": True,
        "width": 16,
        "depth": 1,
        "heads": 2,
        "embed_dim": 16,
        "head_dropout": 0.1,
        "gaze": {"dropout": 0.2},
        "text": {"width": 16, "layers": 1, "heads": 2, "context_length": 24},
    }
    recipe = {
        "name": "tiny",
        "data": {"image_size": 64, "workers": 0, "faces": FACES},
        "backbone": {"enabled": True, "train": train},
        "teacher": {"model": model, "train": train, "gaze_train": train},
        "student": {"backbone": "mobilenetv4_conv_small_050"},
    }
    run = Run(tmp_path_factory.mktemp("drawn") / "run")
    save_recipe(parse_recipe(recipe), run.root / RECIPE)
    data.run_stage(run)
    return run


def copy_run(run: Run, root: Path, *changes: str) -> Run:
    """A run at another place, with its recipe changed as by `--set`."""
    shutil.copytree(run.root, root)
    copied = Run(root)
    save_recipe(load_recipe(copied.root / RECIPE, list(changes)), copied.root / RECIPE)
    return copied


def train(run: Run) -> str:
    backbone.run_stage(run)
    teacher.run_stage(run)
    return sha256(run.folder("teacher") / "model.safetensors")


@pytest.fixture(scope="module")
def finished(drawn: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = copy_run(drawn, tmp_path_factory.mktemp("whole") / "run")
    train(run)
    return run


@pytest.fixture
def without_teacher(finished: Run, tmp_path: Path) -> Run:
    """A copy whose CNNs are trained and whose teacher is not."""
    run = copy_run(finished, tmp_path / "without_teacher")
    shutil.rmtree(run.folder("teacher"))
    return run


@pytest.fixture(scope="module")
def whole(finished: Run) -> str:
    return sha256(finished.folder("teacher") / "model.safetensors")


def test_frozen_cnns_of_the_teacher_are_those_that_were_trained_each_at_its_size(
    finished: Run, tmp_path: Path
) -> None:
    context = Context(finished)
    members = list(backbone.load_backbone_stage(context).members)
    assert [member.input_size for member in members] == [80, 0]
    first, second = (member.state_dict() for member in members)
    assert not all(
        torch.equal(first[name], second[name]) for name in first
    )  # each has draws of its own
    pixels = torch.randint(0, 256, (3, 3, 64, 64), dtype=torch.uint8)
    prompts = [context.taxonomy.prompts(name) for name in context.classes]
    model = GazeCLIP(replace(context.recipe.teacher.model, frozen_stride=32), prompts, 64).eval()
    model.tower.adopt(
        [member.encoder for member in members], [member.classifier for member in members]
    )
    seen = []
    model.tower.pooled.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        model.tower.tokens(pixels)
        alone = [
            member.encoder(
                scale_images((pixels.float() - member.mean) / member.std, member.input_size)
            )
            for member in members
        ]
        together = backbone.load_backbone_stage(context)(pixels)
        logits = torch.stack([member(pixels).logits for member in members])
    torch.testing.assert_close(seen[0], torch.cat(alone, 1), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(together.logits, logits.mean(0))


def test_a_fresh_teacher_with_silent_heads_says_what_its_cnns_say(finished: Run) -> None:
    """The heads add to the CNNs' own classifiers: where they add nothing, these remain."""
    context = Context(finished)
    together = backbone.load_backbone_stage(context)
    config = replace(context.recipe.teacher.model, w_nce=0.0, frozen_stride=32)
    model = GazeCLIP(
        config, [context.taxonomy.prompts(name) for name in context.classes], 64
    ).eval()
    model.tower.adopt(
        [member.encoder for member in together.members],
        [member.classifier for member in together.members],
    )
    for head in (model.heads.attribution, model.heads.detection):
        torch.nn.init.zeros_(head.weight)
        torch.nn.init.zeros_(head.bias)
    pixels = torch.randint(0, 256, (3, 3, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        ours, theirs = model(pixels), together(pixels)
    torch.testing.assert_close(ours.logits, theirs.logits, atol=1e-4, rtol=1e-4)
    forged = (
        torch.logsumexp(theirs.logits[:, 1:], 1) - theirs.logits[:, 0]
    )  # of the mean, not the mean of theirs
    torch.testing.assert_close(ours.fake_logit[:, 0], forged, atol=1e-4, rtol=1e-4)
    assert not any(p.requires_grad for p in model.tower.classifiers.parameters())


def test_what_frozen_cnns_gave_another_run_gives_the_same_weights(
    finished: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests, stores = [], tmp_path / "cnn_features"
    for name, folder in (("alone", None), ("first", stores), ("second", stores)):
        run = copy_run(finished, tmp_path / name, "teacher.model.frozen_stride=32")
        if name == "second":
            monkeypatch.setattr(
                HybridTower,
                "see",
                lambda *_: pytest.fail("the CNNs are run although what they give is there"),
            )
        teacher.run_stage(run, cnn_features=folder)
        digests.append(sha256(run.folder("teacher") / "model.safetensors"))
    assert digests[0] == digests[1] == digests[2]
    assert len(list(stores.iterdir())) == 3  # two epochs of train, and val


def test_trained_cnns_leave_nothing_to_keep(finished: Run, tmp_path: Path) -> None:
    run = copy_run(finished, tmp_path / "run")
    teacher.run_stage(run, force=True, cnn_features=tmp_path / "cnn_features")
    assert not (tmp_path / "cnn_features").exists()


def test_a_cnn_of_another_size_is_refused(finished: Run, tmp_path: Path) -> None:
    run = copy_run(finished, tmp_path / "run", "teacher.model.extra_sizes=[96]")
    with pytest.raises(ArtifactError, match="input_size 0, not 96"):
        teacher.run_stage(run, force=True)


def after_steps(name: str, count: int) -> Callable[[pytest.MonkeyPatch], None]:
    """Killed after `count` steps of the training `name`."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        step, done = loop._run_step, []

        def dying(state: Any, *args: Any) -> None:
            if state.task.name == name and len(done) == count:
                raise KeyboardInterrupt
            step(state, *args)
            done.extend([1] if state.task.name == name else [])

        monkeypatch.setattr(loop, "_run_step", dying)

    return patch


def in_the_gaze_store(monkeypatch: pytest.MonkeyPatch) -> None:
    write, written = gaze_store.write_json, []

    def dying(path: Path, value: Any) -> None:
        write(path, value)
        written.append(path)
        if len(written) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(gaze_store, "write_json", dying)


def run_until_killed(run: Run, kill: Callable[[pytest.MonkeyPatch], None]) -> None:
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        kill(patch)
        train(run)


@pytest.mark.parametrize(
    "kill",
    [after_steps("backbone", 3), after_steps("backbone/2", 1)],
    ids=["backbone", "second backbone"],
)
def test_killed_in_a_cnn_ends_with_the_same_weights(
    tmp_path: Path, drawn: Run, whole: str, kill: Callable[[pytest.MonkeyPatch], None]
) -> None:
    run = copy_run(drawn, tmp_path / "run")
    run_until_killed(run, kill)
    assert train(run) == whole


@pytest.mark.parametrize(
    "kill",
    [
        after_steps("gaze encoder", 1),
        in_the_gaze_store,
        after_steps("teacher", 1),
        after_steps("teacher", 3),
    ],
    ids=["gaze encoder", "gaze store", "teacher", "teacher, second epoch"],
)
def test_killed_in_the_teacher_ends_with_the_same_weights(
    without_teacher: Run, whole: str, kill: Callable[[pytest.MonkeyPatch], None]
) -> None:
    run_until_killed(without_teacher, kill)
    assert not without_teacher.is_done("teacher")
    assert train(without_teacher) == whole


def test_two_processes_killed_in_the_teacher_end_with_the_same_weights(
    drawn: Run, tmp_path: Path
) -> None:
    trainings = ("backbone.train", "teacher.train", "teacher.gaze_train")
    halved = [f"{name}.batch_size=8" for name in trainings]
    uncut = copy_run(drawn, tmp_path / "whole", *halved)
    script = tmp_path / "two.py"
    script.write_text(TWO)
    first = launch(script, uncut.root)
    assert first.returncode == 0, first.stderr[-3000:]
    parts = copy_run(uncut, tmp_path / "parts")
    shutil.rmtree(parts.folder("teacher"))
    killed = launch(script, parts.root, KILL="1")
    assert killed.returncode != 0 and not parts.is_done("teacher")
    resumed = launch(script, parts.root)
    assert resumed.returncode == 0, resumed.stderr[-3000:]
    assert "resuming after epoch 1 and 1 steps" in resumed.stderr
    assert sha256(parts.folder("teacher") / "model.safetensors") == sha256(
        uncut.folder("teacher") / "model.safetensors"
    )
