"""What kind of file some bytes are, by their beginning: only a promised format reaches a parser."""

from __future__ import annotations

HEAD_LENGTH = 64  # bytes that `recognise` looks at

_HEADS = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),  # BigTIFF
    (b"MM\0+", "TIFF"),
    (b"GIF8", "GIF"),
    (b"%!PS", "EPS"),
    (b"\xc5\xd0\xd3\xc6", "EPS"),  # with a preview before the PostScript
    (b"%PDF", "PDF"),
    (b"8BPS", "PSD"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\0\0\1\0", "ICO"),
    (b"\xd7\xcd\xc6\x9a", "WMF"),
    (b"\0\5\x16\7", "AppleDouble"),  # what macOS keeps beside a file, named ._photo.jpg
    (b"PK\3\4", "ZIP"),
    (b"<svg", "SVG"),
    (b"<?xml", "XML"),
    (b"<!DOCTYPE", "HTML"),
    (b"<html", "HTML"),
)
# Brands of ISO base media files (ISO/IEC 14496-12, 23008-12). `mif1` and `msf1` say that there are
# pictures, not how they are coded: a brand after them does.
_BRANDS = {
    b"avif": "AVIF",
    b"avis": "AVIF",
    b"heic": "HEIC",
    b"heix": "HEIC",
    b"heim": "HEIC",
    b"heis": "HEIC",
    b"hevc": "HEIC",
    b"hevx": "HEIC",
    b"mif1": "HEIC",
    b"msf1": "HEIC",
}
_CONTAINERS = (b"mif1", b"msf1")


def recognise(head: bytes) -> str | None:
    """`JPEG`, `EPS` and so on by a file's first `HEAD_LENGTH` bytes; None if nothing known."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp":
        return _BRANDS.get(_find_brand(head), "MP4")
    for start, kind in _HEADS:
        if head.startswith(start):
            return kind
    return None


def _find_brand(head: bytes) -> bytes:
    """The brand that says how a file's pictures are coded; else the first one."""
    main = head[8:12]
    if main in _CONTAINERS:
        end = min(int.from_bytes(head[:4], "big"), len(head))
        for place in range(16, end - 3, 4):
            brand = head[place : place + 4]
            if brand in _BRANDS and brand not in _CONTAINERS:
                return brand
    return main
