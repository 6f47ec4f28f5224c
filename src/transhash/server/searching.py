"""Queries, and what a search answers; many queries of the same kind are one search."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from transhash.errors import HammingIndexError
from transhash.server import faults

if TYPE_CHECKING:
    from transhash.library import LiveLibrary

RERANKED = 10_000  # hits among which equal distances are ordered by how sure a query is of its bits

FILTERS_KEPT = 8


@dataclass(frozen=True)
class Options:
    """What is asked about a query; queries of equal options are searched together."""

    k: int = 50
    offset: int = 0
    max_distance: int | None = None
    min_probability: float | None = None
    where: str | None = None
    histogram: bool = False


@dataclass(frozen=True)
class Query:
    """A picture to search for: by its id in the library, its code, or its relaxed code."""

    options: Options
    id: int | None = None
    code: NDArray[np.uint8] | None = field(default=None, compare=False)
    values: NDArray[np.float32] | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Found:
    """The hits of a query as JSON has them."""

    body: dict[str, Any]


class Searcher:
    """Searches in a live library."""

    def __init__(self, live: LiveLibrary) -> None:
        self._live = live
        self._passing: OrderedDict[tuple[str | None, int], NDArray[np.int64]] = OrderedDict()

    def passing(self, where: str | None) -> NDArray[np.int64]:
        """The ids of the pictures that pass a filter, ascending; those of the last filters are kept."""
        key = where, self._live.version
        ids = self._passing.get(key)
        if ids is None:
            ids = self._live.here().passing(where)
            self._passing[key] = ids
            while len(self._passing) > FILTERS_KEPT:
                self._passing.popitem(last=False)
        return ids

    def search(self, queries: list[Query]) -> list[Found | Exception]:
        """The answers to queries, in order."""
        answers: list[Found | Exception] = [faults.unknown_picture()] * len(queries)
        alike: dict[tuple[Options, bool], list[int]] = {}
        for number, query in enumerate(queries):
            alike.setdefault((query.options, query.values is not None), []).append(number)
        for (options, _), numbers in alike.items():
            try:
                for number, answer in self._alike(options, {number: queries[number] for number in numbers}).items():
                    answers[number] = answer
            except Exception as error:  # of these alone
                for number in numbers:
                    answers[number] = error
        return answers

    def _alike(self, options: Options, queries: dict[int, Query]) -> dict[int, Found]:
        library, index = self._live.here(), self._live.index
        codes = self._codes(queries)
        numbers = list(codes)
        if not numbers:
            return {}
        packed = np.stack(list(codes.values()))
        values = [queries[number].values for number in numbers]
        relaxed = None if values[0] is None else np.stack([each for each in values if each is not None])
        radius = library.radius(options.max_distance, options.min_probability)
        allowed = None if options.where is None else self.passing(options.where)
        total = len(index) if allowed is None else len(allowed)
        k = min(options.offset + options.k, total)
        if k > options.offset:
            distances, ids = self._nearest(packed, k, allowed, relaxed)
            distances, ids = distances[:, options.offset :], ids[:, options.offset :]
        else:
            distances, ids = np.empty((len(numbers), 0), np.int32), np.empty((len(numbers), 0), np.int64)
        ids = np.where(distances <= radius, ids, -1)
        counts = index.histogram(packed, ids=allowed).tolist() if options.histogram else [None] * len(numbers)
        pictures = library.described(set(ids[ids >= 0].tolist()))
        calibration = self._live.model.calibration
        likely = calibration.probability(np.arange(index.bits + 1)).tolist() if calibration else None
        found = {}
        for row, number in enumerate(numbers):
            hits = [
                {**picture, "distance": d, "probability": likely[d] if likely else None}
                for d, id_ in zip(distances[row].tolist(), ids[row].tolist(), strict=True)
                if (picture := pictures.get(id_)) is not None
            ]
            of_query = queries[number].values
            found[number] = Found(
                {
                    "hits": hits,
                    "code": packed[row].tobytes().hex(),
                    "values": None if of_query is None else of_query.tolist(),
                    "searched": total,
                    "more": bool(len(ids[row]) and ids[row, -1] >= 0 and k < total),
                    "histogram": counts[row],
                }
            )
        return found

    def _nearest(
        self, codes: NDArray[np.uint8], k: int, allowed: NDArray[np.int64] | None, values: NDArray[np.float32] | None
    ) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Far down a ranking ids order equal distances: the rest would cost more than it tells."""
        index = self._live.index
        if values is None or k <= RERANKED:
            return index.search(codes, k, ids=allowed, values=values)
        first = index.search(codes, RERANKED, ids=allowed, values=values)
        rest = index.search(codes, k, ids=allowed)
        for row in range(len(codes)):
            after = rest[1][row][~np.isin(rest[1][row], first[1][row])][: k - RERANKED]
            where = np.isin(rest[1][row], after)
            rest[0][row] = np.concatenate([first[0][row], rest[0][row][where]])
            rest[1][row] = np.concatenate([first[1][row], after])
        return rest

    def _codes(self, queries: dict[int, Query]) -> dict[int, NDArray[np.uint8]]:
        """The codes of queries; those by ids of no picture are left out."""
        index = self._live.index
        codes = {number: query.code for number, query in queries.items() if query.code is not None}
        by_id = {number: query.id for number, query in queries.items() if query.id is not None}
        try:
            return codes | dict(zip(by_id, index.reconstruct(list(by_id.values())), strict=True))
        except HammingIndexError:
            known = index.contains(list(by_id.values()))
            by_id = {number: id_ for (number, id_), here in zip(by_id.items(), known, strict=True) if here}
            return codes | dict(zip(by_id, index.reconstruct(list(by_id.values())), strict=True))


def as_code(text: str, bits: int) -> NDArray[np.uint8]:
    """A code from its hex digits; raises a `Fault`."""
    try:
        code = np.frombuffer(bytes.fromhex(text), np.uint8)
    except ValueError:
        code = np.empty(0, np.uint8)
    if len(code) * 8 != bits or len(text) * 4 != bits:
        raise faults.Fault(422, "not a code of this library", f"give {bits // 4} hex digits")
    return code


def as_values(numbers: Sequence[float], bits: int) -> NDArray[np.float32]:
    """A relaxed code; raises a `Fault`."""
    with np.errstate(over="ignore"):
        values = np.array(numbers, np.float32)
    if len(values) != bits or not np.isfinite(values).all():
        raise faults.Fault(422, "not a relaxed code of this library", f"give {bits} finite numbers")
    return values
