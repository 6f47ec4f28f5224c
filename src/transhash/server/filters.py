"""Filters: looked through beside the searches, each once for all who wait for it, and broken off when it takes too long
or nobody waits any longer."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from transhash.library.catalogue.database import BrokenOffError
from transhash.server import faults
from transhash.server.workers import GIVE_WAY, Batches

if TYPE_CHECKING:
    from transhash.library import Library, LiveLibrary

KEPT = 8  # filters

_Key: TypeAlias = tuple[str | None, str | None, int]  # the filter, the order, the version of the library


class Passing(NamedTuple):
    """The ids of the pictures that pass a filter, ascending or in another order, and the library that they are of."""

    ids: NDArray[np.int64]
    library: Library


class _Look:
    """A filter that is being looked through."""

    def __init__(self, future: asyncio.Future[Any], given_up: threading.Event) -> None:
        self.future = future
        self.given_up = given_up
        self.waiting = 0


class Filters:
    """The pictures that pass filters; the last ones are kept. Used from the event loop."""

    def __init__(self, live: LiveLibrary, threads: Batches[Callable[[], Passing], Passing], seconds: float) -> None:
        """`seconds`: for one filter, without those in which it gives way to others (`threads` have a `GIVE_WAY`)."""
        self._live = live
        self._threads = threads
        self._seconds = seconds
        self._kept: OrderedDict[_Key, Passing] = OrderedDict()
        self._looks: dict[_Key, _Look] = {}

    async def passing(self, where: str | None, order: str | None = None) -> Passing:
        """What passes a filter, or None all, by their ids or in an order that `Pictures.in_order` knows.

        Raises `FilterError`, and a `Fault` for a filter that takes too long.
        """
        key = where, order, self._live.version
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
            return kept
        look = self._looks.get(key)
        if look is None:
            look = self._looks[key] = self._begin(where, order)
        look.waiting += 1
        try:
            found: Passing = await asyncio.shield(look.future)
        finally:
            look.waiting -= 1
            if not look.waiting:
                if self._looks.get(key) is look:
                    del self._looks[key]
                if not look.future.done():
                    look.given_up.set()
                    look.future.cancel()
        self._keep(key, found)
        return found

    def _keep(self, key: _Key, found: Passing) -> None:
        """Among the last ones; those of the library as it was before, which nobody asks for again, are given up."""
        self._kept[key] = found
        for old in [old for old in self._kept if old[2] != key[2]]:
            del self._kept[old]
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)

    def _begin(self, where: str | None, order: str | None) -> _Look:
        given_up = threading.Event()
        return _Look(self._threads.put([lambda: self._passing(where, order, given_up)])[0], given_up)

    def _passing(self, where: str | None, order: str | None, given_up: threading.Event) -> Passing:
        until, give_way = time.monotonic() + self._seconds, GIVE_WAY.get()
        library = self._live.here()

        def stop() -> bool:
            give_way()
            return given_up.is_set() or time.monotonic() > until + give_way.waited

        try:
            ids = library.passing(where, stop=stop)
            if order is not None:
                with library.catalogue.database.stoppable(stop):
                    every = np.array(library.catalogue.pictures.in_order(order), np.int64)
                ids = every[np.isin(every, ids)]
        except BrokenOffError:
            raise faults.slow_filter() from None
        return Passing(ids, library)
