"""Augmentations replay to the bit from their vector, and a mirrored face looks the other way."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gazeclip.data.augment import Augmentation, draw_augmentation, sample_augmentation
from gazeclip.data.dataset import FaceDataset, batches, epoch_keys, plain_keys, rank_keys
from gazeclip.data.manifest import Manifest
from gazeclip.data.rows import Sample
from gazeclip.images.preprocess import PixelContract
from gazeclip.taxonomy import Taxonomy

CONTRACT = PixelContract(32)
PIXELS = np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)
PICTURE = Image.fromarray(PIXELS)


def test_replay_from_the_vector_is_bit_identical() -> None:
    used: set[str] = set()
    for number in range(60):
        first = draw_augmentation(3, 7, number)
        vector = first.vector()
        assert vector.dtype == np.float32
        assert vector.shape == (len(fields(Augmentation)),)
        again = Augmentation.from_vector(np.frombuffer(vector.tobytes(), np.float32))
        assert again == first
        np.testing.assert_array_equal(
            again.apply(PICTURE, CONTRACT), first.apply(PICTURE, CONTRACT)
        )
        used |= {f.name for f in fields(first) if getattr(first, f.name) != f.default}
    assert used == {f.name for f in fields(Augmentation)}  # the loop has met every degradation


def test_a_draw_depends_on_its_arguments_only() -> None:
    a = draw_augmentation(0, 1, 2)
    draw_augmentation(5, 5, 5)
    np.random.seed(3)
    assert draw_augmentation(0, 1, 2) == a
    assert (
        len(
            {
                draw_augmentation(*key).vector().tobytes()
                for key in [(0, 1, 2), (1, 1, 2), (0, 2, 2), (0, 1, 3), (0, 2, 1)]
            }
        )
        == 5
    )


def test_a_training_is_shown_other_pictures_in_another_order_than_the_one_it_starts_from() -> None:
    """Else a CNN fitted to the draws of its own training would meet all of them again."""
    backbone, model = (
        [draw_augmentation(0, index, 0, 1.0, stream) for index in range(20)]
        for stream in ("backbone", "teacher")
    )
    assert not any(a == b for a, b in zip(backbone, model, strict=True))
    orders = [
        [index for index, _ in epoch_keys(50, 0, 0, lambda index: 0, stream)]
        for stream in ("backbone", "teacher")
    ]
    assert orders[0] != orders[1] and sorted(orders[0]) == sorted(orders[1])


def test_strength_zero_is_crop_and_mirror_only() -> None:
    for number in range(50):
        plain = replace(
            draw_augmentation(0, 0, number, 0.0),
            crop_left=0.0,
            crop_top=0.0,
            crop_side=1.0,
            flip=0.0,
            noise_seed=0.0,
        )
        assert plain == Augmentation()


def test_draws_stay_inside_the_picture() -> None:
    rng = np.random.default_rng(1)
    flips = 0
    for _ in range(300):
        a = Augmentation.from_vector(sample_augmentation(rng).vector())
        assert a.crop_left >= 0
        assert a.crop_top >= 0
        assert max(a.crop_left, a.crop_top) + a.crop_side <= 1 + 1e-6
        assert a.apply(PICTURE, CONTRACT).shape == (32, 32, 3)
        flips += a.flipped
    assert 100 < flips < 200


def test_crops_and_mirrors_by_hand() -> None:
    contract = PixelContract(24)
    corner = Augmentation(crop_left=0.5, crop_top=0.25, crop_side=0.5).apply(PICTURE, contract)
    np.testing.assert_array_equal(corner, PIXELS[12:36, 24:48])
    np.testing.assert_array_equal(Augmentation().apply(PICTURE, CONTRACT), CONTRACT.apply(PIXELS))
    np.testing.assert_array_equal(
        Augmentation(flip=1.0).apply(PICTURE, CONTRACT), CONTRACT.apply(PIXELS)[:, ::-1]
    )


def test_exposure_by_hand() -> None:
    flat = Image.new("RGB", (32, 32), (100, 127, 200))
    got = Augmentation(brightness=0.5, contrast=1.2).apply(flat, CONTRACT)[0, 0]
    expected = [round(((v - 127.5) * 1.2 + 127.5) * 0.5) for v in (100, 127, 200)]
    np.testing.assert_allclose(got, expected, atol=1)
    noisy = Augmentation(noise_std=6.0, noise_seed=4.0).apply(flat, CONTRACT).astype(float)
    assert noisy[..., 0].std() == pytest.approx(6.0, rel=0.1)


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    samples = []
    for number, (label, gaze) in enumerate(
        [("real", (0.1, 0.3)), ("swap_gan", None), ("synth_gan_v2", (-0.2, -0.4))]
    ):
        path = tmp_path / f"{number}.png"
        Image.fromarray(np.roll(PIXELS, number, 0)).save(path)
        samples.append(Sample(path, label, "train", None, gaze))
    return Manifest(tmp_path / "m.csv", tuple(samples), Taxonomy.load("demo"))


def test_a_mirrored_face_looks_the_other_way(manifest: Manifest) -> None:
    dataset = FaceDataset(
        manifest,
        "train",
        CONTRACT,
        ("real", "swap_gan"),
        lambda _, number: Augmentation(flip=float(number)),
    )
    straight = dataset[0, 0]
    mirrored = dataset[0, 1]
    plain = dataset[0, -1]
    torch.testing.assert_close(straight["gaze"], torch.tensor([0.1, 0.3]))
    torch.testing.assert_close(mirrored["gaze"], torch.tensor([0.1, -0.3]))
    torch.testing.assert_close(plain["gaze"], torch.tensor([0.1, 0.3]))
    assert torch.equal(mirrored["pixels"], straight["pixels"].flip(-1))
    assert torch.equal(plain["pixels"], torch.from_numpy(CONTRACT.apply(PIXELS)).permute(2, 0, 1))
    torch.testing.assert_close(
        dataset[0, 0]["gaze"], torch.tensor([0.1, 0.3])
    )  # the flip left no trace
    assert torch.isnan(dataset[1, 1]["gaze"]).all()


def test_labels_and_batches(manifest: Manifest) -> None:
    dataset = FaceDataset(manifest, "train", CONTRACT, ("real", "swap_gan"))
    assert dataset.targets.tolist() == [0, 1, -1]
    found = list(batches(dataset, [(2, 0), (0, 5), (1, 0)], 2))
    assert [batch["index"].tolist() for batch in found] == [[2, 0], [1]]
    assert found[0]["number"].tolist() == [0, 5]
    assert found[0]["pixels"].shape == (2, 3, 32, 32)
    assert rank_keys(plain_keys(3), 2, 0, 1) == plain_keys(2)
    assert rank_keys(plain_keys(3), 8, 0, 1) == plain_keys(3)  # never nothing at all


def test_epochs_are_permutations_that_repeat() -> None:
    keys = epoch_keys(50, 1, 2, lambda index: index % 3)
    assert sorted(keys) == [(index, index % 3) for index in range(50)]
    assert keys == epoch_keys(50, 1, 2, lambda index: index % 3)
    assert (
        keys
        != epoch_keys(50, 1, 3, lambda index: index % 3)
        != epoch_keys(50, 2, 3, lambda index: index % 3)
    )
