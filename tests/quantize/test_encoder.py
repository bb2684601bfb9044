"""The quantized encoder: complete, trainable, and the same after saving and loading."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from gazeclip.errors import ArtifactError, StageError
from gazeclip.networks.backbones import build_encoder
from gazeclip.networks.student_encoder import build_student_encoder
from quantize.encoder import (
    count_quantizers,
    load_quantized,
    named_quantizers,
    quantize_encoder,
    save_quantized,
)
from quantize.fuse import prepare_encoder
from quantize.layers import name_operations

SIZE = 64
BACKBONE = "mobilenetv4_conv_small_050"


def _batch(count: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 8, 8, generator=generator) * 4 - 2
    return torch.nn.functional.interpolate(coarse, size=(SIZE, SIZE), mode="bicubic")


def _warm(backbone: str) -> nn.Module:
    torch.manual_seed(0)
    encoder = build_encoder(backbone).train()
    with torch.no_grad():
        for seed in range(6):
            encoder(_batch(8, seed))
    return encoder.eval()


@pytest.fixture(scope="module")
def encoder() -> nn.Module:
    return _warm(BACKBONE)


@pytest.fixture(scope="module")
def quantized(encoder: nn.Module, quantizers: None) -> nn.Module:
    return quantize_encoder(encoder, (_batch(8, 50 + seed) for seed in range(3)), overflow_fix=True)


@pytest.mark.parametrize("backbone", [BACKBONE, "tf_efficientnet_lite0", "repvit_m0_9"])
def test_prepared_encoder_has_no_batch_norm_and_the_same_output(backbone: str) -> None:
    original = _warm(backbone)
    prepared = prepare_encoder(original, SIZE)
    x = _batch(4, 99)
    with torch.no_grad():
        wanted, found = original(x), prepared(x)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in prepared.modules())
    # The same sums in another order through some fifty layers.
    torch.testing.assert_close(found, wanted, atol=1e-4 * float(wanted.abs().max()), rtol=1e-3)


@pytest.mark.parametrize("share", [1.0, 1e-2])
def test_prepare_refuses_a_fold_that_changes_the_output(share: float) -> None:
    """However little of it the second reader of a convolution takes."""

    class TwoReaders(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
            self.norm.running_mean.fill_(3.0)

        def forward(self, x: Tensor) -> Tensor:
            y = self.conv(x)
            return (self.norm(y) + share * y).mean((2, 3))

    words = "folding batch normalisation norm into conv changed the encoder's output by"
    with pytest.raises(StageError, match=words):
        prepare_encoder(TwoReaders(), SIZE)


def test_every_convolution_is_quantized_and_activations_are_per_tensor(
    quantized: nn.Module,
) -> None:
    counts = count_quantizers(quantized)
    assert (
        counts["convolutions"] == counts["weight_quantizers"] == 46
        and counts["activation_quantizers"] > 46
    )
    assert all(
        quantizer.scale.numel() == 1
        for _, quantizer, on_weight in named_quantizers(quantized)
        if not on_weight
    )


def test_quantized_output_is_close_to_float(encoder: nn.Module, quantized: nn.Module) -> None:
    x = _batch(8, 77)
    with torch.no_grad():
        cosine = torch.cosine_similarity(encoder(x), quantized(x))
    assert 0.98 < float(cosine.min()) < 0.999999  # eight bits: near, and not untouched


def test_overflow_fix_leaves_one_bit_free(quantized: nn.Module) -> None:
    _, quantizer, on_weight = named_quantizers(quantized)[0]
    weight = quantized.conv_stem.weight.detach()
    levels = (weight / (quantizer.scale.detach() / 127)).abs().max()
    assert on_weight and float(levels) <= 64


def test_save_and_load_give_the_same_module(quantized: nn.Module, tmp_path: Path) -> None:
    save_quantized(tmp_path, quantized, image_size=SIZE)
    assert {path.suffix for path in tmp_path.iterdir()} == {".safetensors", ".json"}
    loaded = load_quantized(tmp_path, build_encoder(BACKBONE))
    x = _batch(4, 5)
    with torch.no_grad():
        assert torch.equal(loaded(x), quantized(x))


def test_another_backbone_is_refused(quantized: nn.Module, tmp_path: Path) -> None:
    save_quantized(tmp_path, quantized, image_size=SIZE)
    with pytest.raises(ArtifactError, match="does not fit"):
        load_quantized(tmp_path, build_encoder("mobilenetv4_conv_small"))


def test_training_moves_weights_and_ranges(quantized: nn.Module) -> None:
    model = copy.deepcopy(quantized)
    x = _batch(8, 3)
    with torch.no_grad():
        goal = model(x) + torch.randn(8, 1280, generator=torch.Generator().manual_seed(1)).relu()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-4)
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        loss = (model(x) - goal).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    assert losses[-1] < 0.9 * losses[0]
    scales = [
        (a.scale, b.scale)
        for (_, a, _), (_, b, _) in zip(
            named_quantizers(model), named_quantizers(quantized), strict=True
        )
    ]
    assert any(not torch.equal(after, before) for after, before in scales)


def test_no_calibration_image_is_refused(encoder: nn.Module) -> None:
    with pytest.raises(StageError, match="no calibration image"):
        quantize_encoder(encoder, iter(()), overflow_fix=True)


def test_float_module_is_not_taken_for_a_quantized_one(encoder: nn.Module) -> None:
    with pytest.raises(ArtifactError, match="not quantized"):
        count_quantizers(encoder)


class Gated(nn.Module):
    """Two convolutions around a squeeze-and-excitation gate of two more."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=4)
        self.squeeze = nn.Conv2d(8, 4, 1)
        self.excite = nn.Conv2d(4, 8, 1)
        self.last = nn.Conv2d(8, 6, 3)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.stem(images).relu()  # (B, 8, h, w)
        gate = self.excite(self.squeeze(maps.mean((2, 3), keepdim=True)).relu())
        return self.last(maps * gate.sigmoid()).mean((2, 3))


def test_a_gate_over_one_place_stays_in_float(quantizers: None) -> None:
    torch.manual_seed(0)
    quantized = quantize_encoder(Gated().eval(), [_batch(4, 1)], overflow_fix=True)
    counts = count_quantizers(quantized)
    assert (counts["convolutions"], counts["weight_quantizers"]) == (4, 2)


class Headed(nn.Module):
    """A convolution behind the pooling whose output leaves the encoder, with a SiLU after it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=4)
        self.head = nn.Conv2d(8, 16, 1)

    def forward(self, images: Tensor) -> Tensor:
        pooled = self.stem(images).relu().mean((2, 3), keepdim=True)
        wide = self.head(pooled)
        return (wide * wide.sigmoid()).flatten(1)


@pytest.mark.parametrize(
    ("build", "head"),
    [(Headed, "head"), (lambda: build_encoder(BACKBONE), "conv_head")],
    ids=["small", BACKBONE],
)
def test_a_head_behind_the_pooling_must_be_quantized(
    build: Callable[[], nn.Module],
    head: str,
    quantizers: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """NNCF leaves it out unasked."""
    torch.manual_seed(0)
    find = name_operations

    def leave_out(encoder: nn.Module, _: Collection[str], example: Tensor) -> list[str]:
        return find(encoder, [head], example)

    monkeypatch.setattr("quantize.encoder.name_operations", leave_out)
    with pytest.raises(StageError, match=f"the convolutions {head} got no weight quantizer"):
        quantize_encoder(build().eval(), [_batch(4, 1)], overflow_fix=True)


def test_any_other_layer_in_float_is_named(
    quantizers: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    monkeypatch.setattr("quantize.encoder.find_gates", lambda *_: ["excite"])
    with pytest.raises(StageError, match="the convolutions squeeze got no weight quantizer"):
        quantize_encoder(Gated().eval(), [_batch(4, 1)], overflow_fix=True)


def test_an_encoder_that_is_prepared_already_stays_as_it_is() -> None:
    torch.manual_seed(0)
    prepared = prepare_encoder(build_student_encoder("fastvit_t8", 64), 64)
    again = prepare_encoder(prepared, 64)
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(again(x), prepared(x), rtol=0, atol=0)
        again.get_parameter(next(name for name, _ in again.named_parameters())).zero_()
        assert not torch.equal(again(x), prepared(x))  # a copy
