"""Faces turned to the side: who is counted where, and that drawn heads do turn."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.faces import turned
from benchmarks.faces.__main__ import main
from benchmarks.faces.turned import EDGES, USABLE, count_turned, turn_drawn
from runtimes.faces.box import FaceBox
from runtimes.faces.detect import FaceDetector


class Told:
    """A detector that finds the face that it was told, or none."""

    def __init__(self, turns: list[float | None]) -> None:
        self.turns = iter(turns)

    def find(self, picture: Image.Image) -> list[FaceBox]:
        turn = next(self.turns)
        if turn is None:
            return []
        nose = (300 + 40 * turn, 240.0)  # the eyes are 40 pixels apart
        points = ((280.0, 220.0), (320.0, 220.0), nose, (285.0, 260.0), (315.0, 260.0))
        return [FaceBox((220.0, 150.0, 380.0, 330.0), points, 0.9)]


def test_crops_are_counted_by_their_turn() -> None:
    crops = [Image.new("RGB", (64, 64))] * 5
    found = count_turned(Told([0.0, 0.3, 0.76, -0.9, None]), crops)  # type: ignore[arg-type]
    by_edge = dict(zip(EDGES, found, strict=False))
    assert by_edge[0.0].outcomes == by_edge[0.25].outcomes == {USABLE: 1}
    assert by_edge[0.75].outcomes == {"turned_away": 2}
    assert np.allclose(sorted(by_edge[0.75].turns), [0.76, 0.9])
    assert found[-1].outcomes == {"no_face": 1}
    assert sum(sum(seen.outcomes.values()) for seen in found) == len(crops)


def test_the_detector_sees_that_drawn_heads_turn() -> None:
    front, side = turn_drawn(FaceDetector(threads=1), (0, 45), people=2)
    assert front.outcomes == {USABLE: 2}
    assert max(front.turns) < 0.1 < min(side.turns)


def test_heads_turn_to_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    angles: list[float] = []

    def remember(degrees: float, number: int) -> Image.Image:
        angles.append(degrees)
        return Image.new("RGB", (64, 64))

    monkeypatch.setattr(turned, "draw_turned", remember)
    turn_drawn(Told([None] * 3), (30,), people=3)  # type: ignore[arg-type]
    assert angles == [30, -30, 30]
    assert math.isclose(sum(angles), 30)


def test_the_table(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["turned", "--people", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("90 degrees" in line for line in lines)
