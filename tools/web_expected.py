"""Answers of the Python runtime that the page's own code must give as well.

python tools/web_expected.py    # writes apps/web/tests/expected.json
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gazeclip.bundle.contents import BundleClass, OperatingPoint
from gazeclip.images.crop_rule import CropRule
from gazeclip.images.preprocess import INTERPOLATIONS
from gazeclip.scoring.evidence import Evidence, name_strength
from gazeclip.scoring.thresholds import REAL
from runtimes.faces.blur import measure_sharpness
from runtimes.faces.box import FaceBox
from runtimes.faces.crop import cut_square
from runtimes.faces.letterbox import fit_into_square
from runtimes.faces.merge import merge_boxes
from runtimes.faces.usable import find_obstacle
from runtimes.outputs import find_generator, rank_classes, sigmoid, softmax, weigh_scores
from runtimes.verdict import Attribution, Face, Gaze, Verdict

EXPECTED = Path(__file__).parents[1] / "apps" / "web" / "tests" / "expected.json"
# width and height before, and after
SIZES = (((37, 23), (16, 16)), ((10, 12), (24, 24)), ((50, 30), (32, 19)), ((16, 40), (16, 20)))
MODEL_SIZE = 96
CLASSES = (
    BundleClass("real", "a camera", "real", "real"),
    BundleClass("swap", "Swap", "face_swap", "graphics"),
    BundleClass("gan", "A GAN", "entire_synthesis", "gan"),
)
EVIDENCE = Evidence(("detection", "log_odds", "margin"), (0.7, 0.2, 0.05), 0.1, -6.0, 5.7)
POINTS = (
    OperatingPoint("fpr1", 1.4, -1.0, 0.01, 0.05, 0.00994, 0.043, 300, 140),
    OperatingPoint("fpr0.1", 5.5, -1.0, 0.001, 0.05, 0.00994, 0.043, 300, 140),
)
TEMPERATURE = 2.0


def make_expected() -> dict[str, Any]:
    """All cases, drawn from one seed."""
    rng = np.random.default_rng(17)
    return {
        "resize": [_resize(rng, *sizes, name) for sizes in SIZES for name in INTERPOLATIONS],
        "letterbox": [_fit(width, height) for width, height in ((33, 50), (61, 40))],
        "crops": [_cut(rng) for _ in range(60)],
        "merge": _merge(rng),
        "sharpness": [_sharpen(rng, 40, 1), _sharpen(rng, 100, 10)],
        "verdicts": {
            "evidence": EVIDENCE.to_entry(),
            "temperature": TEMPERATURE,
            "classes": [vars(entry) for entry in CLASSES],
            "points": [{"name": point.name, **point.to_entry()} for point in POINTS],
            "reliable": [point.reliable for point in POINTS],
            "cases": [_judge(rng) for _ in range(40)],
        },
        "keys": sorted(_make_verdict().to_dict(embedding=False)),
    }


def _draw(rng: np.random.Generator, width: int, height: int, smooth: int = 1) -> Image.Image:
    small = (max(1, height // smooth), max(1, width // smooth), 3)
    noise = Image.fromarray(rng.integers(0, 256, small, dtype=np.uint8))
    return noise.resize((width, height), Image.Resampling.BICUBIC)


def _encode(picture: Image.Image) -> dict[str, Any]:
    data = base64.b64encode(picture.tobytes()).decode("ascii")
    return {"width": picture.width, "height": picture.height, "data": data}


def _resize(
    rng: np.random.Generator, before: tuple[int, int], after: tuple[int, int], name: str
) -> dict[str, Any]:
    picture = _draw(rng, *before)
    wanted = picture.resize(after, INTERPOLATIONS[name])
    return {"filter": name, "picture": _encode(picture), "wanted": _encode(wanted)}


def _fit(width: int, height: int) -> dict[str, Any]:
    square = fit_into_square(Image.new("RGB", (width, height), (9, 80, 200)), 640, 16)
    place = {"scale": square.scale, "offset": square.offset}
    return {"width": width, "height": height, **place, "sum": int(square.pixels.sum())}


def _draw_face(rng: np.random.Generator) -> FaceBox:
    x, y = rng.uniform(-40, 500, 2).tolist()
    width, height = rng.uniform(20, 320, 2).tolist()
    along = rng.uniform(0, 1, (5, 2))
    points = [(x + a * width, y + b * height) for a, b in along.tolist()]
    return FaceBox((x, y, x + width, y + height), tuple(points), float(rng.uniform(0.5, 1)))


def _describe(face: FaceBox) -> dict[str, Any]:
    return {"box": face.box, "points": face.points, "score": face.score}


def _cut(rng: np.random.Generator) -> dict[str, Any]:
    face = _draw_face(rng)
    width, height = rng.integers(200, 700, 2).tolist()
    rule = CropRule("face", side=float(rng.uniform(1.1, 1.8)), lift=float(rng.uniform(-0.1, 0.1)))
    crop = cut_square(face, width, height, rule)
    obstacle = find_obstacle(face, crop, (width, height), MODEL_SIZE)
    picture = {"width": width, "height": height}
    how = {"side": rule.side, "lift": rule.lift}
    return {**picture, "face": _describe(face), "rule": how, "crop": crop, "obstacle": obstacle}


def _merge(rng: np.random.Generator) -> dict[str, Any]:
    found = []
    for _ in range(4):
        face = _draw_face(rng)
        for _ in range(5):
            shift = rng.uniform(-12, 12, 4)
            box = tuple((np.array(face.box) + shift).tolist())
            found.append(FaceBox(box, face.points, float(rng.uniform(0.5, 1))))  # type: ignore[arg-type]
    boxes, points, scores = merge_boxes(
        np.array([face.box for face in found]),
        np.array([face.points for face in found]),
        np.array([face.score for face in found]),
    )
    rows = zip(boxes.tolist(), points.tolist(), scores.tolist(), strict=True)
    wanted = [{"box": box, "points": places, "score": score} for box, places, score in rows]
    return {"found": [_describe(face) for face in found], "wanted": wanted}


def _sharpen(rng: np.random.Generator, side: int, smooth: int) -> dict[str, Any]:
    picture = _draw(rng, side, side, smooth)
    return {"picture": _encode(picture), "wanted": measure_sharpness(picture)}


def _judge(rng: np.random.Generator) -> dict[str, Any]:
    logits = rng.normal(0, 3, len(CLASSES)).tolist()
    fake_logit = float(rng.normal(0, 6))
    llr = weigh_scores(EVIDENCE, fake_logit, logits)
    ranked = rank_classes(CLASSES, softmax(logits, TEMPERATURE))
    return {
        "fake_logit": fake_logit,
        "logits": logits,
        "llr": llr,
        "strength": name_strength(llr),
        "answers": [point.decide(llr) for point in POINTS],
        "fake_probability": sigmoid(llr),
        "attribution": [entry._asdict() for entry in ranked],
        "generator": find_generator(ranked)._asdict(),
    }


def _make_verdict() -> Verdict:
    """Of a face, so that it has all keys that a photograph's has."""
    return Verdict(
        source="a.jpg",
        verdict=REAL,
        llr=-1.0,
        strength="weak",
        fake_probability=0.3,
        prior=0.5,
        fake_from=1.0,
        real_below=0.0,
        operating_point="fpr1",
        attribution=(Attribution("real", "a camera", "real", "real", 1.0),),
        generator=None,
        gaze=Gaze(0.0, 0.0),
        engine="onnxruntime",
        precision="int8",
        timings_ms={},
        embedding=np.zeros(1, np.float32),
        face=Face(1, (0, 0, 1, 1), (0, 0, 1, 1), 1.0),
    )


if __name__ == "__main__":
    text = json.dumps(make_expected(), separators=(",", ":"))
    EXPECTED.write_text(f"{text}\n", encoding="utf-8")
