"""A teacher saved and loaded; weight files and folders that are refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gazeclip.errors import ArtifactError, ConfigError, WeightsError
from gazeclip.files.hashes import sha256
from gazeclip.recipe.teacher import GazeConfig
from gazeclip.teacher.model import GazeCLIP
from tests.gazeclip.teacher.tiny import BOTH, CLIP, HYBRID, PROMPTS, build, pixels


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


def test_clip_errors_name_the_remedy(tmp_path):
    named = replace(CLIP, clip_model="ViT-B-16")
    for config, error, reason in (
        (replace(named, clip_model="ViT-B-61"), ConfigError, "ViT-B-16"),
        (replace(named, clip_pretrained="nowhere.pt"), WeightsError, "neither a file nor a tag"),
        (replace(CLIP, clip_pretrained="openai"), ConfigError, "clip_model=small has no weights"),
    ):
        with pytest.raises(error, match=reason):
            GazeCLIP(config, PROMPTS, 64)
