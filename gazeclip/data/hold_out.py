"""A manifest and a taxonomy with some generators kept from training, for protocols P2 and P3."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict, replace
from pathlib import Path

import yaml

from gazeclip.data.manifest import TUNED, Manifest, read_manifest
from gazeclip.data.rows import Sample
from gazeclip.errors import ConfigError, nearest
from gazeclip.files.atomic import write_csv, write_text
from gazeclip.taxonomy import REAL, Taxonomy

COLUMNS = ("path", "label", "split", "identity", "gaze_pitch", "gaze_yaw", "crop")


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
    held = _find_held(manifest.taxonomy, families, generators)
    samples = _set_aside(manifest.samples, held)
    if not any(sample.split == "train" and sample.label != REAL for sample in samples):
        raise ConfigError(
            "this holds out every generator that is trained on", remedy="Leave some to train on"
        )
    kept = tuple(
        replace(generator, seen=generator.seen and generator.name not in held)
        for generator in manifest.taxonomy.generators
    )
    name = f"{manifest.taxonomy.name}-without-{'-'.join([*families, *generators])}"
    return samples, Taxonomy(name, kept, manifest.taxonomy.cite)


def _find_held(
    taxonomy: Taxonomy, families: Collection[str], generators: Collection[str]
) -> set[str]:
    """Names of the generators that are held out."""
    known = {generator.family for generator in taxonomy.generators if generator.name != REAL}
    for family in families:
        if family not in known:
            raise ConfigError(
                f"no generator of the taxonomy is of the family '{family}'",
                remedy=nearest(family, sorted(known)),
            )
    held = {taxonomy.get(name).name for name in generators} - {REAL}
    return held | {item.name for item in taxonomy.generators if item.family in families}


def _set_aside(samples: Iterable[Sample], held: Collection[str]) -> list[Sample]:
    """The samples without those that tune a model for a held generator; its test is unseen."""
    kept = []
    for sample in samples:
        if sample.label in held and sample.split in TUNED:
            continue
        unseen = sample.label in held and sample.split == "test"
        kept.append(replace(sample, split="test_unseen") if unseen else sample)
    return kept


def write_hold_out(
    path: Path, taxonomy: str, families: Collection[str], generators: Collection[str], out: Path
) -> dict[str, dict[str, int]]:
    """Write `out/manifest.csv` (with absolute paths) and `out/taxonomy.yaml`, both checked.

    Returns:
        split -> label -> number of images.
    """
    manifest = read_manifest(path, Taxonomy.load(taxonomy), check_images=False)
    samples, changed = hold_out(manifest, families, generators)
    entries = {}
    for generator in changed.generators:
        if generator.name != REAL:
            entry = asdict(generator)
            entries[entry.pop("name")] = entry
    written = {"name": changed.name, "cite": list(changed.cite), "generators": entries}
    write_text(out / "taxonomy.yaml", yaml.safe_dump(written, sort_keys=False))
    rows = []
    for sample in samples:
        gaze = sample.gaze or ("", "")
        person = sample.identity or ""
        rows.append(
            (sample.path.absolute(), sample.label, sample.split, person, *gaze, sample.crop or "")
        )
    write_csv(out / "manifest.csv", COLUMNS, rows)
    written_taxonomy = Taxonomy.load(str(out / "taxonomy.yaml"))
    return read_manifest(out / "manifest.csv", written_taxonomy, check_images=False).counts()
