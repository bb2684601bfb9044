"""The files in a request's body: one as it is, or several as a form (RFC 7578).

Forms are taken apart in memory. The usual parsers write files of more than a megabyte to the disk,
which this server promises not to do.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import NamedTuple

from gazeclip.errors import ImageError, MissingDependencyError
from gazeclip.images.file_kind import HEAD_LENGTH, recognise
from gazeclip.images.formats import FORMATS, open_promised
from runtimes.serve.limits import MEGA
from runtimes.serve.refusal import (
    BAD_REQUEST,
    BROKEN_IMAGE,
    TOO_LARGE,
    UNKNOWN_TYPE,
    Refusal,
    UploadError,
)

FORM = "multipart/form-data"
FIELD = "file"  # what a form calls each of its files
OCTETS = "application/octet-stream"
_TYPE_REMEDY = f"Send the bytes of one image as image/* or {OCTETS}, or files as {FORM}"
_FORM_REMEDY = f"Send it as curl -F {FIELD}=@face.jpg does"
_BOUNDARY = re.compile(r';\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))', re.I)
_FIELD = re.compile(rf';\s*name="?{FIELD}"?(?=[;\s]|$)'.encode(), re.I)
_FILE_NAME = re.compile(rb';\s*filename="((?:[^"\\\r\n]|\\.){0,1024})"', re.I)
_LONGEST_HEAD = 8192  # bytes of one part's headers
_LONGEST_NAME = 255


class Upload(NamedTuple):
    """One file of a request: its name for the answer, and its bytes."""

    name: str
    data: bytes


def check_content_type(content_type: str | None, encoding: str | None) -> None:
    """Refuse a body by what its headers call it; the bytes are looked at later.

    Raises:
        Refusal: 415.
    """
    if encoding not in (None, "", "identity"):
        raise Refusal(UNKNOWN_TYPE, "compressed bodies are not read", "Send the file as it is")
    kind = _strip_parameters(content_type)
    if kind in ("", OCTETS, FORM) or kind.startswith("image/"):
        return
    raise Refusal(UNKNOWN_TYPE, "the Content-Type is none of an image", _TYPE_REMEDY)


def is_form(content_type: str | None) -> bool:
    """Whether a body is a form, and else a file."""
    return _strip_parameters(content_type) == FORM


def split_form(content_type: str | None, body: bytes, most: int) -> list[Upload]:
    """The files in a form, at least one.

    Args:
        most: how many there may be.

    Raises:
        Refusal: 400, for a form that is damaged or empty, or has other fields or too many files.
    """
    found = _BOUNDARY.search(content_type or "")
    if found is None:
        raise Refusal(BAD_REQUEST, "the form has no boundary", _FORM_REMEDY)
    boundary = (found[1] or found[2]).encode("latin-1", "replace")
    uploads: list[Upload] = []
    for start, end in _find_parts(body, boundary):
        if len(uploads) == most:
            raise Refusal(BAD_REQUEST, f"more than {most} files", f"Send at most {most} at a time")
        uploads.append(_read_part(body, start, end, len(uploads)))
    if not uploads:
        raise Refusal(BAD_REQUEST, "the form has no file", _FORM_REMEDY)
    return uploads


def _strip_parameters(content_type: str | None) -> str:
    return (content_type or "").partition(";")[0].strip().lower()


def _find_parts(body: bytes, boundary: bytes) -> Iterator[tuple[int, int]]:
    """Where the parts of a form begin and end, headers included.

    One after the other, as a body may have millions, which nobody should look for who is not going
    to read them.
    """
    mark = b"\r\n--" + boundary
    # The first one may stand at the very beginning, where no line ends before it.
    first = -2 if body.startswith(mark[2:]) else body.find(mark)
    if first == -1:
        raise _damaged_form()
    place = first + len(mark)
    while body[place : place + 2] != b"--":
        if body[place : place + 2] != b"\r\n":
            raise _damaged_form()
        end = body.find(mark, place)
        if end < 0:  # cut off
            raise _damaged_form()
        yield place + 2, end
        place = end + len(mark)


def _read_part(body: bytes, start: int, end: int, number: int) -> Upload:
    head_end = body.find(b"\r\n\r\n", start, min(end, start + _LONGEST_HEAD))
    if head_end < 0:
        raise _damaged_form()
    if _FIELD.search(body, start, head_end) is None:
        raise Refusal(BAD_REQUEST, f"the form has a field that is not '{FIELD}'", _FORM_REMEDY)
    found = _FILE_NAME.search(body, start, head_end)
    name = "" if found is None else found[1].decode("utf-8", "replace")
    return Upload(name[:_LONGEST_NAME] or f"image {number}", body[head_end + 4 : end])


def _damaged_form() -> Refusal:
    return Refusal(BAD_REQUEST, "the form is damaged or cut off", _FORM_REMEDY)


def check_upload(data: bytes, most_pixels: int) -> None:
    """Refuse a file by its beginning and its header, before it is decoded.

    Raises:
        UploadError: 415 for a type that is not read, 413 for too many pixels, 422 where it is empty
            or its header is damaged.
    """
    kind = recognise(data[:HEAD_LENGTH])
    known = not data or kind in FORMATS
    try:
        image, _ = open_promised(io.BytesIO(data), "image")
    except ImageError as error:
        installed = not isinstance(error.__cause__, MissingDependencyError)
        status = BROKEN_IMAGE if known and installed else UNKNOWN_TYPE
        raise UploadError(status, error.message, error.remedy) from error
    except Exception:
        return  # whatever Pillow raises is told by who decodes the file
    if image.width * image.height > most_pixels:
        what = f"the image has {image.width} x {image.height} pixels"
        remedy = f"Downscale it below {most_pixels / MEGA:g} megapixels"
        raise UploadError(TOO_LARGE, what, remedy)
