"""Which frames of a film are taken, and that they are its own: times, leaps, turning, colours."""

from __future__ import annotations

import math
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gazeclip.errors import ConfigError
from runtimes.video import open as opening
from runtimes.video.open import open_film
from runtimes.video.sample import Sampler, Sampling
from runtimes.video.seek import find_leap
from tests.runtimes.video.films import RATE, count_up, read_number, require_av, take, write_film

Film = tuple[Path, list[tuple[float, np.ndarray]]]
FILMS = [
    ("a.mp4", "libx264"),
    ("a.mkv", "libx264"),
    ("a.ts", "libx264"),
    ("a.webm", "libvpx-vp9"),
    ("a.avi", "mpeg4"),
    ("a.mp4", "mpeg4"),
    ("a.mpg", "mpeg2video"),
]


def decode_all(path: Path) -> list[tuple[float, np.ndarray]]:
    """Time and pixels of every frame, one after the other: what leaping must not change."""
    av = require_av()
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        start = float((stream.start_time or 0) * stream.time_base)
        frames = [(f.time - start, f.to_ndarray(format="rgb24")) for f in container.decode(stream)]
    return frames


@pytest.fixture(scope="module")
def long_film(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Film:
    """A film of four seconds in one of the forms of `FILMS`, and all its frames."""
    name, codec = request.param
    path = tmp_path_factory.mktemp("long") / name
    write_film(path, count_up(100), codec, rate=25, key_every=25)
    return path, decode_all(path)


@pytest.mark.parametrize("long_film", FILMS, indirect=True, ids="-".join)
@pytest.mark.parametrize("every_s", [0.04, 0.7, 1.0, 2.5])
def test_frames_are_the_first_at_or_after_each_multiple(every_s: float, long_film: Film) -> None:
    path, frames = long_film
    expected = []
    for number in range(1000):
        later = [entry for entry in frames if entry[0] >= number * every_s - 0.0005]
        if later and (not expected or later[0][0] > expected[-1][0]):
            expected.append(later[0])
    shots, sampler = take(path, every_s, most=200)
    assert [time_s for time_s, _ in shots] == pytest.approx([time_s for time_s, _ in expected])
    for (_, picture), (_, pixels) in zip(shots, expected, strict=True):
        np.testing.assert_array_equal(np.asarray(picture), pixels)
    assert sampler.describe() == () and sampler.damaged == 0


def test_numbers_that_were_drawn_come_out_at_their_times(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mp4", count_up(60))
    shots, _ = take(path, every_s=0.5)
    assert [read_number(picture) for _, picture in shots] == list(range(0, 60, 5))
    assert [time_s for time_s, _ in shots] == pytest.approx([n / RATE for n in range(0, 60, 5)])


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Times of the frames that are decoded, as they are."""
    times: list[float] = []
    find_time = Sampler._find_time

    def note(self: Sampler, frame: Any) -> float:
        times.append(find_time(self, frame))
        return times[-1]

    monkeypatch.setattr(Sampler, "_find_time", note)
    return times


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_key_frames_spare_decoding(name: str, tmp_path: Path, decoded: list[float]) -> None:
    path = write_film(tmp_path / name, count_up(100), key_every=10)
    shots, _ = take(path, every_s=4.0)
    assert [read_number(picture) for _, picture in shots] == [0, 40, 80]
    assert len(decoded) <= 1 + 2 * (10 + 1)  # from the key frame before, in which nothing is wanted


def test_frames_that_no_other_needs_are_not_decoded(tmp_path: Path, decoded: list[float]) -> None:
    path = write_film(tmp_path / "a.mp4", count_up(100), key_every=200)
    shots, _ = take(path, every_s=4.0)
    assert [read_number(picture) for _, picture in shots] == [0, 40, 80]
    assert len(decoded) < 60  # of three frames at least one is needed by none


def test_a_long_film_is_looked_at_as_a_whole(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mp4", count_up(100))
    shots, sampler = take(path, every_s=1.0, most=4)
    assert [read_number(picture) for _, picture in shots] == [0, 25, 50, 75]
    assert sampler.every_s == pytest.approx(2.5)
    assert sampler.describe() == ("4 frames, one every 2.5 s (--max-frames)",)
    shots, sampler = take(path, every_s=1.0, most=10)
    assert len(shots) == 10 and sampler.describe() == ()


def test_a_film_of_unknown_length_is_looked_at_from_its_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_film(tmp_path / "a.webm", count_up(50), "libvpx-vp9")
    monkeypatch.setattr(opening, "_find_duration", lambda *_: None)
    shots, sampler = take(path, every_s=1.0, most=3)
    assert [read_number(picture) for _, picture in shots] == [0, 10, 20]
    (told,) = sampler.describe()
    assert told == "of unknown length; only its first 3 frames are judged (--max-frames)"


@pytest.mark.parametrize(("name", "codec"), FILMS)
def test_a_film_of_one_frame(name: str, codec: str, tmp_path: Path) -> None:
    path = write_film(tmp_path / name, count_up(1), codec, rate=25)
    ((time_s, picture),), sampler = take(path)
    assert time_s == pytest.approx(0.0, abs=0.001) and picture.size == (160, 120)
    assert sampler.describe() == ()


def test_frames_at_uneven_times(tmp_path: Path) -> None:
    times = [0, 1, 2, 37, 38, 39, 90]  # tenths of a second
    path = write_film(tmp_path / "a.mkv", count_up(len(times)), times=times)
    shots, _ = take(path, every_s=1.0)
    assert [time_s for time_s, _ in shots] == pytest.approx([0.0, 3.7, 9.0], abs=0.001)
    assert [read_number(picture) for _, picture in shots] == [0, 3, 6]


@pytest.mark.parametrize(
    ("every_s", "most"), [(0.0, 5), (-1.0, 5), (math.nan, 5), (math.inf, 5), (1.0, 0)]
)
def test_samplings_that_are_none(every_s: float, most: int) -> None:
    with pytest.raises(ConfigError):
        Sampling(every_s, most)


@pytest.mark.parametrize("threads", [1, 2])
def test_damaged_packets_are_left_out_and_told(threads: int, tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mp4", count_up(60), key_every=10)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 9000] = np.random.default_rng(1).bytes(9000)
    path.write_bytes(data)
    shots, sampler = take(path, every_s=0.1, threads=threads)
    assert sampler.damaged > 0
    assert sampler.describe() == (f"damaged: {sampler.damaged} of its packets cannot be decoded",)
    numbers = [read_number(picture) for _, picture in shots]
    assert numbers == [round(time_s * RATE) for time_s, _ in shots]
    left_out = set(range(60)) - set(numbers)
    assert left_out and max(left_out) % 10 == 9  # up to the next key frame


@pytest.mark.parametrize("share", [0.35, 0.6])
@pytest.mark.parametrize("name", ["a.mkv", "a.ts"])
def test_a_film_that_was_cut_off(name: str, share: float, tmp_path: Path) -> None:
    path = write_film(tmp_path / name, count_up(100), key_every=10)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    shots, sampler = take(path, every_s=1.0)
    assert 2 <= len(shots) <= 7
    assert [read_number(picture) for _, picture in shots] == [10 * n for n in range(len(shots))]
    if name == "a.mkv":  # a transport stream does not say how long it is
        (told,) = sampler.describe()
        assert told == f"no frame from {len(shots)}.0 s on, of 10.0 s: cut off, or longer sound"


def test_memory_does_not_grow_with_the_film(tmp_path: Path) -> None:
    def measure(number: int) -> int:
        path = write_film(tmp_path / f"{number}.mp4", count_up(number, (320, 240)))
        tracemalloc.start()
        with open_film(path, 1) as film:
            for shot in Sampler(film, Sampling(0.1, number)).take():
                assert shot.picture.size == (320, 240)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    frame = 320 * 240 * 3
    measure(5)  # what is imported and cached the first time
    assert measure(100) < measure(20) + 2 * frame


def test_leaps_are_made_where_a_key_frame_lies_between() -> None:
    keys = [0.0, 2.0, 4.0, 6.0]
    assert find_leap(keys, 0.0, 5.0) == 4.5
    assert find_leap(keys, 4.5, 5.0) is None  # behind us already
    assert find_leap(keys, 1.0, 4.2) == 3.7  # to the one before: the next is too near to be sure
    assert find_leap(keys, 1.0, 1.9) is None
    assert find_leap([], 0.0, 9.0) is None
