"""Persons are divided so that every split has every class, however few and whatever the seed."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gazeclip.data.divide import SHARES, divide, image_split
from gazeclip.data.from_folder import write_manifest
from gazeclip.data.manifest import read_manifest
from gazeclip.errors import ManifestError
from gazeclip.studies.protocol.evaluate import split_protocols
from gazeclip.taxonomy import Taxonomy

TAXONOMY = Taxonomy.load("demo")
SEEN_SPLITS = {"train", "val", "calibration", "test"}
SEEDS = range(60)


def persons_of(kind: str, labels: tuple[str, ...], count: int) -> dict[str, set[str]]:
    """`apart`: each image a person; `shared`: the same persons in all classes; `crossed`: half."""
    persons: dict[str, set[str]] = defaultdict(set)
    for place, label in enumerate(labels):
        for number in range(count):
            name = {
                "apart": f"{label}-{number}",
                "shared": f"p{number}",
                "crossed": f"p{number + place * count // 2}",
            }[kind]
            persons[name].add(label)
    return persons


def splits_by_label(persons: dict[str, set[str]], seed: int) -> dict[str, set[str]]:
    splits = divide(persons, TAXONOMY, seed)
    found: dict[str, set[str]] = defaultdict(set)
    for person, labels in persons.items():
        for label in labels:
            place = image_split(splits[person], label, TAXONOMY)
            if place is not None:
                found[label].add(place)
    return found


@pytest.mark.parametrize("kind", ["apart", "shared", "crossed"])
@pytest.mark.parametrize("count", [5, 12, 40])
def test_seen_generators_alone_fill_the_four_splits_and_no_other(kind: str, count: int) -> None:
    persons = persons_of(kind, ("real", "swap_gan", "synth_gan"), count)
    for seed in SEEDS:
        found = splits_by_label(persons, seed)
        assert all(found[label] == SEEN_SPLITS for label in ("real", "swap_gan", "synth_gan"))


@pytest.mark.parametrize("kind", ["apart", "shared", "crossed"])
@pytest.mark.parametrize("count", [6, 12, 40])
def test_with_an_unseen_generator_also_test_unseen_is_filled(kind: str, count: int) -> None:
    persons = persons_of(kind, ("real", "swap_gan", "synth_gan_v2"), count)
    for seed in SEEDS:
        found = splits_by_label(persons, seed)
        assert found["real"] == {*SEEN_SPLITS, "test_unseen"}
        assert found["swap_gan"] == SEEN_SPLITS
        assert found["synth_gan_v2"] == {"test_unseen"}


def test_the_smallest_sets() -> None:
    for seed in SEEDS:
        four = divide(persons_of("shared", ("real", "swap_gan"), 4), TAXONOMY, seed)
        assert sorted(four.values()) == sorted(SEEN_SPLITS)
    with pytest.raises(ManifestError) as caught:
        divide(persons_of("apart", ("real", "swap_gan"), 4) | {"x": {"synth_gan"}}, TAXONOMY, 0)
    assert "'synth_gan' has images of 1 person(s) and needs 4" in caught.value.message
    assert "swap_gan" not in caught.value.message
    assert "--identity" in (caught.value.remedy or "")


def test_a_large_set_is_divided_by_the_hash_alone() -> None:
    few, many = (persons_of("shared", ("real", "swap_gan"), count) for count in (600, 900))
    before = divide(few, TAXONOMY, 3)
    after = divide(many, TAXONOMY, 3)
    assert {person: after[person] for person in before} == before
    for split, share in SHARES.items():  # 0.1 of 900 persons: four deviations of a draw are 0.04
        assert list(after.values()).count(split) / 900 == pytest.approx(share, abs=0.07)


def test_the_order_of_the_files_does_not_matter() -> None:
    persons = persons_of("crossed", ("real", "swap_gan", "synth_gan_v2"), 7)
    turned = dict(reversed(persons.items()))
    for seed in SEEDS:
        assert divide(persons, TAXONOMY, seed) == divide(turned, TAXONOMY, seed)


def test_manifests_of_twelve_images_a_class(tmp_path: Path) -> None:
    """Ten seeds, two images a person: each manifest is accepted and keeps persons apart."""
    for place, label in enumerate(("real", "swap_gan", "synth_gan")):
        (tmp_path / label).mkdir()
        for number in range(12):
            rng = np.random.default_rng((place, number))
            pixels = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / label / f"p{number // 2}_{number}.png")
    for seed in range(10):
        path = write_manifest(tmp_path, "demo", tmp_path / f"{seed}.csv", r"/p(\d+)_", seed)
        manifest = read_manifest(path, TAXONOMY)
        assert set(manifest.counts()) == SEEN_SPLITS
        assert all(len(labels) == 3 for labels in manifest.counts().values())
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        places = {(row["identity"], row["split"]) for row in rows}
        assert len(rows) == 36 and len(places) == 6
        labels = {split: tuple(manifest.labels(split)) for split in ("test", "test_unseen")}
        chosen = split_protocols(labels, TAXONOMY, manifest.classes)
        sizes = {name: len(selection.rows) for name, selection in chosen.items()}
        assert sizes == {"P1": len(labels["test"]), "P2": 0, "P3": 0}
