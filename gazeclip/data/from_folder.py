"""A manifest from a folder with one subfolder per generator.

Identities are split as groups, unseen generators are set apart.
"""

from __future__ import annotations

import os
import re
import shlex
from collections import defaultdict
from pathlib import Path

from gazeclip.console.progress import progress_callback, say
from gazeclip.data.divide import divide, image_split
from gazeclip.data.manifest import check_rows
from gazeclip.data.table import TableRow
from gazeclip.errors import ConfigError, ManifestError, nearest
from gazeclip.files.atomic import write_csv
from gazeclip.images.formats import NO_IMAGES_REMEDY
from gazeclip.images.walk import ImageWalk, find_images, is_hidden
from gazeclip.system.place import name_file
from gazeclip.taxonomy import REAL, Taxonomy

UNREADABLE_SHOWN = 5
COLUMNS = ("path", "label", "category", "family", "split", "identity", "crop")
REAL_FAKE = "real-fake"  # the preset for who knows of each image no more than that


def write_manifest(
    folder: Path,
    taxonomy_name: str,
    out: Path,
    identity: str | None = None,
    seed: int = 0,
    force: bool = False,
    crop: str | None = None,
) -> Path:
    """Check as training would, then write `out`; a refused manifest changes no file.

    Args:
        identity: pattern whose group 1, found in `label/file`, is the identity; without it each
            file is one of its own.
        force: replace an `out` that is there already.
        crop: how the images were cut, `face` or `whole`.

    Raises:
        ManifestError: `out` exists, no images, unknown subfolders, or anything `read_manifest`
            refuses.
    """
    if out.exists() and not force:
        raise ManifestError(
            f"{out} exists already",
            remedy="Name another file with --out, or replace it with --force",
        )
    taxonomy = Taxonomy.load(taxonomy_name)
    files = _find_files(folder, out, taxonomy)
    pattern = _compile_pattern(identity)
    _warn_of_missing_options(identity, crop)
    rows = _make_rows(files, folder, out.parent, taxonomy, pattern, seed)
    rows = [(*row, crop or "") for row in rows]
    left = len(files) - len(rows)
    if left:
        say(f"manifest: left out {left} images of unseen generators whose person is trained on")
    with progress_callback("checking images") as update:
        table = [TableRow("", dict(zip(COLUMNS, row, strict=True))) for row in rows]
        manifest = check_rows(out, table, taxonomy, progress=update, shown=None)
    write_csv(out, COLUMNS, rows)
    for split, counts in manifest.counts().items():
        say(f"manifest: {split:12} {sum(counts.values()):6} images")
    settings = ["--set", f"data.manifest={out}", "--set", f"data.taxonomy={taxonomy_name}"]
    say(f"manifest: train on it with {shlex.join(settings)}")
    return out


def _warn_of_missing_options(identity: str | None, crop: str | None) -> None:
    if identity is None:
        say(
            "warning: without --identity every file counts as a person of its own; "
            "the same person may land in two splits"
        )
    if crop is None:
        say(
            "warning: without --crop face or whole the manifest does not say how the images were "
            "cut; verify then takes what it is given for a crop"
        )


def _make_rows(
    files: list[tuple[str, Path]],
    folder: Path,
    base: Path,
    taxonomy: Taxonomy,
    pattern: re.Pattern[str] | None,
    seed: int,
) -> list[tuple[str, ...]]:
    """The manifest's rows, sorted; images that belong to no split are left out."""
    groups: dict[str, list[tuple[str, Path]]] = defaultdict(list)
    for label, path in files:
        groups[_find_identity(label, path, folder, pattern)].append((label, path))
    persons = {person: {label for label, _ in members} for person, members in groups.items()}
    splits = divide(persons, taxonomy, seed)
    rows = []
    for person, members in groups.items():
        for label, path in members:
            split = image_split(splits[person], label, taxonomy)
            if split is None:
                continue
            relative = Path(os.path.relpath(path, base)).as_posix()
            category, family = taxonomy.group(label)
            rows.append((relative, label, category, family, split, person))
    return sorted(rows)


def _find_files(folder: Path, out: Path, taxonomy: Taxonomy) -> list[tuple[str, Path]]:
    """`(label, file)` of every image below the subfolders; what is left out is said.

    Raises:
        ManifestError: no such folder, unknown subfolders, anything unreadable, or no images.
    """
    if not folder.is_dir():
        raise ManifestError(
            f"{folder} is not a folder", remedy="Name a folder with one subfolder per generator"
        )
    walk = find_images(folder, ignored={out})
    if walk.unreadable:
        raise _unreadable_error(walk)
    _check_labels(folder, taxonomy, walk)
    files = []
    beside = 0
    for path in walk.images:
        if path.parent == folder:
            beside += 1
        else:
            files.append((path.relative_to(folder).parts[0], path))
    left = [walk.left_out()] if walk.left_out() else []
    if beside:
        left.append(f"{beside} image(s) beside the subfolders")
    if left:
        say(f"manifest: passed over {', '.join(left)}")
    _check_names(files)
    if not files:
        raise ManifestError(f"{folder} has no images", remedy=NO_IMAGES_REMEDY)
    return sorted(files)


def _unreadable_error(walk: ImageWalk) -> ManifestError:
    """A manifest of what can be read would lack the rest unnoticed."""
    shown = walk.unreadable[:UNREADABLE_SHOWN]
    lines = "".join(f"\n  - {path}: {reason}" for path, reason in shown)
    left = len(walk.unreadable) - len(shown)
    more = f"\n  ... and {left} more" if left else ""
    return ManifestError(
        f"{len(walk.unreadable)} thing(s) in {walk.folder} cannot be read:{lines}{more}",
        remedy="Make them readable (chmod -R u+rX), mend the links, or move them elsewhere",
    )


def _check_labels(folder: Path, taxonomy: Taxonomy, walk: ImageWalk) -> None:
    """Subfolders are named as generators, and `real` is there; hidden ones are nobody's label.

    One that only links to images which another label has would be a class without any.
    """
    twice = sorted(path for path in walk.repeated if path.parent == folder)
    if twice:
        links = ", ".join(f"'{path.name}' (to {os.path.realpath(path)})" for path in twice)
        raise ManifestError(
            f"{folder}: subfolders that link to what is here under another label: {links}",
            remedy="Remove these links, or put the label's own images there",
        )
    names = sorted(item.name for item in folder.iterdir() if item.is_dir())
    names = [name for name in names if not is_hidden(name)]
    known = [generator.name for generator in taxonomy.generators]
    unknown = [f"'{name}' ({nearest(name, known)})" for name in names if name not in taxonomy]
    faults = []
    if unknown:
        faults.append(f"unknown subfolders {', '.join(unknown)}")
    if REAL not in names:
        faults.append("no subfolder 'real'")
    if faults:
        raise ManifestError(f"{folder}: {'; '.join(faults)}", remedy=_suggest(names, taxonomy))


def _suggest(names: list[str], taxonomy: Taxonomy) -> str:
    """What to do about subfolders that the taxonomy does not know."""
    two = Taxonomy.load(REAL_FAKE)
    if set(names) == {generator.name for generator in two.generators}:
        return f"Give --taxonomy {REAL_FAKE}, which has these two"
    return (
        f"Name subfolders as taxonomy '{taxonomy.name}' does, or give --taxonomy FILE"
        f" ({name_file('docs/data.md')}), or {REAL_FAKE} for two subfolders real and fake"
    )


def _check_names(files: list[tuple[str, Path]]) -> None:
    odd = []
    for _, path in files:
        if any("\udc80" <= letter <= "\udcff" for letter in str(path)):
            odd.append(path)
    if odd:
        raise ManifestError(
            f"{len(odd)} file name(s) are not UTF-8, such as {str(odd[0])!a}",
            remedy="Rename them: a manifest is UTF-8",
        )


def _compile_pattern(identity: str | None) -> re.Pattern[str] | None:
    if identity is None:
        return None
    try:
        pattern = re.compile(identity)
    except re.error as error:
        raise ConfigError(
            f"--identity is not a regular expression ({error})",
            remedy="Example: --identity '/(\\d+)_'",
        ) from error
    if pattern.groups < 1:
        raise ConfigError(
            "--identity has no group",
            remedy="Put the identity in parentheses: --identity '/(\\d+)_'",
        )
    return pattern


def _find_identity(label: str, path: Path, folder: Path, pattern: re.Pattern[str] | None) -> str:
    relative = path.relative_to(folder).as_posix()
    if pattern is None:
        return relative
    match = pattern.search(relative)
    if match is None:
        raise ManifestError(f"--identity does not match {relative}", remedy="Correct the pattern")
    return match.group(1)
