"""Queries, and what a search answers; many queries of the same kind are one search."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from transhash.errors import HammingIndexError
from transhash.library import Options as LibraryOptions
from transhash.library import Queries
from transhash.server import faults, schemas
from transhash.server.filters import Passing
from transhash.server.settings import MOST_RANKED

if TYPE_CHECKING:
    from transhash.library import Hit, Library, LiveLibrary
    from transhash.search import HammingIndex


@dataclass(frozen=True)
class Options:
    """What is asked about a query; queries of equal options are searched together."""

    k: int = 50
    offset: int = 0
    max_distance: int | None = None
    min_probability: float | None = None
    where: str | None = None
    histogram: bool = False
    collapse: bool = False

    @property
    def ranked(self) -> int:
        """How many of the nearest pictures have to be found."""
        return self.offset + self.k


@dataclass(frozen=True)
class Query:
    """A picture to search for: by its id in the library, its code, or its relaxed code."""

    options: Options
    id: int | None = None
    code: NDArray[np.uint8] | None = field(default=None, compare=False)
    values: NDArray[np.float32] | None = field(default=None, compare=False)
    embedding: NDArray[np.int8] | None = field(default=None, compare=False)
    version: str | None = None  # of the content of a picture that was sent
    allowed: Passing | None = field(default=None, compare=False)  # what passes the filter, if there is one


class Searcher:
    """Searches in a live library."""

    def __init__(self, live: LiveLibrary) -> None:
        self._live = live

    def search(self, queries: list[Query]) -> list[schemas.Found | Exception]:
        """The answers to queries, in order."""
        return answered(queries, self._alike)

    def _alike(self, options: Options, queries: dict[int, Query]) -> dict[int, schemas.Found]:
        library, snapshot = self._live.now()
        index = snapshot.index
        passing = next(iter(queries.values())).allowed
        if passing is not None and passing.library is not library:
            raise faults.library()  # another library took its place meanwhile
        codes = codes_of(index, queries)
        numbers = list(codes)
        if not numbers:
            return {}
        packed = np.stack(list(codes.values()))
        values = [queries[number].values for number in numbers]
        relaxed = None if values[0] is None else np.stack([each for each in values if each is not None])
        asked = [queries[number] for number in numbers]
        kept = embeddings_of(library, asked) if library.searching.by_embeddings else None
        allowed = None if passing is None else passing.ids
        limits = LibraryOptions(options.k, options.max_distance, options.min_probability, offset=options.offset)
        answer = library.searching.ranked(Queries(packed, relaxed, kept), limits, snapshot, allowed)
        total = len(index) if allowed is None else len(allowed)
        counts = index.histogram(packed, ids=allowed).tolist() if options.histogram else [None] * len(numbers)
        found = {}
        for row, number in enumerate(numbers):
            query = queries[number]
            found[number] = schemas.Found(
                hits=[hit_of(each, query) for each in answer.hits[row]],
                code=packed[row].tobytes().hex(),
                version=query.version,
                values=None if query.values is None else query.values.tolist(),
                embedding=None if query.embedding is None else query.embedding.tobytes().hex(),
                searched=total,
                more=answer.is_full[row] and options.ranked < total,
                histogram=counts[row],
            )
        return found


def answered(
    queries: list[Query], alike: Callable[[Options, dict[int, Query]], dict[int, schemas.Found]]
) -> list[schemas.Found | Exception]:
    """The answers to queries, in order; `alike` answers those with equal options, by their numbers."""
    answers: list[schemas.Found | Exception] = [faults.unknown_picture()] * len(queries)
    groups: dict[tuple[Options, bool, bool, int], list[int]] = {}
    for number, query in enumerate(queries):
        kind = query.options, query.values is not None, query.embedding is not None, id(query.allowed)
        groups.setdefault(kind, []).append(number)
    for (options, *_), numbers in groups.items():
        together = max(1, MOST_RANKED // options.ranked)  # what is in memory at once stays bounded
        for first in range(0, len(numbers), together):
            some = numbers[first : first + together]
            try:
                for number, answer in alike(options, {number: queries[number] for number in some}).items():
                    answers[number] = answer
            except Exception as error:  # of these alone
                for number in some:
                    answers[number] = error
    return answers


def hit_of(hit: Hit, query: Query) -> schemas.Hit:
    """A hit of a query as an answer."""
    known = hit.picture.to_dict()
    identical = hit.id == query.id if query.id is not None else known["version"] == query.version
    return schemas.Hit(**known, distance=hit.distance, probability=hit.probability, identical=identical)


def codes_of(index: HammingIndex, queries: dict[int, Query]) -> dict[int, NDArray[np.uint8]]:
    """The codes of queries; those by ids of no picture are left out."""
    codes = {number: query.code for number, query in queries.items() if query.code is not None}
    by_id = {number: query.id for number, query in queries.items() if query.id is not None}
    try:
        return codes | dict(zip(by_id, index.reconstruct(list(by_id.values())), strict=True))
    except HammingIndexError:
        known = index.contains(list(by_id.values()))
        by_id = {number: id_ for (number, id_), here in zip(by_id.items(), known, strict=True) if here}
        return codes | dict(zip(by_id, index.reconstruct(list(by_id.values())), strict=True))


def embeddings_of(library: Library, queries: list[Query]) -> NDArray[np.int8] | None:
    """The embeddings of queries, their own or those of the pictures that ask, [Q, V]; None where one has none."""
    kept = library.searching.embeddings([query.id for query in queries if query.id is not None])
    found = [
        np.frombuffer(kept.get(query.id, b""), np.int8) if query.id is not None else query.embedding
        for query in queries
    ]
    have = [each for each in found if each is not None and len(each)]
    return np.stack(have) if len(have) == len(queries) and len({len(each) for each in have}) == 1 else None


def as_code(text: str, bits: int) -> NDArray[np.uint8]:
    """A code from its hex digits; raises a `Fault`."""
    try:
        code = np.frombuffer(bytes.fromhex(text), np.uint8)
    except ValueError:
        code = np.empty(0, np.uint8)
    if len(code) * 8 != bits or len(text) * 4 != bits:
        raise faults.Fault(422, "code", "not a code of this library", f"give {bits // 4} hex digits")
    return code


def as_embeddings(texts: Sequence[str] | None, queries: int) -> list[NDArray[np.int8] | None]:
    """Embeddings from their hex digits, one of each query, or of none; raises a `Fault`."""
    if texts is None:
        return [None] * queries
    try:
        found = [np.frombuffer(bytes.fromhex(each), np.int8) for each in texts]
    except ValueError:
        found = []
    if len(found) != queries:
        raise faults.Fault(422, "code", "not an embedding for each relaxed code", "send those that a search gave")
    return [*found]


def as_values(numbers: Sequence[float], bits: int) -> NDArray[np.float32]:
    """A relaxed code; raises a `Fault`."""
    with np.errstate(over="ignore"):
        values = np.array(numbers, np.float32)
    if len(values) != bits or not np.isfinite(values).all():
        raise faults.Fault(422, "code", "not a relaxed code of this library", f"give {bits} finite numbers")
    return values
