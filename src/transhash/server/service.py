"""The rooms of a running server: the library, the threads that search, filter, encode, draw and write, the counters."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from transhash.errors import ImageError
from transhash.images.guarded import Guard
from transhash.library import Library
from transhash.library.digests import content_hash
from transhash.library.files.thumbnails import Thumbnails
from transhash.library.ranking import hits_of
from transhash.server import faults
from transhash.server.duplicates import DuplicateSearches
from transhash.server.duplicates_changes import Changes
from transhash.server.encoding import Encoding, Upload, in_time, within
from transhash.server.filters import Filters, Passing
from transhash.server.found import Found
from transhash.server.metrics import Metrics
from transhash.server.queries import Query
from transhash.server.searching import Searcher
from transhash.server.settings import MOST_RANKED, Settings
from transhash.server.warming import warm
from transhash.server.workers import DEADLINE, FREE_SECONDS, Batches, GivingWay, each
from transhash.system import processors

if TYPE_CHECKING:
    from transhash.library import LiveLibrary

R = TypeVar("R")

SEARCHED_AT_ONCE = 64
SEARCHES_WAITING = 2000
HITS_AT_ONCE = 4000  # of one request, that are looked for before other requests have their turn
QUIET_AT_FIRST = 1.5  # s without a request before a server is made ready: its first visitor comes now
QUIET = 0.5  # s, after the first request: a browser compiles scripts between its requests
LOOK_SECONDS = 0.05  # between looks at how quiet it is
WARM_PATIENCE = 5.0  # s of waiting, in all
CHECK_SECONDS = 2.0  # for which an answer to whether the server is ready holds

WAITS = 4.0  # times as long as it takes that what gives way to others waits for them, at most

Job = Callable[[], Any]


class Service:
    """One library, served."""

    def __init__(self, live: LiveLibrary, settings: Settings, metrics: Metrics) -> None:
        self.live = live
        self.settings = settings
        self.metrics = metrics
        self.guard = Guard(processors(), seconds=settings.decode_seconds, memory=settings.decode_memory)
        self.thumbnails = Thumbnails(live.path, self.guard.small)
        self.duplicates = DuplicateSearches(live)
        self.changes = Changes(live)
        waiting = settings.max_waiting
        self._search: Batches[Query, Found] = Batches(
            "searches",
            Searcher(live).search,
            threads=1,  # searches use all processors by themselves
            batch=SEARCHED_AT_ONCE,
            waiting=SEARCHES_WAITING,
        )
        self._encoder = Encoding(lambda: live.model, settings, metrics)

        def jobs(what: str, threads: int, waiting: int, **options: Any) -> Batches[Job, Any]:
            return Batches(what, each(_run), threads=threads, batch=1, waiting=waiting, **options)

        # whoever asks for long lists one after the other gets what others leave
        resting = partial(self._giving_way, free=0.0)
        self._look = jobs("requests", 2, 8 * waiting, of_one=1, giving_way=resting, rests=True)
        # a core for one who asks what takes long, not all
        self._filter = jobs("filters", 2, waiting, of_one=1, giving_way=self._giving_way)
        self._draw = jobs("pictures", processors(), 4 * waiting)
        # one, so that thumbnails never wait for them
        self._explain = jobs("explanations", 1, waiting, giving_way=self._giving_way)
        self._write = jobs("writes", 1, 8)
        self._filters = Filters(live, self._filter, settings.filter_seconds)
        self._checked = 0.0
        self._check: asyncio.Future[None] | None = None
        self._warm: asyncio.Task[None] | None = None
        metrics.pictures.set_function(lambda: len(live.index))

    def prepare(self) -> None:
        """Begin with what makes the first searches fast; until it is done, the server is not ready.

        It gives way to requests, above all to those of the first visitor's page, but not for long.
        """
        self._warm = asyncio.create_task(self._warmed())

    async def _warmed(self) -> None:
        steps, patience = warm(self.live), WARM_PATIENCE
        while True:
            while patience > 0 and self.metrics.quiet < (QUIET if self.metrics.asked else QUIET_AT_FIRST):
                await asyncio.sleep(LOOK_SECONDS)
                patience -= LOOK_SECONDS
            if await self._explain.do(lambda: next(steps, self)) is self:
                return

    def close(self) -> None:
        """Finish what is under way."""
        if self._warm is not None:
            self._warm.cancel()
        self.changes.close(self.settings.stop_seconds)
        for threads in (self._search, self._filter, self._look, self._draw, self._explain, self._write):
            threads.close(self.settings.stop_seconds)
        self.guard.close()
        self._encoder.close()
        self.duplicates.close(self.settings.stop_seconds)

    @property
    def bits(self) -> int:
        """Length of the codes."""
        return self.live.index.bits

    @property
    def fingerprint(self) -> str:
        """What tells its codes from those of other models."""
        return self.live.model.fingerprint

    async def search(self, queries: list[Query]) -> list[Found]:
        """The answers to queries, all with the same options; raises the first `Fault`."""
        options = queries[0].options
        faults.check_depth(len(queries), options.ranked, MOST_RANKED)
        self.metrics.searches.inc(len(queries))
        if options.where is not None:
            allowed = await self.passing(options.where)
            queries = [replace(query, allowed=allowed) for query in queries]
        if len(queries) == 1:
            found = [await in_time(self.settings.seconds, self._search.put(queries)[0])]
        else:
            found = await self._within(self._searched(queries))
        if queries[0].options.collapse:
            found = await asyncio.gather(*(self.draw(partial(_collapsed, each)) for each in found))
        return found

    async def _searched(self, queries: list[Query]) -> list[Found]:
        """The same, some queries after the others, so that those of other requests come in between."""
        found: list[Found] = []
        at_once = max(1, HITS_AT_ONCE // queries[0].options.ranked)
        for first in range(0, len(queries), at_once):
            found += await asyncio.gather(*self._search.put(queries[first : first + at_once]))
        return found

    async def passing(self, where: str | None, order: str | None = None) -> Passing:
        """The pictures that pass a filter, or None all of them; by their ids, or in an order."""
        return await self._within(self._filters.passing(where, order))

    async def encode(self, pictures: list[bytes], sender: str) -> list[Upload | ImageError]:
        """Pictures of a sender encoded, or what is wrong with them."""
        return await self._encoder.encode(pictures, sender)

    async def look(self, function: Callable[[Library], R]) -> R:
        """What a function finds in the library; for what takes little time."""
        found: R = await self._within(self._look.do(lambda: function(self.live.here())))
        return found

    async def draw(self, function: Callable[[Library], R]) -> R:
        """The same for what decodes pictures."""
        drawn: R = await self._within(self._draw.do(lambda: function(self.live.here())))
        return drawn

    async def explain(self, function: Callable[[Library], R]) -> R:
        """The same for what takes seconds."""
        found: R = await self._within(self._explain.do(lambda: function(self.live.here())))
        return found

    def _giving_way(self, free: float = FREE_SECONDS) -> GivingWay:
        """For work that takes long, so that searches, pictures and uploads go first."""
        rooms = self._search, self._draw, self._encoder
        return GivingWay(lambda: any(each.busy for each in rooms), WAITS, free)

    async def long(self, function: Callable[[Library], R]) -> R:
        """The same for what takes as long as it takes: one at a time."""
        found: R = await self._explain.do(lambda: function(self.live.here()))
        return found

    async def write(self, function: Callable[[Library], R], of: str | None = None) -> R:
        """The same for what writes to the library; one at a time. Raises a `Fault` for what has not begun in time.

        That is not done. What has begun comes to its end, and its answer is waited for: to say that it failed would
        make somebody do it twice. `of`: the `creation` of the library that is meant, if that is said.
        """
        if not self.settings.writable:
            raise faults.read_only()
        begins = threading.Lock()  # taken by who is first: the thread, or the end of the time

        def begun() -> R:
            if not begins.acquire(blocking=False):
                raise faults.late()
            library = self.live.here()
            faults.check_library(of, library.creation)
            return function(library)

        (work,) = self._write.put([begun])
        work.add_done_callback(lambda done: done.cancelled() or done.exception())  # though its client may have gone
        with _unhurried():
            await asyncio.wait([work], timeout=self.settings.seconds)
            if not work.done() and begins.acquire(blocking=False):
                work.cancel()
                raise faults.late()
            written: R = await asyncio.shield(work)
            return written

    async def check(self) -> None:
        """Read the library as somebody would who opens it now; raises what is wrong with it, or still to be done."""
        if self._warm is not None:
            if not self._warm.done():
                raise faults.starting()
            self._warm.result()
        if self._check is None or (self._check.done() and time.monotonic() - self._checked > CHECK_SECONDS):
            self._checked = time.monotonic()
            self._check = self._look.put([self._readable])[0]
        await self._within(asyncio.shield(self._check))

    async def sweep(self) -> None:
        """Delete the small copies of pictures that are gone; once the first searches are prepared."""
        if self._warm is not None:
            await asyncio.wait({self._warm})
        await self._explain.do(lambda: self.thumbnails.sweep(self.live.here().catalogue.pictures.known_digests))

    def _readable(self) -> None:
        if self.live.trouble is not None:
            raise self.live.trouble
        self.live.here()
        with Library.open(self.live.path, self.live.model) as library:
            len(library)  # which reads all rows

    async def _within(self, work: Awaitable[R]) -> R:
        return await within(self.settings.seconds, work)


@contextmanager
def _unhurried() -> Iterator[None]:
    """Without the deadline of the request, which is a new one afterwards."""
    deadline = DEADLINE.get()
    if deadline is None or deadline.expired() or (until := deadline.when()) is None:
        yield
        return
    loop = asyncio.get_running_loop()
    left = until - loop.time()
    deadline.reschedule(None)
    try:
        yield
    finally:
        deadline.reschedule(loop.time() + left)


def version(content: bytes) -> str:
    """What a picture of the library with this content has as its `version`."""
    return content_hash(content).digest()[:6].hex()


def _collapsed(found: Found, library: Library) -> Found:
    """The same without the hits that are copies of an earlier one; that has their ids."""
    from transhash.library.duplicates.collapsing import collapsed  # which imports Numba

    hits = collapsed(library.searching, hits_of(found.hits))
    rows = [(each.picture, each.distance, each.probability) for each in hits]
    return replace(found, hits=rows, copies=[each.copies for each in hits]).written()


def _run(job: Job) -> Any:
    return job()
