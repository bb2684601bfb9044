"""Room for so many requests and bytes, given back however a request ends."""

from __future__ import annotations

import contextlib
import time

import pytest

from runtimes.serve.gate import Gate
from runtimes.serve.limits import Limits
from runtimes.serve.refusal import Refusal


def test_no_more_than_fit_are_inside() -> None:
    gate = Gate(Limits(inside=2))
    with gate.admit(5), gate.admit(5):
        assert (gate.inside, gate.held_bytes) == (2, 10)
        with pytest.raises(Refusal) as caught, gate.admit(0):
            pass
        assert caught.value.status == 429 and caught.value.headers == {"Retry-After": "1"}
    assert (gate.inside, gate.held_bytes) == (0, 0)
    with contextlib.suppress(KeyError), gate.admit(7):
        raise KeyError
    assert (gate.inside, gate.held_bytes) == (0, 0)


def test_no_more_bytes_than_fit_are_held() -> None:
    gate = Gate(Limits(body_bytes=10, held_bytes=15))
    with gate.admit(10):
        with gate.admit(5):
            pass
        with pytest.raises(Refusal), gate.admit(6):
            pass


def test_the_time_to_come_again_follows_how_long_requests_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate = Gate(Limits())
    clock = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: clock)
    for _ in range(100):
        with gate.admit(0):
            clock += 3.5
    assert gate.retry_after == 4
