"""The one road from codes to hits, whatever finds the nearest: an index in memory, or a collection in Milvus."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias, TypeGuard

import numpy as np
from numpy.typing import NDArray

from transhash.errors import ModelError, UncalibratedError, VectorsError
from transhash.images import open_picture
from transhash.library.searchable import Hit, Mixture, One, Options, Picture, Queries, Words
from transhash.model import Embedder, collect, is_hash_model, stream
from transhash.model.calibration import Calibration
from transhash.model.fitted import cosines

if TYPE_CHECKING:
    from transhash.images import Source
    from transhash.library.pictures import Written
    from transhash.model import Encoder
    from transhash.model.likeness import Likeness
    from transhash.search import HammingIndex

FEWEST, MOST, PER_ROOT = 512, 8192, 4  # codes that embeddings are compared of: `candidates`
PER_HIT = 16  # embeddings that are compared whole for each hit: `read_whole`
FEW = 64  # hits, up to which the most alike are picked out of candidates in any order
RERANKED = 10_000  # hits among which equal distances are ordered by how sure a query is of its bits


class Near(NamedTuple):
    """The nearest of each query; -1 and nothing where there are fewer than k."""

    distances: NDArray[np.int32]  # [Q, k]
    ids: NDArray[np.int64]  # [Q, k]
    likeness: NDArray[np.float32] | None = None  # [Q, k], cosines of embeddings where they were compared, else NaN
    fitted: bool = False  # cosines are those after the library's own map (`Head.ordered`)
    curve: Likeness | None = None  # of cosines, which the library has of its own
    of_words: bool = False  # what was asked

    def within(self, bits: int) -> Near:
        """With nothing in the place of what differs in more bits."""
        fits = self.distances <= bits
        return self._replace(distances=np.where(fits, self.distances, -1), ids=np.where(fits, self.ids, -1))

    def after(self, offset: int) -> Near:
        """Without the first `offset` of each query."""
        likeness = None if self.likeness is None else self.likeness[:, offset:]
        return self._replace(distances=self.distances[:, offset:], ids=self.ids[:, offset:], likeness=likeness)


class Backend(Protocol):
    """What finds the nearest codes, and knows the pictures that have them."""

    @property
    def bits(self) -> int:
        """Length of the codes."""

    @property
    def address(self) -> str:
        """Where it is, for messages."""

    @property
    def model(self) -> Encoder:
        """The model that the codes come from."""

    def nearest(self, queries: Queries, options: Options) -> Near:
        """The nearest of each query that options allow, as many as are `ranked`.

        By distance, then by the relaxed codes if given, then by id. Behind these there may be some that the limits of
        options exclude. Raises `FilterError`.
        """

    def rows(self, ids: list[int]) -> Mapping[int, Picture | Written]:
        """What is known of pictures, by id; those that are gone meanwhile are left out."""


def answer(
    query: Any, model: Callable[[], Encoder], hits_of: Callable[[Queries], list[list[Hit]]]
) -> list[Hit] | list[list[Hit]]:
    """Search for one (`One`), a list of these, or queries that are encoded: the hits, or a list of hits for each.

    Raises `ImageError` for the first picture that cannot be used, and what `ranked` raises.
    """
    if isinstance(query, Queries):
        return hits_of(query)
    several = isinstance(query, list | tuple)
    if several and not query:
        return []
    hits = hits_of(encoded(model(), query if several else [query]))
    return hits if several else hits[0]


def encoded(model: Encoder, queries: Iterable[One]) -> Queries:
    """Pictures, words, vectors and mixtures as queries.

    Raises `ImageError` for the first picture that cannot be used, and `ModelError` for what the model does not read.
    """
    asked = list(queries)
    if all(is_picture(each) for each in asked):
        return Queries.of_encoded(collect(stream(model, asked)), model.bits)
    if not isinstance(model, Embedder):
        raise ModelError(
            model.name,
            "reads pictures, not words or vectors",
            "make a library with a model that has a text tower, such as CLIP: transhash index DIR --model "
            "openai/clip-vit-base-patch32; or one of vectors (docs/vectors.md)",
        )
    kept = model.embed(np.stack([vector_of(model, each) for each in asked]))
    found = Queries.of(model.head.values(kept).astype(np.float32), kept)
    return replace(found, of_words=any(isinstance(each, Words | Mixture) for each in asked))


def is_picture(query: One) -> TypeGuard[Source]:
    """Whether a query is a picture."""
    return not isinstance(query, Words | Mixture) and not (isinstance(query, np.ndarray) and query.dtype.kind == "f")


def vector_of(model: Embedder, query: One) -> NDArray[np.floating]:
    """The vector of a query, float (F,); raises as `encoded` does."""
    if isinstance(query, Words):
        return np.asarray(model.texts([query.text])[0])
    if isinstance(query, Mixture):
        parts = [(1, each) for each in query.plus] + [(-1, each) for each in query.minus]
        vectors = [(sign, vector_of(model, each).astype(np.float64)) for sign, each in parts]
        return np.asarray(sum(sign * vector / max(float(np.linalg.norm(vector)), 1e-12) for sign, vector in vectors))
    if is_picture(query):
        return np.asarray(model.pictures([open_picture(query).image])[0])
    vector = np.asarray(query)
    if vector.shape != (model.embedding_values,):
        raise VectorsError(
            "",
            f"a query of shape {vector.shape}",
            f"give ({model.embedding_values},) numbers of the model {model.name}, or a list of such vectors",
        )
    return vector


def likeness_of(
    embeddings: NDArray[np.int8], ids: NDArray[np.int64], kept_of: Callable[[list[int]], Mapping[int, bytes]]
) -> NDArray[np.float32]:
    """Cosines of queries [Q, V] with pictures of ids [Q, C], float32; NaN for one without an embedding as long."""
    wanted = np.unique(ids)
    kept = kept_of(wanted[wanted >= 0].tolist())
    likeness = np.full(ids.shape, np.nan, np.float32)
    for row, query in enumerate(embeddings):
        known = [kept.get(id_, b"") for id_ in ids[row].tolist()]
        have = np.array([len(each) == len(query) for each in known], bool)
        rows = b"".join(each for each, has in zip(known, have, strict=True) if has)
        likeness[row, have] = cosines(query, np.frombuffer(rows, np.int8).reshape(-1, len(query)))
    return likeness


def candidates(count: int) -> int:
    """How many of the nearest of `count` codes have their embeddings compared, so that the first hits are those of all.

    The more codes there are, the more of them lie between a query and the pictures that are most like it. Four times
    the root miss about one in a hundred of the hits of a query's kind (docs/models.md, "How many are ordered").
    """
    return min(MOST, max(FEWEST, PER_ROOT * math.isqrt(count)))


def read_whole(k: int) -> int:
    """How many embeddings after a library's own map are compared whole, for the first k by cosine to be among them.

    The map ends in a random turn, so that a quarter of the values shows which of thousands come near a query.
    """
    return max(FEWEST, PER_HIT * k)


def by_likeness(near: Near, likeness: NDArray[np.float32], k: int, compared: int) -> Near:
    """The first `compared` of each row by the cosine of their embeddings with the query's, the others after them.

    Equal cosines stay in order, by distance and id. A picture without an embedding keeps the place that its code gives
    it among these, an equal code the first: cosines order the others around it.
    """
    ids, first = near.ids[:, :compared], likeness[:, :compared]
    count, rest = ids.shape[1], near.ids.shape[1]
    order = _smallest(np.where(ids < 0, np.float32(2), -first), min(k, count))
    for row in np.flatnonzero((np.isnan(first) & (ids >= 0)).any(axis=1)):
        order[row] = _around(ids[row], first[row])[: min(k, count)]
    if k > count:
        order = np.concatenate([order, np.tile(np.arange(count, min(k, rest)), (len(order), 1))], axis=1)
    rows = np.arange(len(order))[:, None]
    return Near(near.distances[rows, order], near.ids[rows, order], likeness[rows, order])


def most_alike(near: Near, likeness: NDArray[np.float32], k: int) -> Near:
    """As `by_likeness`, of candidates in any order that are all compared; quick for a small k."""
    from transhash.search import cosines  # which compiles kernels

    order, whole = cosines.first(likeness, near.distances, near.ids, k)
    rows = np.arange(len(order))[:, None]
    if whole.all():
        return Near(near.distances[rows, order], near.ids[rows, order], likeness[rows, order])
    order = np.lexsort((near.ids, near.distances, near.ids < 0))
    in_order = Near(near.distances[rows, order], near.ids[rows, order])
    return by_likeness(in_order, likeness[rows, order], k, order.shape[1])


def _around(ids: NDArray[np.int64], likeness: NDArray[np.float32]) -> NDArray[np.int64]:
    """The order of one row, int64 [C]: by likeness, around those of which there is none; places without id last."""
    order = np.flatnonzero(ids >= 0)
    moves = ~np.isnan(likeness[order])
    order[moves] = order[moves][np.argsort(-likeness[order][moves], kind="stable")]
    return np.concatenate([order, np.flatnonzero(ids < 0)])


def _smallest(keys: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """The places of the k smallest of each row, int64 [Q, k], in a stable order: much less work than to sort all."""
    bits = (keys + np.float32(0)).view(np.int32)  # the sum makes a zero of a negative zero
    ordered = (bits ^ ((bits >> 31) & 0x7FFFFFFF)).astype(np.int64)  # ascends as the numbers do
    both = (ordered << 32) | np.arange(keys.shape[1])
    if k < both.shape[1]:
        both = np.partition(both, k - 1, axis=1)[:, :k]
    return np.sort(both, axis=1) & 0xFFFFFFFF


Row: TypeAlias = "tuple[Picture | Written, int, float | None]"
"""A picture that was found, its distance, and the probability that it is relevant."""


class Ranked(NamedTuple):
    """What was found for each query."""

    rows: list[list[Row]]  # nearest first
    is_full: list[bool]  # as many as were asked for are within the limits: there may be more

    @property
    def hits(self) -> list[list[Hit]]:
        """The same as hits, where pictures are not written."""
        return [hits_of(rows) for rows in self.rows]


def hits_of(rows: Iterable[Row]) -> list[Hit]:
    """Hits of pictures that are not written."""
    return [Hit(each, distance, likely) for each, distance, likely in rows if isinstance(each, Picture)]


def ranked(backend: Backend, queries: Queries, options: Options) -> Ranked:
    """The hits of each query, nearest first.

    Raises `FilterError`, and `UncalibratedError` for a probability that the model was not calibrated to tell.
    """
    near = backend.nearest(queries, options).after(options.offset)
    likely = _probabilities(near, backend.model)
    ids = _permitted(near, likely, options, backend)
    pictures = backend.rows(np.unique(ids[ids >= 0]).tolist())
    rows = [
        [
            (picture, distance, probability)
            for distance, id_, probability in zip(*row, strict=True)
            if (picture := pictures.get(id_)) is not None
        ]
        for row in zip(near.distances.tolist(), ids.tolist(), _or_none(likely), strict=True)
    ]
    return Ranked(rows, [len(row) == options.k and bool(row[-1] >= 0) for row in ids])


def _permitted(near: Near, likely: NDArray[np.float64], options: Options, backend: Backend) -> NDArray[np.int64]:
    """The ids that options allow, -1 for others; raises `UncalibratedError` for a probability that nothing tells."""
    fits = near.distances <= (backend.bits if options.max_distance is None else options.max_distance)
    if options.min_probability is not None:
        if not _calibrated(near, backend.model):
            raise UncalibratedError(backend.address, *_uncalibrated(near, backend.model))
        with np.errstate(invalid="ignore"):
            fits &= likely >= options.min_probability
    return np.where(fits, near.ids, -1)


def _calibrated(near: Near, model: Encoder) -> bool:
    """Whether a model tells probabilities of what was found: from cosines where embeddings order, else distances."""
    return _curve(near, model) is not None


def _curve(near: Near, model: Encoder) -> Calibration | Likeness | None:
    """What turns distances, cosines, or cosines after a library's own map into probabilities; None for words."""
    if near.of_words:
        return None
    if near.curve and near.likeness is not None:
        return near.curve
    if not is_hash_model(model):
        return None
    if near.likeness is None:
        return model.calibration
    return model.nearness if near.fitted else model.likeness


def _uncalibrated(near: Near, model: Encoder) -> tuple[str, str]:
    """Why nothing tells the probability of what was found, and what to do."""
    remedy = "give a distance instead (--max-distance)"
    if near.of_words:
        return "words, and several pictures together, have no probability", remedy
    if not is_hash_model(model):
        if near.likeness is None:
            return f"its model {model.name} has no calibration, and cannot have one", remedy
        return f"its model {model.name} has no calibration", f"calibrate by a column (transhash calibrate), or {remedy}"
    if near.likeness is None and model.likeness:
        reason = f"its model {model.name} gives probabilities of embeddings, which a code alone does not have"
        return reason, f"search with the picture, or {remedy}"
    kind = f"distances of {model.bits} bits" if near.likeness is None else "embeddings, which order its pictures"
    remedy += ", or calibrate the model (`transhash evaluate MODEL --calibrate`)"
    if near.likeness is not None:
        remedy += " or the library (`transhash calibrate COLUMN`)"
    return f"its model {model.name} has no calibration for {kind}, so it cannot give probabilities", remedy


def _probabilities(near: Near, model: Encoder) -> NDArray[np.float64]:
    """The probability of relevance of each of the nearest, float64 [Q, k]; NaN where nothing tells it."""
    curve = _curve(near, model)
    if isinstance(curve, Calibration):
        return curve.probability(np.maximum(near.distances, 0))
    if curve is not None and near.likeness is not None:
        return curve.probability(near.likeness)
    return np.full(near.ids.shape, np.nan)


def _or_none(likely: NDArray[np.float64]) -> list[list[float | None]]:
    """Probabilities as hits have them: None for NaN."""
    found: list[list[float | None]] = np.where(np.isnan(likely), None, likely).tolist()  # type: ignore[call-overload]
    return found


def nearest(
    index: HammingIndex, queries: Queries, k: int, allowed: NDArray[np.int64] | None, *, sort: bool = True
) -> Near:
    """The k nearest in an index, of those with `allowed` ids if given; in any order unless they are to be sorted.

    Far down a ranking ids order equal distances: to order all by the relaxed codes would cost more than it tells.
    """
    codes, values = queries.codes, queries.values
    k = min(k, max(1, len(index)))
    if values is None or k <= RERANKED:
        return Near(*index.search(codes, k, ids=allowed, values=values, sort=sort))
    first = index.search(codes, RERANKED, ids=allowed, values=values)
    distances, ids = index.search(codes, k, ids=allowed)
    for row in range(len(codes)):
        after = ~np.isin(ids[row], first[1][row]) | (ids[row] < 0)
        distances[row] = np.concatenate([first[0][row], distances[row][after][: k - RERANKED]])
        ids[row] = np.concatenate([first[1][row], ids[row][after][: k - RERANKED]])
    return Near(distances, ids)
