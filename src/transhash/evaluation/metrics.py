"""From codes and labels to Scores.

For each query the database is counted into a table of distance × relevance (B+1 by 2 numbers). All figures follow from
these tables, except the conventional mAP, which depends on the order of the database.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transhash.codes import check_values, to_words, whole
from transhash.errors import DataError
from transhash.evaluation.scores import Scores
from transhash.threads import spread

PRECISION_AT = (1, 5, 10, 50, 100, 500, 1000, 5000)
_BLOCK = 32  # queries a thread takes at a time: few enough to share out, enough to hide the cost of a call


def evaluate(
    query_codes: NDArray[np.uint8],
    query_labels: ArrayLike,
    db_codes: NDArray[np.uint8],
    db_labels: ArrayLike,
    topk: int | None = None,
    *,
    precision_at: Sequence[int] | None = None,
    query_values: ArrayLike | None = None,
) -> Scores:
    """Score the ranking of a database by Hamming distance to each query.

    Codes are packed, uint8 [Q, B/8] and [N, B/8]. Labels are integer classes [Q] and [N], relevant if equal, or 0/1
    columns [Q, C] and [N, C] for several labels an item, relevant if one is shared. mAP is cut at the first `topk`
    items (default, and when there are fewer: the whole database). `precision_at` lists the N of precision@N (default:
    1, 5, 10, 50, 100, 500, 1,000 and 5,000, as far as the database reaches). With the queries' relaxed codes,
    `query_values` float [Q, B], it also tells what asymmetric re-ranking gains, `Scores.map_reranked`. Memory grows
    with Q + N, not with Q·N.

    Raises DataError for arrays that are not of this form or do not fit one another.
    """
    query_codes, db_codes = _codes(query_codes, "query"), _codes(db_codes, "database")
    if query_codes.shape[1] != db_codes.shape[1]:
        raise DataError(
            "",
            f"query codes have {query_codes.shape[1] * 8} bits and database codes {db_codes.shape[1] * 8}",
            "encode both with the same model",
        )
    query_classes = _labels(query_labels, len(query_codes), "query")
    db_classes = _labels(db_labels, len(db_codes), "database")
    if query_classes.shape[1:] != db_classes.shape[1:]:
        raise DataError(
            "",
            f"query labels are {_form(query_classes)} and database labels {_form(db_classes)}",
            "give both as classes, or both as 0/1 columns of the same classes",
        )
    _refuse_mixed_signs(query_labels, db_labels)
    N, bits = len(db_codes), db_codes.shape[1] * 8
    topk = N if topk is None else min(_count(topk, "topk is {}", "give a whole number, 1 or more, or leave it out"), N)
    places = [place for place in PRECISION_AT if place <= N] if precision_at is None else _places(precision_at, N)
    values = None if query_values is None else check_values(query_values, query_codes)

    from transhash.evaluation import asymmetric, kernels  # imports numba

    overlap = query_classes.ndim == 2
    queries, query_words = to_words(query_codes), _label_words(query_classes)
    database, db_words = _columns(to_words(db_codes)), _columns(_label_words(db_classes))

    def score(start: int) -> tuple[NDArray[np.float64], ...]:
        """The sums of every figure over one block of queries."""
        block = queries[start : start + _BLOCK]
        counts = np.empty((len(block), bits + 1, 2), np.int64)
        conventional = np.empty(len(block))
        labels = query_words[start : start + _BLOCK]
        kernels.count_and_rank(block, labels, database, db_words, overlap, topk, counts, conventional)
        expected = kernels.expected_average_precision(counts, topk)
        within = counts.cumsum(axis=1)  # [q, B+1, 2]: inside each radius
        items, hits = within.sum(axis=2), within[:, :, 1]
        relevant = hits[:, -1:]
        found = conventional >= 0
        return (
            np.array([expected.sum(), conventional[found].sum(), found.sum(), np.count_nonzero(relevant)]),
            np.array([_hits_among(place, items, hits).sum() / place for place in places]),
            (hits / np.maximum(items, 1)).sum(axis=0),
            (hits / np.maximum(relevant, 1)).sum(axis=0),
        )

    blocks = spread(score, range(0, len(queries), _BLOCK))
    (expected, conventional, found, answerable), at, precision, recall = (
        sum(parts) for parts in zip(*blocks, strict=True)
    )
    Q = len(queries)
    return Scores(
        map=float(expected / Q),
        map_conventional=float(conventional / Q),
        map_skipping=float(conventional / max(found, 1)),
        precision_at={place: float(hits / Q) for place, hits in zip(places, at, strict=True)},
        precision_by_radius=precision / Q,
        recall_by_radius=recall / max(answerable, 1),
        bits=bits,
        queries=Q,
        queries_without_relevant=Q - int(answerable),
        database=N,
        topk=topk,
        map_reranked=None
        if values is None
        else asymmetric.expected_map(query_codes, values, query_classes, db_codes, db_classes, topk=topk),
    )


def _hits_among(place: int, items: NDArray[np.int64], hits: NDArray[np.int64]) -> NDArray[np.float64]:
    """Expected hits [Q] among the first `place` items, from items and hits within each radius [Q, B+1]."""
    rows = np.arange(len(items))
    cut = (items < place).sum(axis=1)  # the radius at which the place is reached
    before_items = np.where(cut > 0, items[rows, cut - 1], 0)
    before_hits = np.where(cut > 0, hits[rows, cut - 1], 0)
    share = (hits[rows, cut] - before_hits) / (items[rows, cut] - before_items)
    expected: NDArray[np.float64] = before_hits + (place - before_items) * share
    return expected


def _codes(codes: NDArray[np.uint8], whose: str) -> NDArray[np.uint8]:
    codes = np.asarray(codes)
    if codes.dtype != np.uint8 or codes.ndim != 2 or codes.shape[1] == 0:
        raise DataError(
            "",
            f"{whose} codes are {codes.dtype} of shape {codes.shape}",
            "they must be packed, uint8 [N, bits/8], as model.encode and numpy.packbits(h > 0, axis=1) return them",
        )
    if len(codes) == 0:
        raise DataError("", f"there are no {whose} codes", "give at least one")
    return codes


def _count(value: object, reason: str, remedy: str) -> int:
    count = whole(value)
    if count is None or count < 1:
        raise DataError("", reason.format(f"{value!r:.40}"), remedy)
    return count


def _places(wanted: object, N: int) -> list[int]:
    """The places of precision@N."""
    if not isinstance(wanted, Iterable):
        raise DataError("", f"precision_at is {wanted!r:.40}", "give a list of places, such as [1, 10]")
    places = [_count(place, "precision@{} has no place", "give whole numbers, 1 or more") for place in wanted]
    for place in places:
        if place > N:
            raise DataError(
                "",
                f"precision@{place} looks beyond the {N:,} items of the database",
                "give places from 1 to that number",
            )
    return places


def _labels(labels: ArrayLike, count: int, whose: str) -> NDArray[np.int64] | NDArray[np.bool_]:
    """Classes as int64 [N], or 0/1 columns as bool [N, C]."""
    values = np.asarray(labels)
    if values.dtype.kind not in "iub" or values.ndim not in (1, 2):
        raise DataError(
            "",
            f"{whose} labels are {values.dtype} of shape {values.shape}",
            "they must be integer classes [N] or 0/1 columns [N, C]",
        )
    if len(values) != count:
        raise DataError(
            "", f"there are {count:,} {whose} codes and {len(values):,} labels", "give one label for each code"
        )
    if values.ndim == 1:
        return values.astype(np.int64)
    if values.size and (values.min() < 0 or values.max() > 1):
        raise DataError(
            "",
            f"{whose} labels in columns run from {values.min()} to {values.max()}",
            "they must be 0 or 1, or be given as classes [N]",
        )
    return values.astype(np.bool_)


def _refuse_mixed_signs(*labels: ArrayLike) -> None:
    """Beyond 63 bits an unsigned label has the bits of a negative one: all is well unless there are both."""
    both = [np.asarray(each) for each in labels]
    if any(each.min(initial=0) < 0 for each in both) and any(int(each.max(initial=0)) >= 2**63 for each in both):
        raise DataError(
            "",
            f"labels run from {min(int(each.min()) for each in both)} to "
            f"{max(int(each.max()) for each in both)}, more than 64 bits hold",
            "number the classes from 0",
        )


def _form(labels: NDArray[np.int64] | NDArray[np.bool_]) -> str:
    return "classes" if labels.ndim == 1 else f"0/1 columns of {labels.shape[1]} classes"


def _label_words(labels: NDArray[np.int64] | NDArray[np.bool_]) -> NDArray[np.uint64]:
    return labels.view(np.uint64)[:, None] if labels.ndim == 1 else to_words(np.packbits(labels, axis=1))


def _columns(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """One row for each word [W, N]: the kernel reads a word of all items in one sweep."""
    return np.ascontiguousarray(words.T)
