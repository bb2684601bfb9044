"""How many requests are inside at once; the others are sent away before they cost anything."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator

from runtimes.serve.limits import Limits
from runtimes.serve.refusal import BUSY, Refusal

_WEIGHT = 0.1  # of the latest request in the mean time that requests spend inside


class Gate:
    """Counts requests and the bytes of their bodies; used on the event loop only."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.inside = 0
        self.held_bytes = 0
        self._mean_seconds = 0.0

    @property
    def retry_after(self) -> int:
        """Whole seconds after which there should be room: the time that a request stays."""
        return max(1, math.ceil(self._mean_seconds))

    def find_obstacle(self, size: int = 0) -> Refusal | None:
        """429 with Retry-After where a request with a body of at most `size` bytes has no room."""
        fits = self.held_bytes + size <= self.limits.held_bytes
        if fits and self.inside < self.limits.inside:
            return None
        return Refusal(
            BUSY,
            f"{self.inside} requests are inside, and there is no room for this one",
            f"Send it again after {self.retry_after} s",
            {"Retry-After": str(self.retry_after)},
        )

    @contextlib.contextmanager
    def admit(self, size: int) -> Iterator[None]:
        """Room for a request whose body has at most `size` bytes.

        Raises:
            Refusal: `find_obstacle`.
        """
        if obstacle := self.find_obstacle(size):
            raise obstacle
        self.inside += 1
        self.held_bytes += size
        started = time.monotonic()
        try:
            yield
        finally:
            self.inside -= 1
            self.held_bytes -= size
            seconds = time.monotonic() - started
            self._mean_seconds += _WEIGHT * (seconds - self._mean_seconds)
