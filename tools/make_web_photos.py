"""Photographs for the page's browser test: faces in scenes, formats, what cannot be judged.

python tools/make_web_photos.py FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from gazeclip.faces import render_one

FACES = ((0, 300, (60, 120)), (3, 220, (520, 240)), (5, 180, (860, 60)))  # seed, side, corner
SCENE = (1100, 640)
LARGE = (5472, 3648)  # 20 megapixels
_EXIF_ORIENTATION = 0x0112
_TURNED = 6  # shown turned to the right by a quarter


def make_scene() -> Image.Image:
    """Drawn faces on a soft background."""
    noise = np.random.default_rng(1).integers(90, 170, (40, 68, 3), dtype=np.uint8)
    scene = Image.fromarray(noise).resize(SCENE).filter(ImageFilter.GaussianBlur(8))
    for seed, side, corner in FACES:
        face = Image.fromarray(render_one("real", size=side, seed=seed)[1])
        scene.paste(face, corner)
    return scene


def write_photos(folder: Path) -> None:
    """All of them, each under a name that says what it is."""
    folder.mkdir(parents=True, exist_ok=True)
    scene = make_scene()
    scene.save(folder / "scene.png")
    scene.save(folder / "scene.jpg", quality=85, subsampling=2)
    scene.save(folder / "progressive.jpg", quality=70, progressive=True)
    scene.save(folder / "scene.webp", quality=80)
    scene.convert("L").save(folder / "grey.jpg", quality=90)
    exif = Image.Exif()
    exif[_EXIF_ORIENTATION] = _TURNED
    scene.rotate(90, expand=True).save(folder / "turned.jpg", quality=90, exif=exif)
    scene.resize(LARGE).save(folder / "large.jpg", quality=85)
    see_through = scene.convert("RGBA")
    see_through.putalpha(Image.linear_gradient("L").resize(SCENE))
    see_through.save(folder / "transparent.png")
    scene.crop((0, 0, 60, 60)).save(folder / "no_face.png")
    whole = (folder / "scene.jpg").read_bytes()
    (folder / "broken.jpg").write_bytes(whole[: len(whole) // 40])
    (folder / "text.png").write_text("no picture", encoding="utf-8")
    frames = [scene.resize((110, 64)), scene.resize((110, 64)).rotate(180)]
    frames[0].save(folder / "animated.png", save_all=True, append_images=frames[1:])


if __name__ == "__main__":
    write_photos(Path(sys.argv[1]))
