"""The whole teacher on tiny configurations: shapes, gaze path, freezing, saving, both towers."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gazeclip.errors import ArtifactError, ConfigError, WeightsError
from gazeclip.files.hashes import sha256
from gazeclip.recipe.teacher import GazeConfig, TeacherConfig, TextConfig
from gazeclip.taxonomy import Taxonomy
from gazeclip.teacher.gaze.encoder import GazeFeatures
from gazeclip.teacher.losses import TeacherLoss
from gazeclip.teacher.model import GazeCLIP

TAXONOMY = Taxonomy.load("demo")
PROMPTS = [TAXONOMY.prompts(name) for name in TAXONOMY.classes()]
HYBRID = TeacherConfig(
    backbone="test_resnet",
    width=32,
    depth=2,
    heads=2,
    embed_dim=24,
    gaze=GazeConfig("small", tokens=4),
    text=TextConfig(width=16, layers=1, heads=2, context_length=24),
)
CLIP = replace(HYBRID, tower="clip", clip_model="small", clip_pretrained="none")
BOTH = pytest.mark.parametrize("config", [HYBRID, CLIP], ids=["hybrid", "clip"])


def build(config: TeacherConfig = HYBRID, size: int = 64, alive: bool = False) -> GazeCLIP:
    torch.manual_seed(0)
    model = GazeCLIP(config, PROMPTS, size)
    if model.gaze_encoder is not None:
        model.gaze_encoder.freeze()
    return awakened(model).eval() if alive else model.eval()


@torch.no_grad()
def awakened(model: GazeCLIP) -> GazeCLIP:
    """As after some training: gates are open, and the hybrid's blocks do something."""
    if model.vpe.attention is not None:
        model.vpe.gamma.fill_(0.5)
    for selector in model.lre.selectors:
        selector.beta.fill_(0.1)
    for block in getattr(model.tower, "layers", ()):
        block.attention.output.reset_parameters()
        block.mlp[2].reset_parameters()
    return model


def select_rows(features: GazeFeatures, index: torch.Tensor) -> GazeFeatures:
    """The rows `index (M,)`."""
    doubt = None if features.doubt is None else features.doubt[index]
    return GazeFeatures(features.tokens[index], features.gaze[index], doubt)


def pixels(count: int = 4, size: int = 64) -> torch.Tensor:
    return torch.randint(
        0,
        256,
        (count, 3, size, size),
        dtype=torch.uint8,
        generator=torch.Generator().manual_seed(3),
    )


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


@BOTH
@pytest.mark.parametrize(("prompts", "vpe"), [(True, False), (False, True), (True, True)])
def test_gaze_path_is_alive(config, prompts, vpe):
    """Another face's gaze changes the embedding: by prompts, by cross-attention, by both."""
    model = build(
        replace(config, use_vpe=vpe, gaze=replace(config.gaze, prompts=prompts)), alive=True
    )
    gaze = model.encode_gaze(pixels())
    with torch.no_grad():
        own = model.encode_image(pixels(), gaze).embedding
        others = select_rows(gaze, torch.tensor([1, 2, 3, 0]))
        shuffled = model.encode_image(pixels(), others).embedding
        turned = model.encode_image(pixels(), GazeFeatures(gaze.tokens, gaze.gaze + 0.5)).embedding
    assert (own - shuffled).norm(dim=1).min() > 1e-4  # rounding makes 1e-6
    if prompts:  # the angles themselves matter too, not only the feature map
        assert (own - turned).norm(dim=1).min() > 1e-3
    torch.testing.assert_close(
        own, model.encode_image(pixels()).embedding.detach()
    )  # precomputed = computed


LABELS = torch.tensor([0, 1] * 8)
GREY = torch.full((16, 3, 64, 64), 127, dtype=torch.uint8)


def faces(model: GazeCLIP) -> GazeFeatures:
    """Reals look to one side, forgeries to the other; the encoder's feature map says so too."""
    yaw = (2.0 * LABELS - 1.0) * 0.5 + 0.1 * torch.randn(16)
    angles = torch.stack((0.1 * torch.randn(16), yaw), dim=1)
    return GazeFeatures(
        yaw[:, None, None] * torch.linspace(-1, 1, model.gaze_encoder.channels)
        + 0.1 * torch.randn(16, 4, 1),
        angles,
    )


def learn_from_gaze_alone(
    model: GazeCLIP, optimizer: torch.optim.Optimizer, steps: int
) -> tuple[float, float]:
    """Accuracy with the own gaze and with another's, where only the gaze differs by class."""
    criterion = TeacherLoss(model.config)
    for _ in range(steps):
        optimizer.zero_grad()
        criterion(model(GREY, faces(model)), LABELS)["loss"].backward()
        optimizer.step()
    gaze = faces(model)
    with torch.no_grad():
        own = (model(GREY, gaze).logits[:, :2].argmax(1) == LABELS).float().mean()
        others = select_rows(gaze, torch.arange(16).roll(1))
        other = (model(GREY, others).logits[:, :2].argmax(1) == LABELS).float().mean()
    return float(own), float(other)


@BOTH
@pytest.mark.parametrize(("prompts", "vpe"), [(True, False), (False, True)])
def test_shuffled_gaze_lowers_the_score(config, prompts, vpe):
    torch.manual_seed(0)
    model = build(
        replace(
            config,
            use_vpe=vpe,
            gaze=replace(config.gaze, prompts=prompts),
            text=replace(config.text, levels=2),
        ),
        alive=True,
    )
    own, other = learn_from_gaze_alone(
        model, torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=3e-3), 25
    )
    assert own > 0.9
    assert other < 0.3  # rolled by one, every face gets the gaze of the other class


def test_gates_open_by_themselves_at_the_rates_of_a_recipe():
    """gamma starts at 0, and a training of real length has a few hundred steps of at most 5e-4.

    On grey squares the convolutions have nothing to learn, so they stay as they are.
    """
    torch.manual_seed(0)
    gaze = replace(HYBRID.gaze, prompts=False)
    text = replace(HYBRID.text, levels=2)
    model = build(replace(HYBRID, frozen_stride=32, gaze=gaze, text=text))
    own, other = learn_from_gaze_alone(
        model, torch.optim.AdamW(model.parameter_groups(5e-4, 0.2, 0.05)), 50
    )
    assert abs(float(model.vpe.gamma)) > 0.1
    assert own > 0.9 and other < 0.3


def test_rates_and_decay_by_kind():
    model = build(replace(HYBRID, deep_prompts=2))
    model.tower.pretrained = True
    groups = model.parameter_groups(1e-3, 0.1, 0.05)
    place = {
        id(parameter): (group["lr"], group["weight_decay"])
        for group in groups
        for parameter in group["params"]
    }
    found = {
        name: place[id(parameter)]
        for name, parameter in model.named_parameters()
        if id(parameter) in place
    }
    assert (
        found["vpe.gamma"]
        == found["lre.selectors.0.beta"]
        == found["lre.level_weights"]
        == (pytest.approx(0.03), 0.0)
    )
    assert found["tower.layers.0.mlp.0.weight"] == (1e-3, 0.05)
    assert (
        found["tower.layers.0.mlp.0.bias"]
        == found["tower.cls"]
        == found["tower.positions.0"]
        == found["gaze_prompts.queries"]
        == (1e-3, 0.0)
    )
    assert found["tower.deep.offsets"] == found["lre.token_embedding.weight"] == (
        1e-3,
        0.0,
    ) and found["lre.text_projection"] == (1e-3, 0.05)
    assert {rate for name, (rate, _) in found.items() if name.startswith("tower.backbone.")} == {
        1e-3 * 0.1
    }
    clip = build(replace(CLIP, gate_lr_scale=2.0))
    decay = {
        id(p): group["weight_decay"]
        for group in clip.parameter_groups(1e-3, 0.1, 0.05)
        for p in group["params"]
    }
    assert (
        decay[id(clip.tower.visual.proj)] == 0.05
        and decay[id(clip.tower.visual.positional_embedding)] == 0.0
    )


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


def test_without_gaze_nothing_of_it_remains():
    model = build(replace(HYBRID, gaze=GazeConfig("none")))
    out = model(pixels())
    assert model.encode_gaze(pixels()) is None
    assert torch.isnan(out.gaze).all()
    assert torch.isfinite(out.logits).all()
    assert not any("gaze" in name or "vpe.attention" in name for name in model.state_dict())


@BOTH
def test_training_reaches_everything_but_the_frozen_gaze_encoder(config):
    model = build(replace(config, deep_prompts=2, w_consistency=0.1), alive=True).train()
    before = {name: value.clone() for name, value in model.gaze_encoder.state_dict().items()}
    labels = torch.tensor([0, 1, 2, 3])
    with torch.no_grad():  # what starts at 0 would hide what lies behind it
        for norm in model.tower.modules():
            if isinstance(norm, torch.nn.BatchNorm2d):
                norm.weight.fill_(1.0)
    TeacherLoss(model.config)(model(pixels()), labels)["loss"].backward()
    assert all(parameter.grad is None for parameter in model.gaze_encoder.parameters())
    assert all(
        torch.equal(value, before[name]) for name, value in model.gaze_encoder.state_dict().items()
    )
    frozen = {id(parameter) for parameter in model.gaze_encoder.parameters()}
    silent = [
        name
        for name, p in model.named_parameters()
        if id(p) not in frozen and (p.grad is None or not p.grad.abs().any())
    ]
    # A bias added to all scores before a softmax cannot matter: the selectors' last one, and the
    # keys' of attention (which are parts of larger vectors and so do not show here).
    assert [name for name in silent if not name.endswith("score.3.bias")] == []


def test_untrained_gaze_encoder_gets_no_gradient_either():
    torch.manual_seed(0)
    model = GazeCLIP(HYBRID, PROMPTS, 64).train()
    assert not model.gaze_encoder.frozen
    assert not model.gaze_encoder.training
    TeacherLoss(HYBRID)(model(pixels()), torch.tensor([0, 1, 2, 3]))["loss"].backward()
    assert all(parameter.grad is None for parameter in model.gaze_encoder.parameters())
    grouped = {id(p) for group in model.parameter_groups(1e-3, 0.1, 0.05) for p in group["params"]}
    assert not grouped & {id(p) for p in model.gaze_encoder.parameters()}


def test_a_few_steps_fit_a_batch():
    torch.manual_seed(0)
    model = build().train()
    optimizer = torch.optim.AdamW(model.parameter_groups(2e-3, 1.0, 0.01))
    criterion, labels = TeacherLoss(HYBRID), torch.tensor([0, 1, 2, 3])
    losses = []
    for _ in range(25):
        terms = criterion(model(pixels()), labels)
        optimizer.zero_grad()
        terms["loss"].backward()
        optimizer.step()
        losses.append(terms["loss"].item())
    assert losses[-1] < 0.5 * losses[0]


@BOTH
def test_deep_prompts_start_as_the_gaze_prompts_and_matter_once_moved(config):
    model = build(replace(config, deep_prompts=2), alive=True)
    tokens, prompts = torch.randn(4, 9, 32), torch.randn(4, 4, 32)
    with torch.no_grad():
        renewed = model.tower.deep(tokens, prompts, 1)
        assert torch.equal(renewed[:, 1:5], prompts) and torch.equal(
            renewed[:, [0, 5, 6, 7, 8]], tokens[:, [0, 5, 6, 7, 8]]
        )
        assert (
            model.tower.deep(tokens, prompts, 0) is tokens
            and model.tower.deep(tokens, prompts, 2) is tokens
        )
        first = model.encode_image(pixels()).embedding
        model.tower.deep.offsets.normal_()
        second = model.encode_image(pixels()).embedding
    assert (first - second).abs().max() > 1e-3
    with pytest.raises(ConfigError, match="deep_prompts=3"):
        build(replace(config, deep_prompts=3))


@BOTH
def test_save_and_load_round_trip(tmp_path, config):
    model = build(config, alive=True)
    model.gaze_encoder.mark_trained("a test")
    model.save(tmp_path)
    loaded = GazeCLIP.load(tmp_path)
    assert loaded.config == model.config
    assert loaded.gaze_encoder.describe() == model.gaze_encoder.describe()
    assert loaded.gaze_encoder.frozen
    with torch.no_grad():
        a, b = model(pixels()), loaded(pixels())
    for name in ("embedding", "logits", "fake_logit", "gaze", "text"):
        assert torch.equal(getattr(a, name), getattr(b, name)), name


def test_foreign_or_damaged_folders_are_refused(tmp_path):
    with pytest.raises(ArtifactError, match="missing"):
        GazeCLIP.load(tmp_path)
    build().save(tmp_path)
    weights = tmp_path / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ArtifactError, match="damaged"):
        GazeCLIP.load(tmp_path)
    build(replace(HYBRID, embed_dim=16)).save(tmp_path / "other")
    weights.write_bytes((tmp_path / "other" / "model.safetensors").read_bytes())
    with pytest.raises(WeightsError, match="expected"):
        GazeCLIP.load(tmp_path)


@pytest.mark.parametrize("size", [64, 80, 96])
def test_hybrid_positions_follow_the_image_size(size):
    model = build(size=size)
    assert [tuple(p.shape[-2:]) for p in model.tower.positions] == [
        (-(-size // s),) * 2 for s in (16, 32)
    ]
    assert model(pixels(2, size)).embedding.shape == (2, 24)
    assert model(pixels(2, 64)).embedding.shape == (
        2,
        24,
    )  # another size resizes the position tables


def test_hybrid_tells_where_things_are():
    """Learned positions: moving a patch changes the embedding even where content is the same."""
    model = build(alive=True)
    image = pixels(1)
    with torch.no_grad():
        gaze = model.encode_gaze(image)
        plain = model.encode_image(image, gaze).embedding
        model.tower.positions[0].copy_(model.tower.positions[0].flip(-1))
        moved = model.encode_image(image, gaze).embedding
    assert (plain - moved).abs().max() > 1e-5


def test_the_hybrid_starts_as_a_linear_map_of_what_a_classifier_is_given():
    model = build()
    tower = model.tower
    with torch.no_grad():
        pooled = tower.backbone(
            (pixels().float() / 255 - tower.mean) / tower.std
        )  # timm's own forward, without a classifier
        expected = tower.project(tower.ln_pre(tower.cls[:, 0] + tower.pooled(pooled)))
        torch.testing.assert_close(
            tower(pixels(), torch.randn(4, 3, 32)), expected, rtol=1e-4, atol=1e-5
        )


def test_clip_tower_without_prompts_equals_open_clip():
    model = build(replace(CLIP, gaze=GazeConfig("none")))
    x = (pixels().float() / 255 - model.tower.mean) / model.tower.std
    with torch.no_grad():
        torch.testing.assert_close(
            model.tower(pixels()), model.tower.visual(x), rtol=1e-4, atol=1e-5
        )


def test_clip_errors_name_the_remedy(tmp_path):
    named = replace(CLIP, clip_model="ViT-B-16")
    for config, error, reason in (
        (replace(named, clip_model="ViT-B-61"), ConfigError, "ViT-B-16"),
        (replace(named, clip_pretrained="nowhere.pt"), WeightsError, "neither a file nor a tag"),
        (replace(CLIP, clip_pretrained="openai"), ConfigError, "clip_model=small has no weights"),
    ):
        with pytest.raises(error, match=reason):
            GazeCLIP(config, PROMPTS, 64)


def test_a_saved_teacher_knows_its_weight_file_by_content(tmp_path):
    path = tmp_path / "gaze.pth"
    torch.save(build().gaze_encoder.state_dict(), path)
    config = replace(HYBRID, gaze=replace(HYBRID.gaze, kind="small", weights=str(path)))
    digests = []
    for name in ("gaze.pth", "moved/gaze.pth"):
        place = tmp_path / name
        place.parent.mkdir(exist_ok=True)
        path.rename(place)
        path = place
        torch.manual_seed(0)
        model = build(replace(config, gaze=replace(config.gaze, weights=str(place))))
        model.save(tmp_path / "teacher")
        digests.append(sha256(tmp_path / "teacher"))
    assert digests[0] == digests[1]
    assert str(tmp_path) not in (tmp_path / "teacher" / "config.json").read_text()
    path.unlink()
    with torch.no_grad():
        loaded = GazeCLIP.load(tmp_path / "teacher")
        assert torch.equal(loaded(pixels()).logits, model.eval()(pixels()).logits)
    assert loaded.config.gaze.weights.startswith("sha256:")


@pytest.mark.slow
def test_named_clip_from_a_local_file_outlives_the_file(tmp_path):
    import open_clip

    torch.manual_seed(0)
    name, path = "ViT-S-32-alt", tmp_path / "clip.pt"
    source = open_clip.create_model(name).eval()
    torch.save({"state_dict": source.state_dict()}, path)
    config = replace(CLIP, clip_model=name, clip_pretrained=str(path), gaze=GazeConfig("none"))
    model = GazeCLIP(config, PROMPTS, source.visual.image_size[0]).eval()
    image = pixels(1, model.image_size)
    x = (image.float() / 255 - model.tower.mean) / model.tower.std
    with torch.no_grad():
        torch.testing.assert_close(model.tower(image), source.visual(x), rtol=1e-4, atol=1e-5)
        tokens = open_clip.get_tokenizer(name)([PROMPTS[1][3]])
        expected = torch.nn.functional.normalize(source.encode_text(tokens), dim=-1)
        torch.testing.assert_close(model.encode_text()[1][1, 3:], expected, rtol=1e-4, atol=1e-5)
    assert len(model.backbone_parameters()) > 20
    model.save(tmp_path / "teacher")
    path.write_bytes(b"damaged")
    with pytest.raises(WeightsError, match="does not fit or cannot be read"):
        GazeCLIP(config, PROMPTS, model.image_size)
    path.unlink()
    with torch.no_grad():
        assert torch.equal(GazeCLIP.load(tmp_path / "teacher")(image).logits, model(image).logits)


def test_a_gaze_encoder_for_a_teacher_without_gaze_is_refused():
    encoder = build().gaze_encoder
    with pytest.raises(ConfigError, match="none"):
        GazeCLIP(replace(HYBRID, gaze=GazeConfig("none")), PROMPTS, 64, gaze_encoder=encoder)
