"""The language encoder against open_clip's text side, and what its predecessors lacked."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from gazeclip.errors import ConfigError
from gazeclip.recipe.teacher import TextConfig
from gazeclip.taxonomy import Taxonomy
from gazeclip.teacher.text.lre import LanguageEncoder

open_clip = pytest.importorskip("open_clip")
SMALL = TextConfig(width=32, layers=2, heads=2, context_length=32)


def demo_prompts() -> list[tuple[str, ...]]:
    taxonomy = Taxonomy.load("demo")
    return [taxonomy.prompts(name) for name in taxonomy.classes()]


def encoder(config: TextConfig = SMALL, prompts=None, seed: int = 0) -> LanguageEncoder:
    torch.manual_seed(seed)
    return LanguageEncoder(config, prompts or demo_prompts(), embed_dim=16).eval()


def tiny_clip(quick_gelu: bool):
    torch.manual_seed(0)
    vision = {"image_size": 32, "patch_size": 16, "width": 32, "layers": 1, "head_width": 16}
    text = {"context_length": 40, "width": 32, "layers": 2, "heads": 2}
    return open_clip.model.CLIP(16, vision, text, quick_gelu=quick_gelu).eval()


def stir(lre: LanguageEncoder, beta: float = 0.7) -> LanguageEncoder:
    """Give the word selectors something to say."""
    with torch.no_grad():
        for selector in lre.selectors:
            selector.beta.fill_(beta)
            for parameter in selector.score.parameters():
                parameter.normal_(0, 0.5)
    return lre


@pytest.mark.parametrize("quick_gelu", [False, True])
def test_fresh_encoder_equals_plain_clip(quick_gelu):
    """AWS at beta = 0 is the identity; cropped context, masks and read-out are open_clip's."""
    clip, prompts = tiny_clip(quick_gelu), demo_prompts()
    lre = LanguageEncoder(TextConfig(), prompts, 16, clip).eval()
    texts = [prompt for row in prompts for prompt in row]
    expected = clip.encode_text(open_clip.tokenizer.SimpleTokenizer(context_length=40)(texts))
    # float32 through two blocks in another summation order
    torch.testing.assert_close(lre.encode(*lre.tokenize(texts)), expected, rtol=1e-4, atol=1e-5)
    levels = F.normalize(expected, dim=-1).view(len(prompts), 4, 16)
    torch.testing.assert_close(lre()[1], levels, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(lre()[0], F.normalize(levels.mean(1), dim=-1), rtol=1e-4, atol=1e-5)


def test_custom_residual_blocks_are_run_as_open_clip_runs_them():
    torch.manual_seed(0)
    text = open_clip.transformer.TextTransformer(
        context_length=32,
        width=32,
        heads=2,
        layers=2,
        output_dim=16,
        qk_norm=True,
        scale_attn=True,
        scale_fc=True,
    ).eval()
    lre = LanguageEncoder(TextConfig(), demo_prompts(), 16, text).eval()
    texts = list(demo_prompts()[1])
    expected = text(open_clip.tokenizer.SimpleTokenizer(context_length=32)(texts))
    torch.testing.assert_close(lre.encode(*lre.tokenize(texts)), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("level", range(4))
def test_changing_any_level_changes_the_class_text(level):
    prompts = [list(row) for row in demo_prompts()]
    other = [list(row) for row in prompts]
    other[1][level] = other[2][level] if other[2][level] != other[1][level] else other[0][level]
    clip = tiny_clip(False)
    before, after = (
        LanguageEncoder(TextConfig(), rows, 16, clip)()[0] for rows in (prompts, other)
    )
    assert (before[1] - after[1]).abs().max() > 1e-3
    torch.testing.assert_close(before[2:], after[2:], rtol=1e-4, atol=1e-5)


def test_levels_switch_off_the_finer_prompts():
    clip = tiny_clip(False)
    prompts = [list(row) for row in demo_prompts()]
    other = [[*row[:2], "a photo", "a face"] for row in prompts]
    two = TextConfig(levels=2)
    a, b = (LanguageEncoder(two, rows, 16, clip)() for rows in (prompts, other))
    assert a[1].shape == (len(prompts), 2, 16)
    torch.testing.assert_close(a[0], b[0], rtol=0, atol=0)


def test_level_weights_are_learned_and_used():
    lre = encoder()
    text, levels = lre()
    (text * torch.randn_like(text)).sum().backward()
    assert lre.level_weights.grad.abs().max() > 0
    with torch.no_grad():
        lre.level_weights.copy_(torch.tensor([0.0, 0.0, 0.0, 30.0]))
    torch.testing.assert_close(lre()[0], levels[:, 3], rtol=1e-4, atol=1e-5)


def test_one_prompt_alone_equals_the_same_in_a_batch():
    lre = stir(encoder())
    texts = [prompt for row in demo_prompts() for prompt in row]
    together = lre.encode(*lre.tokenize(texts))
    for number in (0, 3, len(texts) - 1):
        alone = lre.encode(*lre.tokenize(texts[number : number + 1]))
        # float32 matrix products of other sizes sum in another order
        torch.testing.assert_close(alone[0], together[number], rtol=1e-4, atol=1e-5)


def test_padding_changes_nothing():
    lre = stir(encoder())
    texts = list(demo_prompts()[1])
    short, long = (lre.tokenize(texts, length=length) for length in (None, 32))
    assert long[0].shape[1] == 32 > short[0].shape[1]
    torch.testing.assert_close(lre.encode(*short), lre.encode(*long), rtol=1e-4, atol=1e-5)


def test_padding_ids_are_never_read():
    lre = stir(encoder())
    ids, lengths = lre.tokenize(["a photo of a real face"], length=20)
    other = ids.clone()
    other[0, lengths[0] :] = 1
    assert torch.equal(lre.encode(ids, lengths), lre.encode(other, lengths))


def test_beta_gets_a_gradient_from_its_zero():
    lre = encoder()
    (lre()[0] * torch.randn(len(demo_prompts()), 16)).sum().backward()
    assert all(selector.beta.grad.abs() > 0 for selector in lre.selectors)


def test_shared_prompts_are_encoded_once_and_equal_classes_share_a_group():
    prompts = [*demo_prompts()[:3], demo_prompts()[1]]
    lre = encoder(prompts=prompts)
    assert len(lre.tokens) == len({prompt for row in prompts for prompt in row})
    assert lre.groups.tolist() == [0, 1, 2, 1]


def test_own_end_of_text_is_read():
    """Two prompts with one beginning differ, and a longer neighbour does not move the read-out."""
    lre = encoder()
    vectors = lre.encode(
        *lre.tokenize(["a photo of a real face", "a photo of a fake face", "a photo"])
    )
    assert torch.pdist(vectors).min() > 1e-2


def test_unknown_words_long_prompts_and_missing_levels_are_refused():
    lre = encoder()
    with pytest.raises(ConfigError, match="never saw"):
        lre.tokenize(["a zebra"])
    with pytest.raises(ConfigError, match="exceeds the text context"):
        encoder(TextConfig(width=32, layers=1, heads=2, context_length=8))
    with pytest.raises(ConfigError, match="4 prompts"):
        encoder(prompts=[("a", "b", "c")])


def test_text_sides_of_another_kind_are_refused():
    coca = open_clip.transformer.TextTransformer(
        context_length=16, width=32, heads=2, layers=1, output_dim=16, embed_cls=True
    )
    with pytest.raises(ConfigError, match="end-of-text"):
        LanguageEncoder(TextConfig(), demo_prompts(), 16, coca)
