"""What `/metrics` tells Prometheus: counts and times, never a name or an address."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from gazeclip import __version__
from gazeclip.scoring.thresholds import ANSWERS
from runtimes.verifier import Verifier

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """The counters of one server, in a registry of their own."""

    def __init__(self, verifier: Verifier) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "gazeclip_requests", "answers of /verify", ["code"], registry=self._registry
        )
        self._seconds = Histogram(
            "gazeclip_request_seconds",
            "from the headers of a request to its answer",
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._verdicts = Counter(
            "gazeclip_verdicts", "verdicts by answer", ["verdict"], registry=self._registry
        )
        for answer in ANSWERS:
            self._verdicts.labels(answer)
        self._batches = Histogram(
            "gazeclip_batch_images",
            "images of one inference",
            buckets=_SIZES,
            registry=self._registry,
        )
        about = Gauge(
            "gazeclip_info",
            "what runs here; always 1",
            ["version", "engine", "precision", "digest"],
            registry=self._registry,
        )
        bundle = verifier.bundle
        about.labels(__version__, verifier.engine.label, bundle.precision, bundle.digest).set(1)

    def watch(self, name: str, about: str, value: Callable[[], float]) -> None:
        """Show a number that is asked for when somebody looks."""
        Gauge(f"gazeclip_{name}", about, registry=self._registry).set_function(value)

    def count_batch(self, size: int) -> None:
        """One inference of so many images."""
        self._batches.observe(size)

    def count_answer(self, status: int, seconds: float) -> None:
        """One answer of `/verify`."""
        self._requests.labels(str(status)).inc()
        self._seconds.observe(seconds)

    def count_verdict(self, verdict: str) -> None:
        """One image or face that was judged."""
        self._verdicts.labels(verdict).inc()

    def render(self) -> bytes:
        """All of them in Prometheus' text format."""
        return generate_latest(self._registry)
