"""What a device is asked for, whatever it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import Any

from gazeclip.bundle.bundle import Bundle

MEASURED = "measured"


@dataclass(frozen=True)
class Timing:
    """One bundle on a device; what its tool does not tell is None.

    Attributes:
        state: `MEASURED`, or why it was not.
        init_ms: from the file to the first inference.
        peak_mb: what the process grew by, in the tool's own megabytes.
    """

    state: str = MEASURED
    threads: int | None = None
    calls: int | None = None
    p50_ms: float | None = None
    mean_ms: float | None = None
    min_ms: float | None = None
    init_ms: float | None = None
    peak_mb: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The form of report.json."""
        return asdict(self)


class Device(ABC):
    """Somewhere to time bundles. Use it in a `with` block: it cleans up behind itself."""

    label: str

    def __enter__(self) -> Device:
        return self

    def __exit__(self, *args: object) -> None:
        return None

    @abstractmethod
    def time_bundle(self, bundle: Bundle, threads: int) -> Timing:
        """Time one image at a time.

        Raises:
            StageError: the device is gone.
        """
