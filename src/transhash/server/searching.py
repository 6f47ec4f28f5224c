"""Searches in a live library: many queries of the same kind are one search."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from transhash.errors import HammingIndexError
from transhash.library import Options as LibraryOptions
from transhash.library import Queries
from transhash.server import faults
from transhash.server.found import Found
from transhash.server.queries import Options, Query
from transhash.server.settings import MOST_RANKED

if TYPE_CHECKING:
    from transhash.library import LiveLibrary
    from transhash.library.searching import Snapshot
    from transhash.search import HammingIndex


class FittedError(Exception):
    """Codes were fitted while queries were searched with that have codes of before."""


class Searcher:
    """Searches in a live library."""

    def __init__(self, live: LiveLibrary) -> None:
        self._live = live

    def search(self, queries: list[Query]) -> list[Found | Exception]:
        """The answers to queries, in order."""
        return answered(queries, self._alike)

    def _alike(self, options: Options, queries: dict[int, Query]) -> dict[int, Found | Exception]:
        try:
            return {**self._found(options, queries)}
        except FittedError:  # the codes of pictures are others now, and of a code alone nobody knows the picture
            others = faults.other_codes(self._live.model.fingerprint)
            known = {at: query for at, query in queries.items() if query.id is not None or query.embedding is not None}
            return {**dict.fromkeys(queries, others), **(self._found(options, known) if known else {})}

    def _later(self, than: Snapshot) -> Snapshot | None:
        now = self._live.later(than)
        if now is not None and _of(now) != _of(than):
            raise FittedError
        return now

    def _found(self, options: Options, queries: dict[int, Query]) -> dict[int, Found]:
        library, snapshot = self._live.now()
        index = snapshot.index
        passing = next(iter(queries.values())).allowed
        if passing is not None and passing.library is not library:
            raise faults.library()  # another library took its place meanwhile
        codes = codes_of(index, queries)
        kept = embeddings_of(snapshot, {number: queries[number] for number in codes})
        allowed = None if passing is None else passing.ids
        limits = LibraryOptions(options.k, options.max_distance, options.min_probability, offset=options.offset)
        total = len(index) if allowed is None else len(allowed)
        found = {}
        alike: dict[int, list[int]] = {}  # by the length of their embeddings
        for number in codes:
            alike.setdefault(len(kept.get(number, ())), []).append(number)
        for values_each, numbers in alike.items():
            packed = np.stack([codes[number] for number in numbers])
            values = [queries[number].values for number in numbers]
            relaxed = None if values[0] is None else np.stack([each for each in values if each is not None])
            embeddings = np.stack([kept[number] for number in numbers]) if values_each else None
            if snapshot.layers and embeddings is not None and relaxed is not None:
                packed = snapshot.layers.head.codes(embeddings)  # codes may have been fitted since these were sent
            asked = Queries(packed, relaxed, embeddings, queries[numbers[0]].of_words)
            in_json = not options.collapse  # which asks for more than what is sent
            answer = library.searching.ranked(asked, limits, snapshot, allowed, self._later, in_json=in_json)
            counts = index.histogram(packed, ids=allowed).tolist() if options.histogram else [None] * len(numbers)
            for row, number in enumerate(numbers):
                more = answer.is_full[row] and options.ranked < total
                one = Found(queries[number], packed[row], answer.rows[row], total, more, counts[row])
                found[number] = one if options.collapse else one.written()  # otherwise after copies are left out
        return found


def _of(snapshot: Snapshot) -> str:
    """What tells the hash layers of a moment from others; empty where codes are the model's own."""
    return snapshot.layers.fingerprint if snapshot.layers else ""


def answered(
    queries: list[Query], alike: Callable[[Options, dict[int, Query]], Mapping[int, Found | Exception]]
) -> list[Found | Exception]:
    """The answers to queries, in order; `alike` answers those with equal options, by their numbers."""
    answers: list[Found | Exception] = [faults.unknown_picture()] * len(queries)
    groups: dict[tuple[Options, bool, bool, bool, int], list[int]] = {}
    for number, query in enumerate(queries):
        kind = query.options, query.values is not None, query.embedding is not None, query.of_words, id(query.allowed)
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


def embeddings_of(snapshot: Snapshot, queries: dict[int, Query]) -> dict[int, NDArray[np.int8]]:
    """The embeddings of queries, their own or those of the pictures that ask, int8 [V]; of those that have one.

    There are none where embeddings do not order what is found.
    """
    if not snapshot.searching.by_embeddings:
        return {}
    by_id = [query.id for query in queries.values() if query.id is not None]
    kept = snapshot.embeddings(by_id) if by_id else {}
    found = {number: query.embedding if query.id is None else kept.get(query.id) for number, query in queries.items()}
    length = None if snapshot.layers is None else len(snapshot.layers.head.weights)
    return {number: each for number, each in found.items() if each is not None and length in (None, len(each))}


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
