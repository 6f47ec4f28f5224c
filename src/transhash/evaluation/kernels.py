"""The loops over queries × database, compiled (imports numba: `evaluate` imports this file when it is first called).

They release the interpreter's lock and hold one query's distances at a time: threads share nothing, memory is O(N).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from transhash.kernels import kernel

Words = NDArray[np.uint64]


def _popcount(_typing: Any, _word: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


popcount = intrinsic(_popcount)  # the machine's own instruction, vectorised where there is one


@kernel
def count_and_rank(  # noqa: PLR0917 - compiled functions have no keyword-only arguments
    queries: Words,
    query_labels: Words,
    database: Words,
    db_labels: Words,
    overlap: bool,
    topk: int,
    counts: NDArray[np.int64],
    average_precision: NDArray[np.float64],
) -> None:
    """Fill, for each query, `counts` [Q, B+1, 2] (irrelevant, relevant items at each distance) and its AP@topk [Q].

    The AP is the conventional one: order by (distance, id), divided by the hits inside the top k; -1 without a hit.
    Codes come as 64-bit words, `queries` [Q, W] and `database` [W, N], and so do labels, [Q, L] and [L, N]: relevant
    means the same word (L = 1), or with `overlap` a common bit.
    """
    keys = np.empty(database.shape[1], np.uint32)  # of each item: 2 × distance + relevant
    for q in range(queries.shape[0]):
        _mark_relevant(query_labels[q], db_labels, overlap, keys)
        for w in range(database.shape[0]):
            word, column = queries[q, w], database[w]
            for i in range(keys.size):
                keys[i] += popcount(word ^ column[i]) << 1
        table = counts[q].reshape(2 * counts.shape[1])
        table[:] = 0
        for i in range(keys.size):
            table[keys[i]] += 1
        average_precision[q] = _average_precision(keys, counts[q], topk)


@kernel
def _mark_relevant(label: Words, db_labels: Words, overlap: bool, keys: NDArray[np.uint32]) -> None:
    keys[:] = 0
    for w in range(db_labels.shape[0]):
        word, column = label[w], db_labels[w]
        if overlap:
            for i in range(keys.size):
                keys[i] |= (column[i] & word) != 0
        else:
            for i in range(keys.size):
                keys[i] = column[i] == word


@kernel
def _average_precision(keys: NDArray[np.uint32], counts: NDArray[np.int64], topk: int) -> float:
    """One query's AP@topk in the order of (distance, id); no sort: each distance counts on from its first place."""
    place = np.empty(counts.shape[0], np.int64)  # place in the ranking of the last item seen at a distance
    found = np.empty(counts.shape[0], np.int64)  # hits up to that place
    items = hits = 0
    for d in range(counts.shape[0]):
        place[d], found[d] = items, hits
        items += counts[d, 0] + counts[d, 1]
        hits += counts[d, 1]
    total, inside = 0.0, 0
    for i in range(keys.size):
        d = keys[i] >> 1
        place[d] += 1
        if keys[i] & 1:
            found[d] += 1
            if place[d] <= topk:
                total += found[d] / place[d]
                inside += 1
    return total / inside if inside else -1.0


@kernel
def expected_average_precision(counts: NDArray[np.int64], topk: int) -> NDArray[np.float64]:
    """AP@topk of each query [Q], averaged over all orders of equal distances, from `counts` [Q, B+1, 2].

    The numerator sums the precision at every hit. Of m tied places, each holds one of their h hits with probability
    h/m, and the t - 1 tied places before it then hold (t - 1)(h - 1)/(m - 1) hits on average (He et al., CVPR 2018): a
    tie that lies wholly inside the top k adds a constant. The cut goes through one tie at most, and there the number of
    hits inside is random: `_cut` sums over it. An order without a hit inside counts 0.
    """
    expected = np.empty(counts.shape[0], np.float64)
    for q in range(counts.shape[0]):
        before = hits = 0  # items and hits at smaller distances
        total = 0.0
        for d in range(counts.shape[1]):
            r = counts[q, d, 1]
            n = counts[q, d, 0] + r
            m = min(n, topk - before)
            if m <= 0:  # no item here, or none inside the top k
                continue
            if r > 0:
                first, ties = _reciprocals(before, m)
                if m < n:
                    total = _cut(total, hits, first, ties, n, r, m)
                    hits = 1  # the expectation is the quotient already
                    break
                total += _precisions(hits, first, ties, r, m)
            before += n
            hits += r
        expected[q] = total / hits if hits else 0.0
    return expected


@kernel
def _reciprocals(before: int, places: int) -> tuple[float, float]:
    """Sums over t = 1 … places of 1/(before + t) and (t - 1)/(before + t); term by term, for closed forms cancel."""
    first = ties = 0.0
    for t in range(places):
        inverse = 1.0 / (before + 1 + t)
        first += inverse
        ties += t * inverse
    return first, ties


@kernel
def _precisions(hits: int, first: float, ties: float, h: int, m: int) -> float:
    """Expected sum of the precisions at h hits in random order over m places, `hits` hits ahead of them."""
    share = (h - 1) / (m - 1) if m > 1 else 0.0
    return h / m * ((hits + 1) * first + share * ties)


@kernel
def _cut(  # noqa: PLR0917 - as above
    total: float, hits: int, first: float, ties: float, n: int, r: int, m: int
) -> float:
    """Expected AP when the cut leaves m places of a tie of n items with r hits inside; `total` is the numerator so far.

    h of the r hits fall inside with hypergeometric probability, and given h their order inside is uniform, so the AP,
    denominator included, is known for each h. The weights run from the mode up, then from the mode down, until they no
    longer count; at the ends of the support they become exactly 0.
    """
    mode = (m + 1) * (r + 1) // (n + 2)
    value = mass = 0.0
    h, weight = mode, 1.0
    while weight > 1e-20:
        if hits + h > 0:
            value += weight * (total + _precisions(hits, first, ties, h, m)) / (hits + h)
        mass += weight
        weight *= (r - h) * (m - h) / ((h + 1) * (n - r - m + h + 1))
        h += 1
    h, weight = mode - 1, mode * (n - r - m + mode) / ((r - mode + 1) * (m - mode + 1))
    while weight > 1e-20:
        if hits + h > 0:
            value += weight * (total + _precisions(hits, first, ties, h, m)) / (hits + h)
        mass += weight
        weight *= h * (n - r - m + h) / ((r - h + 1) * (m - h + 1))
        h -= 1
    return value / mass
