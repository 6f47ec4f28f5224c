"""The rooms of a running server: the library, the threads that search, encode, draw and write, and the counters."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from transhash.errors import ImageError
from transhash.library.files.thumbnails import Thumbnails
from transhash.server import faults
from transhash.server.duplicates import DuplicateSearches
from transhash.server.metrics import Metrics
from transhash.server.searching import Found, Query, Searcher
from transhash.server.settings import Settings
from transhash.server.workers import Batches, each
from transhash.system import processors

if TYPE_CHECKING:
    from transhash.library import Library, LiveLibrary

R = TypeVar("R")

ENCODED_AT_ONCE = 16
SEARCHED_AT_ONCE = 64
SEARCHES_WAITING = 2000

Job = Callable[[], Any]


class Service:
    """One library, served."""

    def __init__(self, live: LiveLibrary, settings: Settings, metrics: Metrics) -> None:
        self.live = live
        self.settings = settings
        self.metrics = metrics
        self.thumbnails = Thumbnails(live.path)
        self.duplicates = DuplicateSearches(live)
        self.searcher = Searcher(live)
        leave, waiting = live.leave, settings.max_waiting
        self._search: Batches[Query, Found] = Batches(
            "searches",
            self.searcher.search,
            threads=1,  # searches use all processors by themselves
            batch=SEARCHED_AT_ONCE,
            waiting=SEARCHES_WAITING,
            leave=leave,
        )
        self._encode: Batches[bytes, NDArray[np.float32]] = Batches(
            "pictures", self._encoded, threads=processors(), batch=ENCODED_AT_ONCE, waiting=waiting, leave=leave
        )
        self._look: Batches[Job, Any] = Batches(
            "requests", each(_run), threads=2, batch=1, waiting=8 * waiting, leave=leave
        )
        self._draw: Batches[Job, Any] = Batches(
            "pictures", each(_run), threads=processors(), batch=1, waiting=4 * waiting, leave=leave
        )
        self._write: Batches[Job, Any] = Batches("writes", each(_run), threads=1, batch=1, waiting=8, leave=leave)
        metrics.waiting.set_function(lambda: self._encode.waiting)
        metrics.pictures.set_function(lambda: len(live.index))

    def close(self) -> None:
        """Finish what is under way."""
        for batches in (self._search, self._encode, self._look, self._draw, self._write):
            batches.close(self.settings.stop_seconds)
        self.duplicates.close(self.settings.stop_seconds)

    async def search(self, queries: list[Query]) -> list[Found]:
        """The answers to queries; raises the first `Fault`."""
        self.metrics.searches.inc(len(queries))
        return await self._within(asyncio.gather(*self._search.put(queries)))

    async def encode(self, pictures: list[bytes]) -> list[NDArray[np.float32] | ImageError]:
        """Relaxed codes of pictures, or what is wrong with them."""
        futures = self._encode.put(pictures)
        results = await self._within(asyncio.gather(*futures, return_exceptions=True))
        values: list[NDArray[np.float32] | ImageError] = []
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, ImageError):
                raise result
            values.append(result)
        return values

    async def look(self, function: Callable[[Library], R]) -> R:
        """What a function finds in the library; for what takes little time."""
        found: R = await self._within(self._look.do(lambda: function(self.live.here())))
        return found

    async def draw(self, function: Callable[[Library], R]) -> R:
        """The same for what decodes pictures."""
        drawn: R = await self._within(self._draw.do(lambda: function(self.live.here())))
        return drawn

    async def write(self, function: Callable[[Library], R]) -> R:
        """The same for what writes to the library; one at a time, and never broken off."""
        if not self.settings.writable:
            raise faults.Fault(403, "this server only reads", "start it with --writable")
        written: R = await asyncio.shield(self._write.do(lambda: function(self.live.here())))
        return written

    async def _within(self, work: Awaitable[R]) -> R:
        try:
            return await asyncio.wait_for(work, self.settings.seconds)
        except TimeoutError:
            raise faults.late() from None

    def _encoded(self, pictures: list[bytes]) -> list[NDArray[np.float32] | Exception]:
        model = self.live.model
        squares: dict[int, NDArray[np.uint8]] = {}
        results: list[NDArray[np.float32] | Exception] = [faults.late()] * len(pictures)
        for number, picture in enumerate(pictures):
            try:
                squares[number] = model.square(picture, max_pixels=self.settings.max_pixels)
            except ImageError as error:
                results[number] = error
        if squares:
            for number, values in zip(squares, model.read(np.stack(list(squares.values()))), strict=True):
                results[number] = values
        self.metrics.encoded.inc(len(squares))
        self.metrics.batches.inc()
        return results


def _run(job: Job) -> Any:
    return job()
