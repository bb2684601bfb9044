"""Compiled networks from the cache: the same numbers, and nothing that was changed there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("openvino")

from runtimes import load, openvino_cache
from runtimes.faces.network import MODEL
from runtimes.openvino_cache import SWITCH, compile_for_cpu
from runtimes.openvino_core import make_cpu_settings

SETTINGS = make_cpu_settings(1)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(SWITCH, raising=False)
    return tmp_path / "gazeclip" / "openvino"


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each attempt to load an entry found one."""
    attempts: list[bool] = []
    load_entry = openvino_cache._load_entry

    def watch(*args: Any) -> Any:
        found = load_entry(*args)
        attempts.append(found is not None)
        return found

    monkeypatch.setattr(openvino_cache, "_load_entry", watch)
    return attempts


def list_files(bundle: Path) -> list[Path]:
    return [bundle / "model.xml", bundle / "model.bin"]


def answer(compiled: Any, image: np.ndarray) -> list[np.ndarray]:
    results = compiled.create_infer_request().infer({0: image})
    return [results[port] for port in compiled.outputs]


def are_equal(some: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> bool:
    return all(np.array_equal(one, other) for one, other in zip(some, others, strict=True))


def test_the_second_time_the_same_bits_come_from_the_cache(
    bundles: dict[str, Path], folder: Path, loaded: list[bool]
) -> None:
    rng = np.random.default_rng(0)
    for files, size in ((list_files(bundles["openvino"]), 32), ([MODEL], 640)):
        image = rng.integers(0, 256, (1, size, size, 3), dtype=np.uint8)
        loaded.clear()
        first, second = (answer(compile_for_cpu(files, SETTINGS), image) for _ in range(2))
        assert are_equal(first, second)
        assert loaded == [False, True]
    assert len(list(folder.iterdir())) == 2


def test_verdicts_are_those_without_it(
    bundles: dict[str, Path], folder: Path, loaded: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    image = np.random.default_rng(1).integers(0, 256, (50, 50, 3), dtype=np.uint8)
    llrs = [load(bundles["openvino"], threads=1).verify(image, crop="whole")[0].llr for _ in "12"]
    assert loaded == [False, True]
    monkeypatch.setenv(SWITCH, "off")
    (verdict,) = load(bundles["openvino"], threads=1).verify(image, crop="whole")
    assert len(loaded) == 2
    assert llrs == [verdict.llr] * 2


@pytest.mark.parametrize("place", [0, 40, -1])
def test_a_changed_byte_is_noticed(
    bundles: dict[str, Path], folder: Path, loaded: list[bool], place: int
) -> None:
    files = list_files(bundles["openvino"])
    compile_for_cpu(files, SETTINGS)
    (entry,) = folder.iterdir()
    data = bytearray(entry.read_bytes())
    data[place] ^= 1
    entry.write_bytes(data)
    compile_for_cpu(files, SETTINGS)
    compile_for_cpu(files, SETTINGS)
    assert loaded == [False, False, True]  # it was written anew


def test_an_entry_of_another_name_is_not_taken(
    bundles: dict[str, Path], folder: Path, loaded: list[bool]
) -> None:
    """Whole, but made from other files: it is put where that of the bundle is looked for."""
    compile_for_cpu(list_files(bundles["openvino"]), SETTINGS)
    (own,) = folder.iterdir()
    compile_for_cpu([MODEL], SETTINGS)
    (other,) = set(folder.iterdir()) - {own}
    own.write_bytes(other.read_bytes())
    compile_for_cpu(list_files(bundles["openvino"]), SETTINGS)
    assert loaded == [False, False, False]


def test_other_settings_or_files_are_another_entry(
    bundles: dict[str, Path], folder: Path, loaded: list[bool], tmp_path: Path
) -> None:
    files = list_files(bundles["openvino"])
    compile_for_cpu(files, SETTINGS)
    compile_for_cpu(files, make_cpu_settings(2))
    changed = [tmp_path / file.name for file in files]
    for file, copy in zip(files, changed, strict=True):
        copy.write_bytes(file.read_bytes())
    weights = np.frombuffer(changed[1].read_bytes(), np.uint8).copy()
    weights[-1] ^= 1
    changed[1].write_bytes(weights.tobytes())
    compile_for_cpu(changed, SETTINGS)
    assert loaded == [False] * 3


def test_a_folder_that_others_may_write_to_is_not_used(
    bundles: dict[str, Path], folder: Path, loaded: list[bool]
) -> None:
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    compile_for_cpu(list_files(bundles["openvino"]), SETTINGS)
    assert not loaded
    assert not list(folder.iterdir())


def test_the_oldest_entries_go(
    bundles: dict[str, Path], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openvino_cache, "_KEPT", 2)
    for threads in (1, 2, 3):
        compile_for_cpu(list_files(bundles["openvino"]), make_cpu_settings(threads))
    assert len(list(folder.iterdir())) == 2


def test_a_home_that_cannot_be_written_stops_nothing(
    bundles: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SWITCH, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null/nobody")
    assert compile_for_cpu(list_files(bundles["openvino"]), SETTINGS) is not None
