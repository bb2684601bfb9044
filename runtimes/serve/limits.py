"""What one request may cost, and how many there may be at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gazeclip.errors import Fault
from gazeclip.images.preprocess import MAX_PIXELS
from gazeclip.images.source import MAX_BYTES

MEGA = 1_000_000


@dataclass(frozen=True)
class Limits:
    """Limits of a server.

    Attributes:
        body_bytes: of one request, all its files together.
        pixels: of one image, before it is decoded.
        files: of one request.
        faces: that can be judged, of one request, all its files together.
        seconds: until a request has arrived and its work has begun. What was begun is finished.
        batch: images in one inference.
        inside: requests that may be read, wait or be judged at the same time.
        held_bytes: of the bodies of all these.
    """

    body_bytes: int = 20 * MEGA
    pixels: int = 64 * MEGA
    files: int = 16
    faces: int = 64
    seconds: float = 10.0
    batch: int = 16
    inside: int = 64
    held_bytes: int = 256 * MEGA

    def find_faults(self) -> Iterator[Fault]:
        """What no server could keep."""
        for value, label, least, most in (
            (self.body_bytes, "bytes of a request", 1, MAX_BYTES),
            (self.pixels, "pixels of an image", 1, MAX_PIXELS),
            (self.files, "files of a request", 1, 1000),
            (self.faces, "faces of a request", 1, 1000),
            (self.seconds, "seconds for a request", 0.001, 3600),
            (self.batch, "images of an inference", 1, 1024),
            (self.inside, "requests at once", 1, 100_000),
        ):
            if not least <= value <= most:
                remedy = f"Choose {least:,} to {most:,}"
                yield Fault(f"{value:,} {label} is out of range", remedy)
