"""A manifest and a taxonomy with some generators kept from training, so that protocol P3 (or P2)
has something to score.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, replace
from pathlib import Path

import yaml

from gazeclip.data.manifest import TUNED, Manifest, read_manifest
from gazeclip.data.rows import Sample
from gazeclip.errors import ConfigError, nearest
from gazeclip.files.atomic import write_csv, write_text
from gazeclip.taxonomy import REAL, Taxonomy

COLUMNS = ("path", "label", "split", "identity", "gaze_pitch", "gaze_yaw")


def hold_out(
    manifest: Manifest, families: Collection[str], generators: Collection[str] = ()
) -> tuple[list[Sample], Taxonomy]:
    """The samples and the taxonomy in which these are unseen.

    Their images leave train, val and calibration, and move from test to test_unseen; nothing else
    changes.

    Raises:
        ConfigError: an unknown family or generator, none at all, or nothing would be left to train
            on.
    """
    if not families and not generators:
        raise ConfigError(
            "nothing to hold out", remedy="Name it: --family NAME or --generator NAME"
        )
    known = {
        generator.family for generator in manifest.taxonomy.generators if generator.name != REAL
    }
    for family in families:
        if family not in known:
            raise ConfigError(
                f"no generator of the taxonomy is of the family '{family}'",
                remedy=nearest(family, sorted(known)),
            )
    held = {manifest.taxonomy.get(name).name for name in generators} - {REAL}
    held |= {
        generator.name for generator in manifest.taxonomy.generators if generator.family in families
    }
    samples = [
        replace(sample, split="test_unseen")
        if sample.label in held and sample.split == "test"
        else sample
        for sample in manifest.samples
        if sample.label not in held or sample.split not in TUNED
    ]
    if not any(sample.split == "train" and sample.label != REAL for sample in samples):
        raise ConfigError(
            "this holds out every generator that is trained on", remedy="Leave some to train on"
        )
    kept = tuple(
        replace(generator, seen=generator.seen and generator.name not in held)
        for generator in manifest.taxonomy.generators
    )
    return samples, Taxonomy(
        f"{manifest.taxonomy.name}-without-{'-'.join([*families, *generators])}",
        kept,
        manifest.taxonomy.cite,
    )


def write_hold_out(
    path: Path, taxonomy: str, families: Collection[str], generators: Collection[str], out: Path
) -> dict[str, dict[str, int]]:
    """Write `out/manifest.csv` (with absolute paths) and `out/taxonomy.yaml`, both checked; returns
    the counts per split and label.
    """
    samples, changed = hold_out(
        read_manifest(path, Taxonomy.load(taxonomy), check_images=False), families, generators
    )
    entries = {
        g.name: {key: value for key, value in asdict(g).items() if key != "name"}
        for g in changed.generators
        if g.name != REAL
    }
    text = yaml.safe_dump(
        {"name": changed.name, "cite": list(changed.cite), "generators": entries}, sort_keys=False
    )
    write_text(out / "taxonomy.yaml", text)
    rows = (
        (s.path.absolute(), s.label, s.split, s.identity or "", *(s.gaze or ("", "")))
        for s in samples
    )
    write_csv(out / "manifest.csv", COLUMNS, rows)
    return read_manifest(
        out / "manifest.csv", Taxonomy.load(str(out / "taxonomy.yaml")), check_images=False
    ).counts()
