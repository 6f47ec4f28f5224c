"""What a server counts, in Prometheus's text format."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import accumulate

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics(Collector):
    """The counters of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.asked = 0  # requests that have come, but for those that ask how the server is
        self._under_way = 0  # of these
        self._last = time.monotonic()  # when the last one was answered
        self._requests: dict[tuple[str, str, str], int] = {}  # by route, method and status
        self._seconds: dict[str, list[float]] = {}  # by route: their sum, and how many ended within each bucket
        self.registry.register(self)
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
        kind = route, method, str(status)
        self._requests[kind] = self._requests.get(kind, 0) + 1
        times = self._seconds.get(route)
        if times is None:
            times = self._seconds[route] = [0.0] * (2 + len(_BUCKETS))
        times[0] += seconds
        times[1 + bisect_left(_BUCKETS, seconds)] += 1
        if status in (413, 429, 503):
            self.rejected.inc()

    def collect(self) -> Iterator[Metric]:
        """What is counted of every request, for the registry: counters of its own would take ten times as long."""
        requests = CounterMetricFamily("transhash_requests", "Requests answered", labels=["route", "method", "status"])
        for kind, count in self._requests.items():
            requests.add_metric(kind, count)
        times = HistogramMetricFamily("transhash_request_seconds", "Time to answer", labels=["route"])
        for route, (total, *counts) in self._seconds.items():
            within = zip([*map(floatToGoString, _BUCKETS), "+Inf"], accumulate(counts), strict=True)
            times.add_metric([route], [*within], total)
        yield requests
        yield times

    def text(self) -> bytes:
        """The text that Prometheus reads."""
        return generate_latest(self.registry)
