"""A class from photographs: its row against a naive loop, and what is left out or refused."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from distill.bank_images import Photographs, add_by_images, collect_photographs, make_row
from gazeclip.bundle.contents import BundleClass
from gazeclip.bundle.text_bank import BankRow, TextBankFile
from gazeclip.errors import ArtifactError, ConfigError, ImageError
from gazeclip.taxonomy import Generator
from tests.conftest import CLASSES

NEW = Generator("new", "a new GAN", "face_swap", "gan")
STUDENT = "b" * 64


def unit(values: np.ndarray) -> np.ndarray:
    return values / np.linalg.norm(values, axis=-1, keepdims=True)


@pytest.fixture
def embeddings() -> np.ndarray:
    rng = np.random.default_rng(5)
    centre = rng.normal(size=6)
    return unit(centre + 0.3 * rng.normal(size=(10, 6))).astype(np.float32)


@pytest.fixture
def bank(weights: dict[str, np.ndarray]) -> TextBankFile:
    rows = (BankRow("text"),) * len(CLASSES)
    return TextBankFile(weights["bank"], tuple(CLASSES), rows, "a" * 64)


def test_the_row_scores_like_the_best_row_that_is_there(
    embeddings: np.ndarray, bank: TextBankFile
) -> None:
    own = []
    best = []
    for number, image in enumerate(embeddings.astype(np.float64)):
        others = np.delete(embeddings, number, axis=0).astype(np.float64)
        own.append(image @ unit(others.mean(axis=0)))
        best.append(max(image @ row for row in bank.embeddings))
    expected = np.mean(best) / np.mean(own) * unit(embeddings.astype(np.float64).mean(axis=0))
    np.testing.assert_allclose(make_row(embeddings, bank.embeddings), expected, atol=1e-6)
    # 1.5 times as long
    np.testing.assert_allclose(
        make_row(embeddings, bank.embeddings, 1.5), 1.5 * expected, atol=1e-6
    )


def test_what_a_bank_keeps_of_photographs(embeddings: np.ndarray, bank: TextBankFile) -> None:
    hashes = tuple(f"{number:064x}" for number in range(10))
    longer = add_by_images(bank, NEW, Photographs(embeddings, hashes), STUDENT, 1.1)
    assert longer.find_faults() == []
    assert longer.student == STUDENT and longer.teacher == bank.teacher
    assert longer.classes[-1] == BundleClass("new", "a new GAN", "face_swap", "gan")
    assert longer.rows[-1].sources == hashes and longer.rows[-1].weight == 1.1
    again = add_by_images(
        longer, replace(NEW, name="newer"), Photographs(embeddings, hashes), STUDENT
    )
    assert len(again.classes) == len(CLASSES) + 2
    with pytest.raises(ArtifactError, match="made by the student bbbbbbbbbbbb, not cccccccccccc"):
        add_by_images(longer, NEW, Photographs(embeddings, hashes), "c" * 64)
    with pytest.raises(ArtifactError, match="rows of 6 values, the student gives 5"):
        add_by_images(bank, NEW, Photographs(unit(embeddings[:, :5]), hashes), STUDENT)
    for weight in (0.0, -1.0, float("nan")):
        with pytest.raises(ConfigError, match="is not above 0"):
            add_by_images(bank, NEW, Photographs(embeddings, hashes), STUDENT, weight)


@pytest.mark.parametrize("seed", range(20))
def test_photographs_of_several_classes_make_no_row_that_draws_most_images(seed: int) -> None:
    """Ten images, each near one of four rows: the best row is near, and what they share is not."""
    rng = np.random.default_rng(seed)
    rows = unit(rng.normal(size=(4, 128))).astype(np.float32)
    several = unit(rows[np.arange(12) % 4] + 0.02 * rng.normal(size=(12, 128)))
    chance = unit(rng.normal(size=(10, 128)))
    bank = TextBankFile(rows, tuple(CLASSES), (BankRow("text"),) * 4, "a" * 64)
    hashes = tuple(f"{number:064x}" for number in range(12))
    for images in (several, chance):
        given = Photographs(images.astype(np.float32), hashes[: len(images)])
        with pytest.raises(ConfigError, match="resemble each other"):
            add_by_images(bank, NEW, given, STUDENT)
    one = unit(rows[0] + rng.normal(size=(10, 128)) * 0.02 + 0.2 * rng.normal(size=128))
    photographs = Photographs(one.astype(np.float32), hashes[:10])
    made = add_by_images(bank, NEW, photographs, STUDENT)
    assert 0 < made.rows[-1].length <= 1


def test_photographs_that_resemble_no_class(bank: TextBankFile) -> None:
    rows = np.abs(bank.embeddings)
    own = replace(bank, embeddings=rows)
    away = unit(-rows.sum(axis=0) + 0.01 * np.arange(18).reshape(3, 6)).astype(np.float32)
    with pytest.raises(ConfigError, match="resemble no class of the bank"):
        add_by_images(own, NEW, Photographs(away, ("a" * 64, "b" * 64, "c" * 64)), STUDENT)


def test_photographs_that_cannot_be_read_are_named_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = []
    for number in range(5):
        path = tmp_path / f"{number}.png"
        path.write_bytes(b"same" if number in (1, 3) else str(number).encode())
        paths.append(path)
    vectors = 3.0 * np.eye(5, dtype=np.float32)
    outcomes = [(path, vectors[number]) for number, path in enumerate(paths)]
    outcomes[4] = (paths[4], ImageError(f"{paths[4]} is broken"))
    found = collect_photographs(outcomes)
    np.testing.assert_array_equal(found.embeddings, np.eye(5)[:3])  # of unit length
    assert found.hashes[0] == hashlib.sha256(b"0").hexdigest() and len(found.hashes) == 3
    told = capsys.readouterr().err
    assert "4.png is broken" in told and "3.png has the same bytes as another one" in told
    with pytest.raises(ImageError, match="2 photographs are too few"):
        collect_photographs(outcomes[:2])
