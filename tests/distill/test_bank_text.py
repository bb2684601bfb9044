"""A class by its name: the teacher's own rows are the reference, and what it cannot read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from distill.bank_files import find_generator
from distill.bank_text import add_by_name, choose_prompts
from gazeclip.bundle.contents import BundleClass
from gazeclip.bundle.text_bank import BankRow, TextBankFile
from gazeclip.errors import ConfigError
from gazeclip.taxonomy import Generator
from gazeclip.teacher.model import GazeCLIP
from tests.gazeclip.teacher.tiny import TAXONOMY, build

# In words of the demo's prompts.
NEW = Generator("swap_warp", "warped face swap", "face_swap", "graphics")


@pytest.fixture(scope="module")
def teacher() -> GazeCLIP:
    model = build(alive=True)
    with torch.no_grad():
        model.lre.level_weights.copy_(torch.tensor([0.1, -0.4, 0.3, 0.8]))
    return model


@pytest.fixture(scope="module")
def bank(teacher: GazeCLIP) -> TextBankFile:
    """All classes but the last."""
    names = TAXONOMY.classes()[:-1]
    with torch.no_grad():
        values = teacher.encode_text()[0][:-1].numpy()
    classes = tuple(BundleClass(**entry) for entry in TAXONOMY.describe(names))
    return TextBankFile(values, classes, (BankRow("text"),) * len(names), "a" * 64)


def test_a_class_by_name_is_what_training_would_have_made_of_it(
    teacher: GazeCLIP, bank: TextBankFile
) -> None:
    name = TAXONOMY.classes()[-1]
    longer = add_by_name(teacher, TAXONOMY, bank, TAXONOMY.get(name))
    with torch.no_grad():
        expected = teacher.encode_text()[0][-1].numpy()
    # the same sums over a shorter padding
    np.testing.assert_allclose(longer.embeddings[-1], expected, atol=1e-5)
    np.testing.assert_array_equal(longer.embeddings[:-1], bank.embeddings)
    assert longer.rows[-1].sources == TAXONOMY.prompts(name)
    assert longer.find_faults() == []


def test_fewer_levels_are_mixed_by_their_own_weights(teacher: GazeCLIP) -> None:
    name = TAXONOMY.classes()[2]
    with torch.no_grad():
        levels = teacher.encode_text()[1][2]  # (4, D)
        row = teacher.lre.embed_prompts(TAXONOMY.prompts(name)[:3])
    shares = np.exp([0.1, -0.4, 0.3])
    mixed = (torch.tensor(shares / shares.sum())[:, None] * levels[:3]).sum(0)
    torch.testing.assert_close(row.double(), F.normalize(mixed, dim=0), atol=1e-5, rtol=0)


def test_words_that_the_teacher_never_saw_are_named(teacher: GazeCLIP) -> None:
    odd = replace(NEW, title="zebra face swap of quince")
    with pytest.raises(ConfigError, match=r"never saw 'zebra', 'quince' \(level 4") as caught:
        choose_prompts(teacher, TAXONOMY, odd, None)
    assert "--levels 3" in str(caught.value)
    assert len(choose_prompts(teacher, TAXONOMY, odd, 3)) == 3
    for levels in (0, 5):
        with pytest.raises(ConfigError, match=f"reads 4 prompt levels, not {levels}"):
            choose_prompts(teacher, TAXONOMY, NEW, levels)


def test_a_row_that_is_there_already_is_refused(teacher: GazeCLIP, bank: TextBankFile) -> None:
    same = replace(TAXONOMY.get("synth_gan"), name="another_gan")
    with pytest.raises(ConfigError, match="'another_gan' has the same prompts as 'synth_gan'"):
        add_by_name(teacher, TAXONOMY, bank, same)


def test_who_says_what_a_class_is() -> None:
    known = find_generator(TAXONOMY, "swap_alpha", None, None, None)
    assert (known.category, known.family, known.title) == (
        "face_swap",
        "graphics",
        "alpha face swap",
    )
    assert find_generator(TAXONOMY, "swap_alpha", None, "graphics", "T").title == "T"
    with pytest.raises(ConfigError, match="the family of 'swap_alpha' is graphics"):
        find_generator(TAXONOMY, "swap_alpha", None, "gan", None)
    for taxonomy in (TAXONOMY, None):
        with pytest.raises(ConfigError, match="nothing here knows the generator 'x'"):
            find_generator(taxonomy, "x", "face_swap", None, None)
    assert find_generator(None, "x", "face_swap", "gan", None).title == "x"
    with pytest.raises(ConfigError, match="Did you mean 'face_swap'"):
        TAXONOMY.extend(Generator("x", "x", "face_swop", "gan"))
