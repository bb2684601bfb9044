"""The square around a face: the listings' own lines worked out, and compared with `runtimes`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from gazeclip.faces.dataset import CROP as DRAWN
from gazeclip.images.crop_rule import CropRule
from runtimes.faces.box import FaceBox
from runtimes.faces.crop import cut_square
from runtimes.faces.framing import describe_square
from tests.integrate.arithmetic import find_body, work_out
from tests.integrate.listings import GUIDES, PHONES, ROOT, join_listings
from tests.runtimes.faces.pictures import draw_face

pytestmark = pytest.mark.checkout
FACES = ROOT / "docs" / "faces.md"


class Json(NamedTuple):
    """What Kotlin reads a contract with."""

    values: Mapping[str, Any]

    def getJSONObject(self, key: str) -> Json:
        return Json(self.values[key])

    def getDouble(self, key: str) -> float:
        return float(self.values[key])


class Box(NamedTuple):
    """What Swift's CGRect says of a box."""

    width: float
    height: float
    midX: float
    midY: float


def make_square(x: int, y: int, width: int, height: int) -> tuple[int, int, int, int]:
    return x, y, x + width, y + height


def find_square(
    guide: str, box: tuple[float, ...], width: int, height: int, rule: CropRule
) -> tuple[int, ...]:
    """Corners of what the listing cuts."""
    code = join_listings(guide)
    helper = re.findall(r"fun\w* nearest\(.*?value: Double\).*floor\(value \+ 0\.5\)", code)
    assert len(helper) == 1
    meta = {"contract": rule.to_entry()}
    left, top, right, bottom = box
    values: dict[str, Any] = {
        "nearest": lambda value: math.floor(value + 0.5),
        **{"sqrt": math.sqrt, "max": max, "min": min, "width": width, "height": height},
    }
    if PHONES[guide] == "kotlin":
        names = {"left": left, "top": top, "right": right, "bottom": bottom}
        values |= {"meta": Json(meta), "Square": make_square, **names}
    else:
        rect = Box(right - left, bottom - top, (left + right) / 2, (top + bottom) / 2)
        values |= {"meta": meta, "CGRect": make_square, "Double": float, "box": rect}
    found = work_out(find_body(code, "findSquare"), values)
    assert found is not None
    return tuple(found)


@pytest.mark.parametrize("guide", PHONES)
@pytest.mark.parametrize("seed", range(3))
def test_the_listings_cut_what_runtimes_cuts(guide: str, seed: int) -> None:
    """In pictures of all shapes; at edges, beyond them, and in pictures that are crops already."""
    rng = np.random.default_rng(seed)
    kinds = set()
    for _ in range(200):
        width, height = (int(value) for value in rng.integers(60, 400, 2))
        if rng.random() < 0.5:  # nearly a square
            height = max(1, round(width * rng.uniform(0.88, 1.12)))
        x0, y0 = rng.uniform(-0.2, 0.6, 2) * (width, height)
        box = (x0, y0, x0 + rng.uniform(0, 0.8) * width, y0 + rng.uniform(0, 0.8) * height)
        rule = CropRule(side=rng.uniform(1, 2), lift=rng.uniform(-0.1, 0.1))
        wanted = cut_square(FaceBox(tuple(map(float, box)), (), 0.9), width, height, rule)
        assert find_square(guide, box, width, height, rule) == wanted
        inside = wanted.x0 > 0 and wanted.y0 > 0 and wanted.x1 < width and wanted.y1 < height
        kinds.add("whole" if wanted == (0, 0, width, height) else "inside" if inside else "edge")
    assert kinds == {"whole", "inside", "edge"}


@pytest.mark.parametrize("guide", PHONES)
def test_the_worked_example(guide: str) -> None:
    text = " ".join((GUIDES / guide).read_text(encoding="utf-8").split())
    pattern = (
        r"With `crop_side` ([\d.]+) and `crop_lift` ([\d.]+) a box from \((\d+), (\d+)\) to"
        r" \((\d+), (\d+)\) in a photograph of (\d+) x (\d+) pixels gives the square of (\d+)"
        r" pixels whose corner is \((\d+), (\d+)\)"
    )
    (told,) = re.findall(pattern, text)
    side, lift, *corners = map(float, told)
    x0, y0, x1, y1, width, height, pixels, x, y = map(int, corners)
    rule = CropRule(side=side, lift=lift)
    assert rule == CropRule()  # what is usual
    crop = cut_square(FaceBox((x0, y0, x1, y1), (), 0.9), width, height, rule)
    assert crop == (x, y, x + pixels, y + pixels)


@pytest.mark.parametrize("guide", PHONES)
def test_a_bundle_of_whole_pictures_has_no_square(guide: str) -> None:
    body = "\n".join(find_body(join_listings(guide), "findSquare"))
    refusal = {
        "kotlin": r'if \(contract\.optString\("crop"\) != "face"\) throw',
        "swift": r'guard meta\["contract"\]\["crop"\]\.value as\? String == "face" else \{\nthrow',
    }
    assert re.search(refusal[PHONES[guide]], body)


def test_another_detector_is_fitted_by_two_formulas() -> None:
    """Its boxes are YuNet's, larger and moved by a fixed share: then the fit is exact."""
    text = FACES.read_text(encoding="utf-8")
    (own_side,) = re.findall(r"own side is then `(.+?)`", text)
    (own_lift,) = re.findall(r"own lift\s+`(.+?)`", text)
    rng = np.random.default_rng(2)
    wanted = CropRule(side=1.57, lift=0.06)
    start = 1.2
    for _ in range(20):
        left, top, width, height = rng.uniform(50, 300, 4)
        root = math.sqrt(width * height)
        yunet = FaceBox((left, top, left + width, top + height), (), 0.9)
        other = rng.uniform(0.7, 1.4) * root  # the root of its own box's area
        middle = top + height / 2 + rng.uniform(-0.2, 0.2) * root  # its own box's middle

        def describe(
            side: float,
            lift: float,
            yunet: FaceBox = yunet,
            other: float = other,
            middle: float = middle,
        ) -> CropRule:
            pixels = side * other
            y0 = middle - lift * pixels - pixels / 2
            return CropRule("face", *describe_square(yunet, 0.0, y0, pixels))

        values = {
            "start": start,
            "rule": describe(start, 0.0),
            "crop_side": wanted.side,
            "crop_lift": wanted.lift,
        }
        side, lift = (work_out([f"return {formula}"], values) for formula in (own_side, own_lift))
        found = describe(side, lift)
        assert (found.side, found.lift) == pytest.approx((wanted.side, wanted.lift))


def test_squares_are_measured_as_the_document_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxruntime")
    (listing,) = re.findall(r"^```python\n(.*?)^```", FACES.read_text("utf-8"), re.M | re.S)
    (tmp_path / "crops").mkdir()
    for seed in range(8):
        draw_face(seed).save(tmp_path / "crops" / f"{seed}.png")
    monkeypatch.chdir(tmp_path)
    exec(listing, {})
    side, lift = map(float, capsys.readouterr().out.split())
    # The detector's box of one face varies by some percent.
    assert side == pytest.approx(DRAWN.side, rel=0.06)
    assert lift == pytest.approx(DRAWN.lift, abs=0.03)
