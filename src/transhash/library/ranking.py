"""The one road from codes to hits, whatever finds the nearest: an index in memory, or a collection in Milvus."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from transhash.errors import UncalibratedError
from transhash.library.searchable import Hit, Options, Picture, Queries, Searchable
from transhash.model.fitted import cosines

if TYPE_CHECKING:
    from transhash.evaluation.calibration import Calibration
    from transhash.images import Source
    from transhash.model import HashModel
    from transhash.search import HammingIndex

CANDIDATES = 512  # of the nearest codes, that embeddings are compared of
RERANKED = 10_000  # hits among which equal distances are ordered by how sure a query is of its bits

Near = tuple[NDArray[np.int32], NDArray[np.int64]]  # distances and ids, [Q, k]; -1 where there are fewer than k


@runtime_checkable
class Backend(Searchable, Protocol):
    """What finds the nearest codes, and knows the pictures that have them."""

    @property
    def address(self) -> str:
        """Where it is, for messages."""

    @property
    def model(self) -> HashModel:
        """The model that the codes come from."""

    def nearest(self, queries: Queries, k: int, where: str | None) -> Near:
        """The k nearest of each query that pass a filter, by distance, then by the relaxed codes if given, then by id.

        Raises `FilterError`.
        """

    def rows(self, ids: list[int]) -> Mapping[int, Picture]:
        """What is known of pictures, by id; those that are gone meanwhile are left out."""


def answer(backend: Backend, query: Any, options: Options) -> Any:
    """Search for one picture, a list of pictures, or queries that are encoded: the hits, or a list of hits for each.

    Raises `ImageError` for the first picture that cannot be used, and what `ranked` raises.
    """
    if isinstance(query, Queries):
        return ranked(backend, query, options)
    several = isinstance(query, list | tuple)
    hits = ranked(backend, encoded(backend.model, query if several else [query]), options)
    return hits if several else hits[0]


def encoded(model: HashModel, pictures: Iterable[Source]) -> Queries:
    """Pictures as queries; raises `ImageError` for the first that cannot be used."""
    found = [each for batch in model.stream(pictures) for each in batch]
    for each in found:
        if each.error:
            raise each.error
    values = np.array([each.values for each in found], np.float32).reshape(len(found), model.bits)
    kept = [each.embedding for each in found if each.embedding is not None]
    return Queries.of(values, np.stack(kept) if kept else None)


def by_likeness(
    near: Near, embeddings: NDArray[np.int8], kept_of: Callable[[list[int]], Mapping[int, bytes]], k: int
) -> Near:
    """The first `CANDIDATES` of each row by the cosine of their embeddings with the query's, the others after them.

    Equal cosines stay in order, by distance and id; a picture without an embedding goes behind those that have one.
    """
    distances, ids = near[0].copy(), near[1].copy()
    wanted = np.unique(ids[:, :CANDIDATES])
    kept = kept_of(wanted[wanted >= 0].tolist())
    for row, query in enumerate(embeddings):
        first = ids[row, :CANDIDATES]
        known = [kept.get(id_, b"") for id_ in first.tolist()]
        have = np.array([len(each) == len(query) for each in known])
        likeness = np.full(len(first), -2.0)
        likeness[~have & (first < 0)] = -3.0
        rows = b"".join(each for each, has in zip(known, have, strict=True) if has)
        likeness[have] = cosines(query, np.frombuffer(rows, np.int8).reshape(-1, len(query)))
        order = np.argsort(-likeness, kind="stable")
        ids[row, : len(first)], distances[row, : len(first)] = first[order], distances[row, : len(first)][order]
    return distances[:, :k], ids[:, :k]


def ranked(backend: Backend, queries: Queries, options: Options) -> list[list[Hit]]:
    """The hits of each query, nearest first.

    Raises `FilterError`, and `UncalibratedError` for a probability that the model was not calibrated to tell.
    """
    calibration = backend.model.calibration
    radius = limit(options, backend, calibration)
    distances, ids = backend.nearest(queries, options.ranked, options.where)
    distances, ids = distances[:, options.offset :], ids[:, options.offset :]
    ids = np.where(distances <= radius, ids, -1)
    pictures = backend.rows(np.unique(ids[ids >= 0]).tolist())
    likely = probabilities(calibration, backend.bits)
    return [
        [
            Hit(picture, distance, likely[distance])
            for distance, id_ in zip(row, of_row, strict=True)
            if (picture := pictures.get(id_)) is not None
        ]
        for row, of_row in zip(distances.tolist(), ids.tolist(), strict=True)
    ]


def limit(options: Options, backend: Backend, calibration: Calibration | None) -> int:
    """The greatest distance that options allow; raises `UncalibratedError` for a probability without a calibration."""
    radius = backend.bits if options.max_distance is None else options.max_distance
    if options.min_probability is None:
        return radius
    if calibration is None:
        raise UncalibratedError(
            backend.address,
            f"its model {backend.model.name} has no calibration, so it cannot give probabilities",
            "give a distance instead (--max-distance), or calibrate it (`transhash evaluate --calibrate`)",
        )
    return min(radius, calibration.radius(options.min_probability))


def probabilities(calibration: Calibration | None, bits: int) -> list[float | None]:
    """The probability of relevance at each distance from 0 to `bits`; None without a calibration."""
    return calibration.probability(np.arange(bits + 1)).tolist() if calibration else [None] * (bits + 1)


def nearest(index: HammingIndex, queries: Queries, k: int, allowed: NDArray[np.int64] | None) -> Near:
    """The k nearest in an index, of those with `allowed` ids if given.

    Far down a ranking ids order equal distances: to order all by the relaxed codes would cost more than it tells.
    """
    codes, values = queries.codes, queries.values
    k = min(k, max(1, len(index)))
    if values is None or k <= RERANKED:
        return index.search(codes, k, ids=allowed, values=values)
    first = index.search(codes, RERANKED, ids=allowed, values=values)
    distances, ids = index.search(codes, k, ids=allowed)
    for row in range(len(codes)):
        after = ~np.isin(ids[row], first[1][row])
        distances[row] = np.concatenate([first[0][row], distances[row][after][: k - RERANKED]])
        ids[row] = np.concatenate([first[1][row], ids[row][after][: k - RERANKED]])
    return distances, ids
