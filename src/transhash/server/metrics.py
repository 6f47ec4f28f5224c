"""What a server counts, in Prometheus's text format."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """The counters of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.asked = 0  # requests that have come, but for those that ask how the server is
        self._under_way = 0  # of these
        self._last = time.monotonic()  # when the last one was answered
        self._counted: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self.requests = Counter(
            "transhash_requests", "Requests answered", ["route", "method", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "transhash_request_seconds", "Time to answer", ["route"], registry=self.registry, buckets=_BUCKETS
        )
        self.encoded = Counter("transhash_encoded_pictures", "Pictures encoded", registry=self.registry)
        self.batches = Counter("transhash_encoded_batches", "Batches that they came in", registry=self.registry)
        self.searches = Counter("transhash_searches", "Queries searched", registry=self.registry)
        self.rejected = Counter("transhash_rejected", "Requests refused by a limit", registry=self.registry)
        self.waiting = Gauge("transhash_waiting_pictures", "Pictures that wait to be encoded", registry=self.registry)
        self.pictures = Gauge("transhash_pictures", "Pictures that search can find", registry=self.registry)

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """While a request is answered."""
        self.asked += 1
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1
            self._last = time.monotonic()

    @property
    def quiet(self) -> float:
        """Seconds for which nobody has asked for anything."""
        return 0.0 if self._under_way else time.monotonic() - self._last

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request."""
        counted = self._counted.get((route, method, status))
        if counted is None:
            counted = self.requests.labels(route, method, str(status)), self.seconds.labels(route)
            self._counted[route, method, status] = counted
        counted[0].inc()
        counted[1].observe(seconds)
        if status in (413, 429, 503):
            self.rejected.inc()

    def text(self) -> bytes:
        """The text that Prometheus reads."""
        return generate_latest(self.registry)
