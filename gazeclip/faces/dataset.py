"""Writes the procedural data set: JPEG files straight from the simulated camera and a manifest.csv.

Each image is drawn from a random generator of its own, seeded with (seed, split, label, index): the
bytes depend neither on the number of processes nor on the order of work. Every split has its own
pool of people, and both faces of a swap come from it.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gazeclip.data.rows import SPLITS
from gazeclip.errors import ArtifactError, ConfigError, nearest
from gazeclip.faces.camera import decode_photo, to_bytes
from gazeclip.faces.generators import LABELS, SEEN, UNSEEN, Job, Shot
from gazeclip.faces.params import FaceParams
from gazeclip.files.atomic import write_csv
from gazeclip.images.crop_rule import CropRule
from gazeclip.recipe.faces import FacesConfig

COLUMNS = ("path", "label", "category", "family", "split", "identity", "gaze_pitch", "gaze_yaw")
MANIFEST = "manifest.csv"
# How the drawn images stand around the box that the face detector finds in them (medians).
CROP = CropRule("face", side=1.43, lift=0.028)
# Share of all identities in each split's pool.
_SHARES = {"train": 0.5, "val": 0.08, "calibration": 0.08, "test": 0.17, "test_unseen": 0.17}
# Splits with a person of their own for each real image.
_FILLED_UP = ("calibration", "val")
_CHUNK = 24
_GOLDEN_SPLIT = len(SPLITS)


def count_images(config: FacesConfig, split: str) -> dict[str, int]:
    """Label -> number of images in one split, in the order of the labels."""
    stem = "unseen" if split == "test_unseen" else split
    counts = {"real": getattr(config, f"{stem}_real")}
    for name in UNSEEN if split == "test_unseen" else SEEN:
        counts[name] = getattr(config, f"{stem}_fake")
    return counts


def identities_of_split(config: FacesConfig, split: str) -> tuple[int, ...]:
    """The identities that are seen in one split, and in no other.

    Calibration and val get more than their share where they have more real images: rates are over
    persons, and a second photo of a person says little of them.
    """
    before = SPLITS[: SPLITS.index(split)]
    start = sum(round(config.identities * _SHARES[name]) for name in before)
    pool = list(range(start, start + round(config.identities * _SHARES[split])))
    end = config.identities
    for name in _FILLED_UP:
        missing = max(0, getattr(config, f"{name}_real") - round(config.identities * _SHARES[name]))
        if name == split:
            pool += range(end, end + missing)
        end += missing
    return tuple(pool)


def check_faces(config: FacesConfig) -> None:
    """Refuse values that are out of range.

    Raises:
        ConfigError: naming every one of them.
    """
    faults = []
    if not 32 <= config.size <= 1024:
        faults.append(f"size {config.size} is not in 32..1024")
    if config.identities < 40:
        faults.append(
            f"identities {config.identities} is below 40, too few for five separate pools"
        )
    for name, value in vars(config).items():
        if name.endswith(("_real", "_fake")) and value < 1:
            faults.append(f"{name} {value} is below 1")
    if config.seed < 0:
        faults.append(f"seed {config.seed} is negative")
    if faults:
        raise ConfigError(
            "procedural faces: " + "; ".join(faults), remedy="Correct these values in the recipe."
        )


@dataclass(frozen=True)
class _Task:
    """One image to write."""

    size: int
    seed: int
    split: int
    label: str
    index: int
    pool: Sequence[int]

    @property
    def path(self) -> str:
        return f"images/{self.label}/{SPLITS[self.split]}_{self.index:05d}.jpg"


def _choose_people(task: _Task, rng: np.random.Generator) -> tuple[int, FaceParams, FaceParams]:
    """The person shown, and for swaps the one of a few others whose skin is most similar."""
    order = list(LABELS).index(task.label)
    # Round robin, so that everybody of the pool appears; another starting point for each label.
    identity = task.pool[(task.index + 37 * order) % len(task.pool)]
    target = FaceParams.from_identity(identity, task.seed)
    if not LABELS[task.label].needs_source:
        return identity, target, target
    drawn = [int(task.pool[k]) for k in rng.permutation(len(task.pool))[:5]]
    others = [other for other in drawn if other != identity][:4]
    faces = [FaceParams.from_identity(other, task.seed) for other in others]
    gaps = [float(np.abs(np.subtract(face.skin, target.skin)).sum()) for face in faces]
    return identity, target, faces[int(np.argmin(gaps))]


def _render_shot(task: _Task, strength: float = 1.0) -> tuple[Shot, int, np.random.Generator]:
    order = list(LABELS).index(task.label)
    rng = np.random.default_rng(np.random.SeedSequence((task.seed, task.split, order, task.index)))
    identity, target, source = _choose_people(task, rng)
    return LABELS[task.label].make(Job(target, source, task.size, rng, strength)), identity, rng


def _write_chunk(folder: str, tasks: list[_Task]) -> list[tuple[str, ...]]:
    """Render and write some images; returns their manifest rows. Runs in a worker process."""
    rows: list[tuple[str, ...]] = []
    for task in tasks:
        shot, identity, rng = _render_shot(task)
        try:
            (Path(folder) / task.path).write_bytes(to_bytes(shot.image, rng))
        except OSError as error:
            reason = f"cannot write {Path(folder) / task.path}: {error.strerror}"
            raise ArtifactError(reason, remedy="Free space or choose another folder.") from error
        label = LABELS[task.label]
        gaze = (f"{shot.gaze[0]:.5f}", f"{shot.gaze[1]:.5f}")
        person = f"person{identity:05d}"
        rows.append(
            (task.path, label.name, label.category, label.family, SPLITS[task.split], person, *gaze)
        )
    return rows


def _list_tasks(config: FacesConfig) -> list[_Task]:
    tasks = []
    for number, split in enumerate(SPLITS):
        pool = identities_of_split(config, split)
        for label, count in count_images(config, split).items():
            tasks += [
                _Task(config.size, config.seed, number, label, index, pool)
                for index in range(count)
            ]
    return tasks


def write_dataset(
    folder: Path,
    config: FacesConfig,
    progress: Callable[[int, int], None] | None = None,
    processes: int = 2,
) -> Path:
    """Render the data set into `folder` and return the path of its manifest.csv.

    The manifest is written last and replaces an older one atomically, so a folder with a manifest
    is a whole data set. The same config gives the same bytes, whatever `processes` is.

    Args:
        folder: receives `images/<label>/<split>_<index>.jpg` and `manifest.csv`; created if need
            be.
        config: counts, size in pixels and seed.
        progress: called with (images done, images in all) after every chunk.
        processes: worker processes (spawned); 1 renders in this process.

    Raises:
        ConfigError: a value of the config is out of range. ArtifactError: the folder cannot be
            written.
    """
    check_faces(config)
    manifest = Path(folder) / MANIFEST
    manifest.unlink(missing_ok=True)
    for label in LABELS:
        (Path(folder) / "images" / label).mkdir(parents=True, exist_ok=True)
    tasks = _list_tasks(config)
    chunks = [tasks[k : k + _CHUNK] for k in range(0, len(tasks), _CHUNK)]
    done = 0
    rows: list[tuple[str, ...]] = []
    for part in _render_chunks(str(folder), chunks, processes):
        rows += part
        done += len(part)
        if progress is not None:
            progress(done, len(tasks))
    place = {task.path: k for k, task in enumerate(tasks)}
    rows.sort(key=lambda row: place[row[0]])
    write_csv(manifest, COLUMNS, rows)
    return manifest


def _render_chunks(
    folder: str, chunks: list[list[_Task]], processes: int
) -> Iterator[list[tuple[str, ...]]]:
    """Rows of each chunk, as they get done."""
    if processes <= 1 or len(chunks) <= 2:
        yield from (_write_chunk(folder, chunk) for chunk in chunks)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=processes, mp_context=context) as pool:
        futures = [pool.submit(_write_chunk, folder, chunk) for chunk in chunks]
        try:
            yield from (future.result() for future in as_completed(futures))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def render_golden(n: int = 8, size: int = 96, seed: int = 0) -> np.ndarray:
    """Faces for the self-test of a bundle, real and the seen generators in turn.

    Returns uint8 RGB (n, size, size, 3). They share no random number with any split of a data set
    of the same seed.
    """
    labels = ("real", *SEEN)
    pool = range(1_000_000, 1_000_064)
    images = []
    for k in range(n):
        task = _Task(size, seed, _GOLDEN_SPLIT, labels[k % len(labels)], k, pool)
        shot, _, rng = _render_shot(task)
        images.append(decode_photo(to_bytes(shot.image, rng)))
    return np.stack(images)


def render_one(
    label: str, size: int = 96, seed: int = 0, index: int = 0, strength: float = 1.0
) -> tuple[Shot, np.ndarray]:
    """One image of a label outside any data set.

    Args:
        strength: scales the trace; 0 gives the untouched counterpart, the same people, pose and
            gaze without the forger's marks.

    Returns:
        The shot before the sensor, and the photo as uint8 RGB (size, size, 3).

    Raises:
        ConfigError: unknown label.
    """
    if label not in LABELS:
        raise ConfigError(
            f"unknown label '{label}' of the procedural faces", remedy=nearest(label, LABELS)
        )
    task = _Task(size, seed, _GOLDEN_SPLIT + 1, label, index, range(2_000_000, 2_000_064))
    shot, _, _ = _render_shot(task, strength)
    # Not the generator that made the shot: how far that one has come depends on the label.
    camera = np.random.default_rng(np.random.SeedSequence((seed, task.split, index)))
    return shot, decode_photo(to_bytes(shot.image, camera))
