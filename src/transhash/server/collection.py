"""A collection on another machine, served: what it answers is searched there; what it lacks is said."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from transhash.errors import ImageError, LibraryError
from transhash.library import Options as LibraryOptions
from transhash.library import Queries
from transhash.library.ranking import Backend, ranked
from transhash.model.encoder import is_hash_model
from transhash.server import faults
from transhash.server.encoding import Encoding, Upload, within
from transhash.server.found import Found
from transhash.server.metrics import Metrics
from transhash.server.queries import Options, Query
from transhash.server.searching import answered
from transhash.server.service import SEARCHED_AT_ONCE, SEARCHES_WAITING
from transhash.server.settings import Settings
from transhash.server.workers import Batches, each

if TYPE_CHECKING:
    from transhash.library import LibraryInfo, Picture
    from transhash.model import HashModel

R = TypeVar("R")
LACKS = ["thumbnails", "originals", "duplicates", "explanations", "counts by distance", "folders to choose from"]
LACKS += ["searches with several at once", "other orders"]


class Collection(Backend, Protocol):
    """What a collection answers: `transhash.remote.milvus.MilvusLibrary`."""

    @property
    def most_hits(self) -> int:
        """How many hits it gives for a query, at most."""

    def refresh(self) -> None:
        """Look whether another export took its place, at most once a second; raises `LibraryError`."""

    def info(self) -> LibraryInfo:
        """Its facts."""

    def count(self, where: str | None) -> int:
        """How many pictures pass a filter, or None all; raises `FilterError`."""

    def rows(self, ids: list[int]) -> dict[int, Picture]:
        """What is known of pictures, by id; those that are gone meanwhile are left out."""

    def newest(self, where: str | None, before: int | None, limit: int) -> list[Picture]:
        """The pictures of the highest ids, below `before` if given, that pass a filter; raises `FilterError`."""


class CollectionService:
    """A collection, served: to search in and to look through."""

    def __init__(self, collection: Collection, settings: Settings, metrics: Metrics) -> None:
        """Raises `LibraryError` for a collection whose encoder gives codes alone."""
        self.collection = collection
        self.model = _model_of(collection)
        self.settings = settings
        self.metrics = metrics
        self._encoder = Encoding(lambda: self.model, settings, metrics)
        self._search: Batches[Query, Found] = Batches(
            "searches", self._searched, threads=2, batch=SEARCHED_AT_ONCE, waiting=SEARCHES_WAITING
        )
        self._look: Batches[Callable[[], Any], Any] = Batches(
            "requests", each(lambda job: job()), threads=2, batch=1, waiting=8 * settings.max_waiting
        )

    @property
    def bits(self) -> int:
        """Length of the codes."""
        return self.collection.bits

    @property
    def fingerprint(self) -> str:
        """What tells its codes from those of other models."""
        return self.model.fingerprint

    def count(self, where: str | None) -> int:
        """How many pictures pass a filter, or None all, which the counters show from then on; raises `FilterError`.

        For a thread, as all that asks the collection: it is on another machine, which may be slow.
        """
        count = self.collection.count(where)
        if where is None:
            self.metrics.pictures.set(count)
        return count

    def close(self) -> None:
        """Finish what is under way."""
        self._search.close(self.settings.stop_seconds)
        self._look.close(self.settings.stop_seconds)
        self._encoder.close()

    async def refresh(self) -> None:
        """Take up what the collection is now, whose place another export may have taken; raises `LibraryError`."""
        self.model = await self.look(_model_of)

    async def encode(self, pictures: list[bytes], sender: str) -> list[Upload | ImageError]:
        """Pictures of a sender encoded, or what is wrong with them."""
        await self.refresh()
        encoded = await self._encoder.encode(pictures, sender)
        if any(isinstance(each, Upload) and each.fingerprint != self.fingerprint for each in encoded):
            raise faults.replaced()
        return encoded

    async def search(self, queries: list[Query]) -> list[Found]:
        """The answers to queries, all with the same options; raises the first `Fault`."""
        faults.check_depth(len(queries), queries[0].options.ranked, self.collection.most_hits)
        if queries[0].options.collapse:
            raise faults.lacking("pictures to compare")
        before = self.fingerprint  # of the model that the request was understood with
        await self.refresh()
        if self.fingerprint != before and any(query.id is None for query in queries):
            raise faults.replaced()
        self.metrics.searches.inc(len(queries))
        return await within(self.settings.seconds, asyncio.gather(*self._search.put(queries)))

    async def look(self, function: Callable[[Collection], R]) -> R:
        """What a function finds in the collection."""
        found: R = await within(self.settings.seconds, self._look.do(lambda: function(self.collection)))
        return found

    async def check(self) -> None:
        """Ask the collection for something; raises what is wrong with it."""
        await self.look(lambda _: self.count(None))

    async def sweep(self) -> None:
        """Nothing is kept here that could be swept; the counters learn how many pictures there are."""
        await self.check()

    def _searched(self, queries: list[Query]) -> list[Found | Exception]:
        return answered(queries, self._alike)

    def _alike(self, options: Options, queries: dict[int, Query]) -> dict[int, Found]:
        codes = self._codes(queries)
        numbers = list(codes)
        if not numbers:
            return {}
        packed = np.stack(list(codes.values()))
        values = [queries[number].values for number in numbers]
        relaxed = None if values[0] is None else np.stack([one for one in values if one is not None])
        limits = LibraryOptions(options.k, options.max_distance, options.min_probability, options.where, options.offset)
        answer = ranked(self.collection, Queries(packed, relaxed), limits)
        total = self.count(options.where)
        return {
            number: Found(
                queries[number], packed[row], answer.rows[row], total, answer.is_full[row] and options.ranked < total
            ).written()
            for row, number in enumerate(numbers)
        }

    def _codes(self, queries: dict[int, Query]) -> dict[int, Any]:
        """The codes of queries; those by ids of no picture are left out."""
        codes = {number: query.code for number, query in queries.items() if query.code is not None}
        by_id = {number: query.id for number, query in queries.items() if query.id is not None}
        known = self.collection.rows(list(by_id.values())) if by_id else {}
        return codes | {
            number: np.frombuffer(bytes.fromhex(known[id_].code), np.uint8)
            for number, id_ in by_id.items()
            if id_ in known
        }


def _model_of(collection: Collection) -> HashModel:
    """The model of a collection as it is now; raises `LibraryError` where it gives codes alone."""
    collection.refresh()
    model = collection.model
    if not is_hash_model(model):
        reason = f"{model.name} gives codes alone, and a server asks for more"
        raise LibraryError(collection.address, reason, "serve a collection of a `HashModel`")
    return model


def id_of(info: LibraryInfo) -> str:
    """Names a collection: another address or model has another."""
    return hashlib.sha256(f"{info.path} {info.fingerprint}".encode()).hexdigest()[:16]
