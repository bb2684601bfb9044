"""Stage `data`: render the procedural faces, or check a user's manifest.

Either way nothing is trained on unchecked data.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from gazeclip.console.progress import progress_callback, say, working
from gazeclip.data.manifest import Manifest, identity_warnings, read_manifest
from gazeclip.data.rows import image_paths
from gazeclip.data.shortcuts import find_shortcuts, shortcut_warnings
from gazeclip.errors import Fault, ManifestError, raise_first
from gazeclip.faces.dataset import write_dataset
from gazeclip.faces.probe import linear_probe
from gazeclip.files.atomic import write_json
from gazeclip.files.hashes import fingerprint, sha256
from gazeclip.recipe.stages import DataConfig
from gazeclip.run.context import Context
from gazeclip.run.execute import execute
from gazeclip.run.folder import Run
from gazeclip.system.place import command_line, name_file


def find_manifest_faults(config: DataConfig) -> list[Fault]:
    """Why there is no manifest to check; faults inside it show only when it is read."""
    if config.manifest is None or Path(config.manifest).is_file():
        return []
    what = f"manifest {config.manifest} does not exist"
    make = command_line("data", "manifest", "FOLDER")
    remedy = f"Make one: {make} ({name_file('docs/data.md')})"
    return [Fault(what, remedy, ManifestError)]


def run_stage(run: Run, force: bool = False) -> bool:
    """Write `data/` with `data.json`: the hash of rows and images, the counts per split and label.

    Where a user's manifest lies is part of this stage's own fingerprint but not of its output: a
    data set that moved is looked at again, and nothing that was made from it is made again.
    """
    context = Context(run)
    config = context.recipe.data
    source = Path(config.manifest) if config.manifest else None
    raise_first(find_manifest_faults(config))
    made_from: dict[str, Any] = {"taxonomy": context.taxonomy.hash, "faces": None, "manifest": None}
    inputs = {}
    if source is None:  # rendered faces depend on the seed in their own config
        made_from["faces"] = asdict(config.faces)
    else:
        made_from["manifest"] = str(source.absolute())
        inputs = {"manifest": sha256(source), "image_files": hash_file_times(source)}
    ran = execute(
        run,
        "data",
        config=made_from,
        inputs=inputs,
        body=lambda folder: _write_manifest(context, source, folder),
        force=force,
    )
    _ = context.crop  # refused before anything is trained, though exports alone depend on it
    return ran


def _write_manifest(context: Context, source: Path | None, folder: Path) -> dict[str, Any]:
    metrics: dict[str, Any] = {}
    if source is None:
        with progress_callback("rendering faces") as update:
            path = write_dataset(folder, context.recipe.data.faces, update)
    else:
        path = source
    with progress_callback("checking images") as update:
        manifest = read_manifest(path, context.taxonomy, progress=update)
    if source is None:
        with working("linear probe"):
            metrics["linear_probe"] = linear_probe(folder)
        probe = ", ".join(f"{name} {value:.3f}" for name, value in metrics["linear_probe"].items())
        say(f"data: linear probe on raw pixels {probe}")
    facts = {
        "content_sha256": manifest.hash_content(),
        "taxonomy": context.taxonomy.hash,
        "classes": list(manifest.classes),
        "counts": manifest.counts(),
    }
    write_json(folder / "data.json", facts)
    _say_counts(manifest)
    shortcuts = shortcut_warnings(find_shortcuts(manifest.samples))
    for line in [*identity_warnings(manifest.samples), *shortcuts]:
        say(f"data: warning: {line}")
    return {**metrics, "images": len(manifest.samples)}


def hash_file_times(source: Path) -> str:
    """Hash over size and time of every image of a manifest.

    It says whether the images have to be read again to know if they changed.
    """
    stats = [(str(path), path.stat()) for path in image_paths(source) if path.is_file()]
    return fingerprint([[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats])


def _say_counts(manifest: Manifest) -> None:
    for split, counts in manifest.counts().items():
        by_label = ", ".join(f"{label} {count}" for label, count in counts.items())
        say(f"data: {split:12} {sum(counts.values()):5} images: {by_label}")
