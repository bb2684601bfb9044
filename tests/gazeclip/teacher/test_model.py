"""The whole teacher on tiny configurations: shapes, fusion, the frozen text side."""

from __future__ import annotations

from dataclasses import replace

import torch

from tests.gazeclip.teacher.tiny import BOTH, HYBRID, PROMPTS, build, pixels


@BOTH
def test_shapes_norms_and_fusion(config):
    model, classes = build(config), len(PROMPTS)
    with torch.no_grad():
        out = model(pixels())
        text, levels = model.encode_text()
    assert out.embedding.shape == (4, 24)
    assert levels.shape == (classes, 4, 24)
    assert out.gaze.shape == out.detection.shape == (4, 2)
    torch.testing.assert_close(out.embedding.norm(dim=1), torch.ones(4))
    torch.testing.assert_close(text.norm(dim=1), torch.ones(classes))
    scale = model.logit_scale.exp()
    torch.testing.assert_close(out.text_logits, scale * out.embedding @ text.T)
    torch.testing.assert_close(out.logits, (out.text_logits + out.attribution) / 2)
    probabilities = out.logits.softmax(1)
    by_class = torch.log((1 - probabilities[:, 0]) / probabilities[:, 0])
    by_head = out.detection[:, 1] - out.detection[:, 0]
    torch.testing.assert_close(
        out.fake_logit, ((by_class + by_head) / 2)[:, None], rtol=1e-3, atol=1e-4
    )


def test_heads_that_were_never_trained_stay_out():
    out = build(replace(HYBRID, w_nce=0.0, w_detection=0.0))(pixels())
    assert torch.equal(out.logits, out.attribution)
    torch.testing.assert_close(
        out.fake_logit[:, 0], out.logits[:, 1:].logsumexp(1) - out.logits[:, 0]
    )
    out = build(replace(HYBRID, w_attribution=0.0))(pixels())
    assert torch.equal(out.logits, out.text_logits)


@BOTH
def test_batch_size_independence(config):
    model = build(config, alive=True)
    with torch.no_grad():
        together, alone = model(pixels()), model(pixels()[2:3])
    # float32 matrix products of other sizes sum in another order
    torch.testing.assert_close(alone.embedding[0], together.embedding[2], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(alone.logits[0], together.logits[2], rtol=1e-3, atol=1e-4)


def test_a_frozen_text_side_is_encoded_once_and_again_for_other_weights(monkeypatch):
    model = build(replace(HYBRID, text=replace(HYBRID.text, frozen=True)))
    calls = []
    encode = model.lre.encode
    monkeypatch.setattr(model.lre, "encode", lambda *args: calls.append(1) or encode(*args))
    with torch.inference_mode():
        first = model(pixels()).text
    model.train()(
        pixels()
    ).text_logits.sum().backward()  # tensors of inference mode would refuse this
    assert len(calls) == 1
    assert [
        name for name, parameter in model.lre.named_parameters() if parameter.grad is not None
    ] == ["level_weights"]
    with torch.no_grad():
        model.lre.level_weights.copy_(torch.tensor([3.0, 0.0, 0.0, 0.0]))
    assert (
        not torch.allclose(model(pixels()).text, first) and len(calls) == 1
    )  # mixed anew, not encoded anew
    state = {
        name: value + 0.1 if name.startswith("lre.") and value.is_floating_point() else value
        for name, value in model.state_dict().items()
    }
    model.load_state_dict(state)
    assert not torch.allclose(model(pixels()).text, first)
    assert len(calls) == 2
