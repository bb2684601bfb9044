"""An answer that is no verdict: HTTP status, what is wrong, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping

from gazeclip.errors import ImageError

BAD_REQUEST = 400
UNAUTHORIZED = 401
FORBIDDEN = 403
TOO_SLOW = 408
TOO_LARGE = 413
UNKNOWN_TYPE = 415
BROKEN_IMAGE = 422
BUSY = 429
FAULT = 500
TOO_LATE = 503


class Refusal(Exception):
    """A request that is answered without a verdict."""

    def __init__(
        self, status: int, message: str, remedy: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.remedy = remedy
        self.headers = dict(headers or {})

    def to_dict(self) -> dict[str, str]:
        """The body of the answer."""
        return {"error": self.message, "remedy": self.remedy}


class UploadError(ImageError):
    """One of several files that is refused; the status is that of a request with it alone."""

    def __init__(self, status: int, message: str, remedy: str | None) -> None:
        super().__init__(message, remedy)
        self.status = status


def refuse_image(error: ImageError) -> Refusal:
    """The refusal of a request whose only file is this one."""
    status = error.status if isinstance(error, UploadError) else BROKEN_IMAGE
    return Refusal(status, error.message, error.remedy or "Get the image again")


def refuse_crowd(most: int) -> Refusal:
    """The refusal of a request with more faces than are judged at a time."""
    remedy = "Send fewer files, or parts of the photograph"
    return Refusal(TOO_LARGE, f"more than {most} faces in one request", remedy)


def refuse_late() -> Refusal:
    """The refusal of what could not be begun in time."""
    what = "the server is too busy to begin in time"
    return Refusal(TOO_LATE, what, "Send it again, or fewer files", {"Retry-After": "1"})
