"""Gaze encoders: shapes, freezing, and strict loading of weight files."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from gazeclip.errors import WeightsError
from gazeclip.recipe.teacher import GazeConfig
from gazeclip.teacher.gaze.angles import gaze_loss
from gazeclip.teacher.gaze.build import build_gaze_encoder
from gazeclip.teacher.gaze.ethxgaze import EthXGaze
from gazeclip.teacher.gaze.l2cs import L2CS
from gazeclip.teacher.gaze.small import SmallGaze


def pixels(count: int, size: int = 96, seed: int = 0) -> torch.Tensor:
    return torch.randint(
        0,
        256,
        (count, 3, size, size),
        dtype=torch.uint8,
        generator=torch.Generator().manual_seed(seed),
    )


@pytest.mark.parametrize(
    ("kind", "tokens", "channels"), [(SmallGaze, 36, 96), (EthXGaze, 49, 512), (L2CS, 196, 2048)]
)
def test_shapes_and_freezing(kind, tokens, channels):
    encoder = kind()
    assert not encoder.pretrained
    assert "NOT gaze-trained" in encoder.describe()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    encoder.freeze().train()
    features = encoder(pixels(2, 64))
    assert features.tokens.shape == (2, tokens, channels)
    assert encoder.channels == channels
    assert features.gaze.shape == (2, 2)
    assert not features.tokens.requires_grad
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    assert not any(module.training for module in encoder.modules())
    for name, value in encoder.state_dict().items():  # BatchNorm statistics have not moved
        assert torch.equal(value, before[name]), name


def test_small_encoder_learns_when_not_frozen():
    torch.manual_seed(0)
    encoder = SmallGaze().train()
    optimizer = torch.optim.Adam(encoder.parameters(), 3e-3)
    x, target = pixels(8), torch.linspace(-0.5, 0.5, 16).view(8, 2)
    losses = []
    for _ in range(30):
        loss = gaze_loss(encoder(x).gaze, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.4 * losses[0]


@pytest.fixture(scope="module")
def l2cs():
    torch.manual_seed(0)
    return L2CS().eval()


def test_l2cs_angles_are_the_expectation_over_bins(l2cs):
    torch.manual_seed(0)
    logits = torch.randn(3, 90)
    p = np.exp(logits.numpy().astype(np.float64))
    p /= p.sum(1, keepdims=True)
    expected = np.radians(sum(p[:, i] * i for i in range(90)) * 4.0 - 180.0)
    np.testing.assert_allclose(
        l2cs._expected_angle(logits).numpy(), expected, atol=1e-5
    )  # float32 sum of angles up to pi


def test_l2cs_file_pitch_comes_from_the_pitch_head(tmp_path, l2cs):
    state = {f"module.{name}": value for name, value in l2cs.network.state_dict().items()}
    for head, peak in (("fc_yaw_gaze", 50), ("fc_pitch_gaze", 40)):
        state[f"module.{head}.weight"] = torch.zeros(90, 2048)
        state[f"module.{head}.bias"] = torch.full((90,), -50.0).index_fill(
            0, torch.tensor(peak), 50.0
        )
    state["module.fc_finetune.weight"] = torch.zeros(3, 2051)
    torch.save(state, tmp_path / "l2cs.pkl")
    encoder = build_gaze_encoder(GazeConfig("l2cs", weights=str(tmp_path / "l2cs.pkl")))
    gaze = encoder(pixels(1, 64)).gaze[0]
    assert math.degrees(gaze[0]) == pytest.approx(40 * 4 - 180, abs=1e-3)  # pitch
    assert math.degrees(gaze[1]) == pytest.approx(50 * 4 - 180, abs=1e-3)  # yaw
    assert encoder.frozen
    assert encoder.pretrained


def test_eth_xgaze_file_gives_the_same_angles(tmp_path):
    torch.manual_seed(0)
    source = EthXGaze().eval()
    torch.save({"model": source.network.state_dict()}, tmp_path / "eth.pth")
    encoder = build_gaze_encoder(GazeConfig("eth-xgaze", weights=str(tmp_path / "eth.pth")))
    torch.testing.assert_close(encoder(pixels(2)).gaze, source(pixels(2)).gaze, rtol=0, atol=0)


def bad_states(state: dict[str, torch.Tensor]) -> list[tuple[dict[str, torch.Tensor], str]]:
    missing = {name: value for name, value in state.items() if name != "layer1.0.conv1.weight"}
    return [
        (missing, "'layer1.0.conv1.weight' is missing"),
        ({**state, "extra.weight": torch.zeros(1)}, "'extra.weight' is unknown"),
        ({**state, "fc.weight": torch.zeros(3, 512)}, r"shape \(3, 512\), expected \(2, 512\)"),
    ]


def test_misfitting_files_are_refused_with_the_reason(tmp_path):
    path = tmp_path / "weights.safetensors"
    for state, reason in bad_states(
        {name: value.contiguous() for name, value in EthXGaze().network.state_dict().items()}
    ):
        save_file(state, str(path))
        with pytest.raises(WeightsError, match=reason):
            build_gaze_encoder(GazeConfig("eth-xgaze", weights=str(path)))


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", pickle.dumps(print)])
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_damaged_or_pickled_files_are_refused(tmp_path, content, suffix):
    path = tmp_path / f"weights.{suffix}"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="weights"):
        build_gaze_encoder(GazeConfig("small", weights=str(path)))


def test_layouts_need_their_file():
    with pytest.raises(WeightsError, match="needs a weight file") as caught:
        build_gaze_encoder(GazeConfig("l2cs"))
    assert "--set teacher.model.gaze.kind=none" in (caught.value.remedy or "")
    with pytest.raises(WeightsError, match="does not exist"):
        build_gaze_encoder(GazeConfig("eth-xgaze", weights="nowhere.pth"))
    assert build_gaze_encoder(GazeConfig("none")) is None
