"""The rule by which frames become one verdict: the mean, within the limits of one image."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gazeclip.scoring.thresholds import decide
from runtimes import Verdict, load
from runtimes.verdict import Face, Gaze
from runtimes.video.merge import MOMENTS, merge_track, order_tracks
from runtimes.video.track import Film, format_time

FILM = Film(2, 9, 0, {}, 1.0, 9.0)


@pytest.fixture(scope="module")
def frame(bundles: dict[str, Path], photos: dict[str, Path]) -> Verdict:
    return load(bundles["onnx"], threads=1).verify(photos["unsure"])[0]


def make_track(frame: Verdict, llrs: list[float]) -> list[tuple[float, Verdict]]:
    return [(float(second), replace(frame, llr=llr)) for second, llr in enumerate(llrs)]


def test_frames_that_agree_claim_what_one_frame_claims(frame: Verdict) -> None:
    for number in (1, 2, 60):
        merged = merge_track(make_track(frame, [frame.llr] * number), 1, FILM)
        assert merged.llr == frame.llr and merged.strength == frame.strength
        assert merged.fake_probability == pytest.approx(frame.fake_probability)
        assert merged.verdict == frame.verdict and merged.generator == frame.generator
        np.testing.assert_allclose(merged.embedding, frame.embedding, atol=1e-6)
        for stage, spent_ms in frame.timings_ms.items():
            assert merged.timings_ms[stage] == pytest.approx(number * spent_ms)


def test_the_mean_stays_within_the_limits_of_one_image(frame: Verdict) -> None:
    rng = np.random.default_rng(0)
    limit = math.log(101)
    for _ in range(50):
        llrs = rng.uniform(-limit, limit, rng.integers(1, 90)).clip(-limit, limit).tolist()
        merged = merge_track(make_track(frame, llrs), 1, FILM)
        assert min(llrs) <= merged.llr <= max(llrs)
        assert merged.llr == pytest.approx(np.mean(llrs))
        assert merged.verdict == decide(merged.llr, frame.fake_from, frame.real_below)
        expected = 1 / (1 + math.exp(-merged.llr) * (1 - frame.prior) / frame.prior)
        assert merged.fake_probability == pytest.approx(expected)
    assert merge_track(make_track(frame, [0.1] * 3), 1, FILM).llr == 0.1  # and no rounding beyond


def test_classes_gaze_and_embedding_are_means(frame: Verdict) -> None:
    classes = frame.attribution
    first = tuple(
        entry._replace(p=p) for entry, p in zip(classes, (0.7, 0.2, 0.1, 0.0), strict=True)
    )
    other = tuple(
        entry._replace(p=p) for entry, p in zip(classes[::-1], (0.9, 0.1, 0.0, 0.0), strict=True)
    )
    east = np.zeros(6, np.float32)
    east[0] = 1
    north = np.zeros(6, np.float32)
    north[1] = 1
    frames = [
        (0.0, replace(frame, llr=9.0, attribution=first, gaze=Gaze(0.2, -0.4), embedding=east)),
        (2.0, replace(frame, llr=9.0, attribution=other, gaze=Gaze(0.0, 0.2), embedding=north)),
    ]
    merged = merge_track(frames, 1, FILM)
    found = {entry.name: entry.p for entry in merged.attribution}
    names = [entry.name for entry in classes]
    expected = dict(zip(names, (0.35, 0.1, 0.1, 0.45), strict=True))
    assert found == pytest.approx(expected)
    assert [entry.p for entry in merged.attribution] == sorted(found.values(), reverse=True)
    assert merged.generator is not None and merged.generator.name != "real"
    assert merged.gaze == pytest.approx((0.1, -0.1))
    np.testing.assert_allclose(merged.embedding[:3], [math.sqrt(0.5), math.sqrt(0.5), 0], atol=1e-6)


def test_the_most_suspicious_moments(frame: Verdict) -> None:
    llrs = [0.0, 3.0, -1.0, 2.0, 5.0, 1.0, -4.0, 4.0]
    frames = [
        (time_s, replace(verdict, face=Face(2, (place, 0, 9, 9), (0, 0, 9, 9), 0.9)))
        for place, (time_s, verdict) in enumerate(make_track(frame, llrs))
    ]
    merged = merge_track(frames, 3, FILM)
    track = merged.track
    assert track is not None and merged.face is None
    assert [moment.time_s for moment in track.moments] == [4.0, 7.0, 1.0, 3.0, 5.0][:MOMENTS]
    assert [moment.box[0] for moment in track.moments if moment.box] == [4, 7, 1, 3, 5][:MOMENTS]
    assert (track.number, track.frames, track.from_s, track.to_s) == (3, 8, 0.0, 7.0)
    told = merged.to_dict(embedding=False)
    assert told["track"]["rule"].startswith("mean") and told["film"]["tracks"] == 2
    assert told["track"]["most_suspicious"][0] == {"time_s": 4.0, "llr": 5.0, "box": [4, 0, 9, 9]}
    assert "face" not in told and "box" not in told


def test_the_worst_track_is_the_first(frame: Verdict) -> None:
    tracks = [make_track(frame, llrs) for llrs in ([-1.0, -3.0], [9.0, -5.0, -1.0], [0.5], [1.0])]
    assert order_tracks(tracks) == [1, 3, 2, 0]  # by the mean: 1, 1, 0.5, -2


def test_times_are_written_as_clocks() -> None:
    times = (0, 3.44, 59.96, 123.4, 3599.99, 3723.4)
    assert [format_time(time_s) for time_s in times] == [
        "0:00.0",
        "0:03.4",
        "1:00.0",
        "2:03.4",
        "1:00:00.0",
        "1:02:03.4",
    ]
