"""One verdict for a face that was judged in many frames.

The LLR of a track is the mean of its frames' LLRs. They must not be added up: the frames show one
person, one camera and one encoder, and if it is a forgery then one forgery, so that the second
frame repeats most of what the first one said. A sum would claim as many times the evidence as
frames happened to be taken. The most suspicious frame alone is no answer either: of sixty frames of
an honest film the worst one is far worse than the one image that the thresholds were placed for.
The mean is what is left where nothing is known of the dependence: the logarithmic pool of the
frames' opinions with equal weights (Genest and Zidek 1986, "Combining Probability Distributions",
Statistical Science 1). It claims exactly as much as one frame where all frames agree, never leaves
the limits of one image's LLR, log(n + 1) of the calibration images, and its spread over films is at
most that of one frame. Two things it does not do. It does not grow with the number of frames,
although many frames do say a little more than one. And a forgery in a small part of a track is
thinned by the rest: hence the most suspicious moments beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

import numpy as np

from gazeclip.bundle.bundle import prior_log_odds
from gazeclip.scoring.evidence import name_strength
from gazeclip.scoring.thresholds import REAL, decide
from runtimes.outputs import find_generator, sigmoid
from runtimes.verdict import Attribution, Gaze, Verdict
from runtimes.video.track import Film, Moment, Track

MOMENTS = 5


def order_tracks(tracks: Sequence[Sequence[tuple[float, Verdict]]]) -> list[int]:
    """Places of the tracks, the most suspicious first, the earlier of two that are alike."""
    means = [_mean_llr([verdict for _, verdict in track]) for track in tracks]
    return sorted(range(len(tracks)), key=lambda place: -means[place])


def merge_track(track: Sequence[tuple[float, Verdict]], number: int, film: Film) -> Verdict:
    """The verdict on a track.

    Class probabilities, gaze and embedding are means as well, the last of unit length again.
    Milliseconds are added up.

    Args:
        track: its frames in the order of time, each with seconds since the beginning; at least one.
        number: of the track in its film.
    """
    verdicts = [verdict for _, verdict in track]
    first = verdicts[0]
    llr = _mean_llr(verdicts)
    decided = decide(llr, first.fake_from, first.real_below)
    ranked = _mean_classes(verdicts)
    timings_ms = {
        stage: sum(verdict.timings_ms[stage] for verdict in verdicts) for stage in first.timings_ms
    }
    moments = sorted((_make_moment(*frame) for frame in track), key=lambda moment: -moment.llr)
    times_s = [time_s for time_s, _ in track]
    told = Track(number, len(track), times_s[0], times_s[-1], tuple(moments[:MOMENTS]), film)
    embedding = np.mean([verdict.embedding for verdict in verdicts], axis=0)  # (D,)
    length = float(np.linalg.norm(embedding))
    return replace(
        first,
        verdict=decided,
        llr=llr,
        strength=name_strength(llr),
        fake_probability=sigmoid(llr + prior_log_odds(first.prior)),
        attribution=ranked,
        generator=None if decided == REAL else find_generator(ranked),
        gaze=_mean_gaze(verdicts),
        timings_ms=timings_ms,
        embedding=embedding / length if length > 0 else embedding,
        face=None,
        track=told,
    )


def _mean_llr(verdicts: Sequence[Verdict]) -> float:
    """Kept between the least and the largest, which rounding might leave."""
    llrs = [verdict.llr for verdict in verdicts]
    return min(max(fmean(llrs), min(llrs)), max(llrs))


def _mean_gaze(verdicts: Sequence[Verdict]) -> Gaze | None:
    """None where the model tells none."""
    gazes = [verdict.gaze for verdict in verdicts if verdict.gaze is not None]
    if not gazes:
        return None
    return Gaze(fmean(gaze.pitch for gaze in gazes), fmean(gaze.yaw for gaze in gazes))


def _mean_classes(verdicts: Sequence[Verdict]) -> tuple[Attribution, ...]:
    shares: dict[str, list[float]] = {}
    for verdict in verdicts:
        for entry in verdict.attribution:
            shares.setdefault(entry.name, []).append(entry.p)
    means = [entry._replace(p=fmean(shares[entry.name])) for entry in verdicts[0].attribution]
    return tuple(sorted(means, key=lambda entry: -entry.p))


def _make_moment(time_s: float, verdict: Verdict) -> Moment:
    return Moment(time_s, verdict.llr, None if verdict.face is None else verdict.face.box)
