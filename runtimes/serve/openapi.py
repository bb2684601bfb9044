"""What OpenAPI says of `/verify` beyond its parameters: bodies, and every error with its reason."""

from __future__ import annotations

from typing import Any

from gazeclip.images.formats import FORMATS
from runtimes.serve import refusal
from runtimes.serve.limits import Limits
from runtimes.serve.schemas import Error
from runtimes.serve.uploads import FIELD, FORM, OCTETS

# The names of `gazeclip.images.formats.FORMATS`; the bytes decide, whatever a body is called.
_IMAGE_TYPES = tuple(f"image/{name.lower()}" for name in FORMATS)
_BYTES = {"type": "string", "format": "binary"}
_RETRY = {
    "Retry-After": {
        "description": "seconds after which there should be room",
        "schema": {"type": "integer", "minimum": 1},
    }
}
_CHALLENGE = {"WWW-Authenticate": {"description": "Bearer", "schema": {"type": "string"}}}


def describe_body(limits: Limits) -> dict[str, Any]:
    """What may be sent to `/verify`."""
    files = {"type": "array", "items": _BYTES, "minItems": 1, "maxItems": limits.files}
    form = {
        "type": "object",
        "properties": {FIELD: files},
        "required": [FIELD],
        "additionalProperties": False,
    }
    raw = {name: {"schema": _BYTES} for name in (*_IMAGE_TYPES, OCTETS)}
    return {
        "requestBody": {
            "required": True,
            "description": "one image as it is, or several files as a form",
            "content": {**raw, FORM: {"schema": form}},
        }
    }


_REASONS = {
    refusal.BAD_REQUEST: "a parameter or the form is wrong, or has too many files",
    refusal.UNAUTHORIZED: "the token is missing or wrong",
    refusal.FORBIDDEN: "there is no token, and a web page from elsewhere or another host is asking",
    refusal.TOO_SLOW: "the request did not arrive in time",
    refusal.TOO_LARGE: "too many bytes, pixels or faces",
    refusal.UNKNOWN_TYPE: "a type that is not read",
    refusal.BROKEN_IMAGE: "the image is empty or damaged",
    refusal.BUSY: "no room for this request now",
    refusal.FAULT: "a fault of the program or its bundle",
    refusal.TOO_LATE: "accepted, and not begun in time",
}
_HEADERS = {
    refusal.UNAUTHORIZED: _CHALLENGE,
    refusal.BUSY: _RETRY,
    refusal.TOO_LATE: _RETRY,
}


def describe_errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error answers of a path; all that there are where none are named."""
    described: dict[int | str, dict[str, Any]] = {}
    for status in statuses or _REASONS:
        described[status] = {"model": Error, "description": _REASONS[status]}
        if status in _HEADERS:
            described[status]["headers"] = _HEADERS[status]
    return described
