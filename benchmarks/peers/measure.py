"""Peers, students and bundles in the same interleaved rounds, and the machine's limits beside them.

Weights are random: only latency is meant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.measure.latency import (
    LatencyConfig,
    LatencyStats,
    TimingError,
    measure_latency,
)
from benchmarks.measure.sweep import name_bundles
from benchmarks.peers.aims import weigh_aims
from benchmarks.peers.catalogue import PEERS, Peer
from benchmarks.peers.count import count_work
from benchmarks.peers.engines import open_file
from benchmarks.peers.files import (
    TARGETS,
    PeerFile,
    check_room,
    choose_folder,
    name_form,
    prepare_files,
)
from benchmarks.peers.layout import choose_layout
from benchmarks.peers.limits import measure_limits
from benchmarks.peers.room import find_shortage
from benchmarks.peers.rows import Row, describe_failure, describe_row
from benchmarks.peers.students import BACKBONES, RandomStudent
from export.registry import find_target
from export.runner import open_runner, unfinished_bundle
from gazeclip.bundle.bundle import Bundle
from gazeclip.bundle.layout import Precision
from gazeclip.console.progress import progress_callback, say
from gazeclip.recipe.stages import ReportStage
from gazeclip.system.packages import require

TORCH = "torch"
SECONDS_A_ROUND = 0.2  # for each row; a slower one is called once
_WARM_UP_SECONDS = 2.0
NOTE = (
    "Random weights: these rows say what a network costs, and nothing of what it knows. Peers are "
    "given normalised floats and are called as directly as their engine allows. The teacher and "
    "the students are given bytes and normalise by themselves; the students' files run through "
    "this program's own runtime."
)


def check_peers(folder: Path | None = None) -> None:
    """Packages and room, before anything is measured that their lack would throw away.

    Args:
        folder: as `measure_peers` has it.

    Raises:
        StageError: files are to be made, and there is no room for them.
        MissingDependencyError: the networks cannot be built here.
    """
    require("timm", extra="train")
    require("open_clip", extra="train")
    check_room(_list_wanted(), folder or choose_folder())


def _list_wanted() -> dict[str, list[str]]:
    """The forms of each network."""
    wanted = {peer.name: [name_form(target, "fp32") for target in TARGETS] for peer in PEERS}
    for name in BACKBONES:
        wanted[name] = [name_form(t, p) for p in ("int8", "fp32") for t in TARGETS]
    return wanted


def measure_peers(
    bundles: Sequence[Path], stage: ReportStage, folder: Path | None = None
) -> dict[str, Any]:
    """`peers` of report.json.

    Args:
        bundles: folders of the report's own; those that run here are timed in the same rounds.
        folder: keeps the peers' files; default: in the user's cache.
    """
    threads = stage.peer_threads
    torch.set_num_threads(threads)
    files = prepare_files(_list_wanted(), folder or choose_folder())
    limits = measure_limits(threads)
    rows = []
    with progress_callback("peers are loaded") as update:
        sources = [partial(open_peer, peer) for peer in PEERS]
        sources += [partial(open_student, name) for name in BACKBONES]
        for number, source in enumerate(sources):
            update(number, len(sources))
            rows += source(files, threads)
    rows += open_bundles(name_bundles(bundles), threads)
    time_rows(rows, stage.peer_rounds, threads)
    entries = [describe_row(row, limits) for row in rows]
    return {
        "note": NOTE,
        "threads": threads,
        "batch": 1,
        "rounds": stage.peer_rounds,
        "random_weights": True,
        "limits": limits.to_dict(),
        "rows": entries,
        "aims": weigh_aims(entries),
    }


Files = Mapping[tuple[str, str], PeerFile]


def open_peer(peer: Peer, files: Files, threads: int) -> list[Row]:
    """In PyTorch, and in every engine that has a file of it."""
    example = peer.make_example()
    row = Row(peer.name, peer.role, TORCH, "fp32", peer.size)
    _open_in_torch(row, peer.build, example, peer.convolutional)
    make = partial(Row, peer.name, peer.role, precision="fp32", size=peer.size, work=row.work)
    rows = [row]
    for target in TARGETS:
        row = make(find_target(target).engine)
        file = files[peer.name, name_form(target, "fp32")]
        image = example.numpy()
        _open_row(row, file, partial(open_file, target, example=image, threads=threads))
        rows.append(row)
    return rows


def open_student(name: str, files: Files, threads: int) -> list[Row]:
    """In PyTorch in fp32, and its files in this program's runtime."""
    source = RandomStudent(BACKBONES[name])
    faces = source.faces[:1].permute(0, 2, 3, 1).contiguous()  # (1, S, S, 3)
    row = Row(name, "student", TORCH, "fp32", source.size)
    _open_in_torch(row, source.deploy, faces, convolutional=True)
    make = partial(Row, name, "student", size=source.size, work=row.work)
    rows = [row]
    precisions: tuple[Precision, ...] = ("int8", "fp32")
    for precision in precisions:
        for target in TARGETS:
            row = make(find_target(target).engine, precision)
            file = files[name, name_form(target, precision)]
            given = (target, precision, file.io or {}, faces.numpy(), threads)
            _open_row(row, file, partial(_open_student_file, *given))
            rows.append(row)
    return rows


def _open_in_torch(
    row: Row, build: Callable[[], nn.Module], example: Tensor, convolutional: bool
) -> None:
    """Build, count and run once; what goes wrong becomes the row's state."""
    try:
        network = build().requires_grad_(False)
        row.work = count_work(network, example)
        row.size_mb = row.work.weights * 4 / 1e6
        row.call, row.form = choose_layout(network, example, convolutional)
    except Exception as error:  # builders have no common one
        row.state = describe_failure(error)


def _open_student_file(
    target: str,
    precision: str,
    io: Mapping[str, str],
    image: np.ndarray,
    threads: int,
    path: Path,
) -> Callable[[], object]:
    side = image.shape[1]
    bundle = unfinished_bundle(path.parent, target, precision, path.name, side, dict(io))
    return partial(open_runner(bundle, threads)[0], image)


def open_bundles(bundles: Mapping[str, Bundle], threads: int) -> list[Row]:
    """The report's own bundles; how much work they are is not known."""
    rows = []
    for name, bundle in bundles.items():
        engine = find_target(bundle.target).engine
        row = Row(name, "bundle", engine, bundle.precision, bundle.image_size)
        image = bundle.golden[0][:1]
        row.call = partial(open_runner(bundle, threads)[0], image)
        rows.append(row)
    return rows


def _open_row(row: Row, file: PeerFile, open_path: Callable[[Path], Callable[[], object]]) -> None:
    """Load and run once; what goes wrong becomes the row's state."""
    row.size_mb = file.size_mb
    if file.path is None:
        row.state = f"not converted: {file.reason}"
        return
    shortage = find_shortage(file.size_mb or 0.0)
    if shortage:
        row.state = f"not loaded: {shortage}"
        return
    try:
        call = open_path(file.path)
        call()
    except Exception as error:  # engines have no common one
        row.state = describe_failure(error)
        return
    row.call = call


def time_rows(rows: Sequence[Row], rounds: int, threads: int) -> None:
    """All of them in interleaved rounds; one that fails leaves, and the others begin anew."""
    while True:
        try:
            found = _time_once(rows, rounds, threads)
            break
        except TimingError as error:
            failed = next(row for row in rows if row.call and _name_row(row) == error.subject)
            failed.call = None
            failed.state = describe_failure(error)
            say(f"warning: peers: {error.message}")
    for row in rows:
        if row.call:
            row.stats = found[_name_row(row)]
    missing = sum(row.call is None for row in rows)
    if missing:
        say(f"peers: {missing} rows could not be measured; the report says why")


def _name_row(row: Row) -> str:
    return f"{row.name} {row.engine} {row.precision}"


def _time_once(rows: Sequence[Row], rounds: int, threads: int) -> dict[str, LatencyStats]:
    calls = {_name_row(row): row.call for row in rows if row.call}
    config = LatencyConfig(
        rounds=rounds,
        budget_s=rounds * SECONDS_A_ROUND,
        warmup_max_s=_WARM_UP_SECONDS,
        max_repeats=rounds,
    )
    with progress_callback(f"peers, {len(calls)} rows") as update:
        return measure_latency(calls, config, threads=threads, progress=update)
