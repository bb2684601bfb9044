"""The student that the zoo measures: no branch of it is asleep, and it has learnt something."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from benchmarks.zoo.lesson import list_marks, locate_brightness, mark_pictures
from benchmarks.zoo.student import build_student, draw_pictures, make_subject, wake_branches
from gazeclip.networks.backbones import build_encoder
from gazeclip.networks.student import StudentOutput
from gazeclip.networks.weights import load_backbone
from gazeclip.networks.zoo import read_zoo
from tests.benchmarks.zoo.shrink import SMALLEST, shrink

# Residual branches that begin with next to nothing: RepViT's channel mixers (20 blocks, and 2 for
# each of 3 stages that halve the map), two in each of FastViT's 10 blocks, and EfficientFormer's
# 14 mixers of channels and 4 of attention.
ASLEEP = {
    "mobilenetv4_conv_small": 0,
    "mobilenetv4_conv_small_050": 0,
    "tf_efficientnet_lite0": 0,
    "repvit_m0_9": 26,
    "fastvit_t8": 20,
    "efficientformerv2_s0": 18,
}


def _measure_gradients(network: nn.Module, size: int) -> dict[str, float]:
    """The largest gradient of each convolution's weights: 0 where they change no feature."""
    images = torch.randn(2, 3, size, size)
    features = network(images)
    (features * torch.randn_like(features)).sum().backward()
    found = {}
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            assert module.weight.grad is not None, name
            found[name] = float(module.weight.grad.abs().max())
    return found


@pytest.mark.parametrize("name", list(read_zoo()))
def test_every_convolution_changes_the_features(name: str) -> None:
    torch.manual_seed(0)
    size = shrink(name).size
    network = build_encoder(name).train()
    woken = wake_branches(network)
    assert woken == ASLEEP.get(name, woken)
    gradients = _measure_gradients(network, size)
    assert min(gradients.values()) > 1e-3
    assert wake_branches(network) == 0


def test_one_that_begins_asleep_does_not() -> None:
    torch.manual_seed(0)
    network = build_encoder("repvit_m0_9").train()
    assert min(_measure_gradients(network, 64).values()) == 0


def test_weights_that_do_something_stay() -> None:
    norm = nn.BatchNorm2d(4)
    nn.init.constant_(norm.weight, 0.1)
    assert wake_branches(nn.Sequential(nn.Conv2d(3, 4, 1), norm)) == 0
    assert norm.weight.tolist() == pytest.approx([0.1] * 4)


@pytest.fixture(scope="module")
def answers(quantizers: None) -> tuple[Tensor, StudentOutput]:
    """Images `(N, 3, S, S)`, and what a student says of them that was taught on them."""
    subject = make_subject(shrink(SMALLEST))
    images = torch.from_numpy(subject.probes).permute(0, 3, 1, 2)
    with torch.no_grad():
        return images, subject.student(images)


def test_a_taught_student_tells_marks(answers: tuple[Tensor, StudentOutput]) -> None:
    images, found = answers
    marks = list_marks(len(images))
    assert found.logits.argmax(dim=1).eq(marks).float().mean() >= 0.6  # by chance .2
    forged = found.fake_logit[:, 0]
    assert forged.std() > 0.5 and forged.min() < 0 < forged.max()


def test_a_taught_student_sees_where_it_is_bright(answers: tuple[Tensor, StudentOutput]) -> None:
    images, found = answers
    wanted = locate_brightness(images)
    without = (wanted - wanted.mean(dim=0)).abs().mean()
    assert (found.gaze - wanted).abs().mean() < 0.7 * without


def test_named_weights_stay_as_they_are(tmp_path: Path, quantizers: None) -> None:
    entry = shrink("repvit_m0_9")
    network = load_backbone(entry.name)
    with torch.no_grad():
        for value in network.buffers():
            if value.is_floating_point():
                value.add_(0.1)
    before = network.state_dict()
    save_file(before, tmp_path / "weights.safetensors")
    weights = str(tmp_path / "weights.safetensors")
    made = make_subject(entry, weights, seed=5)
    after = made.student.encoder.get_submodule("backbone").state_dict()
    assert len(after) > 100
    for name, value in after.items():
        assert torch.equal(value, before[name]), name
    torch.manual_seed(5)
    untaught = build_student(entry, weights)
    taught = made.student.state_dict()
    for name, value in untaught.named_parameters():
        if not name.startswith("encoder.backbone."):
            assert not torch.equal(value, taught[name]), name


def test_marks_are_what_they_are_called() -> None:
    pictures = draw_pictures(5, 64, seed=1)
    real, blurred, noisy, chequered, swapped = mark_pictures(pictures, list_marks(5), seed=0)
    before = pictures.float()
    assert torch.equal(real, pictures[0])
    assert _measure_edges(blurred.float()) < 0.7 * _measure_edges(before[1])
    assert _measure_edges(noisy.float()) > 1.5 * _measure_edges(before[2])
    assert set((chequered.float() - before[3])[:, 20:40, 20:40].abs().unique().tolist()) <= {20.0}
    assert torch.equal(swapped[0], pictures[4, 2]) and torch.equal(swapped[1], pictures[4, 1])


def _measure_edges(picture: Tensor) -> float:
    return float(picture.diff(dim=-1).abs().mean())
