"""Clusters: codes in shells around a few thousand centres, nearly all of which a search need not look at.

A code x of the cluster around a centre c differs from a query q in at least |d(q, c) - d(x, c)| bits (the triangle
inequality). So once k results within a bound are known, only those shells are read whose distance to their centre is
within the bound of the query's. Codes that a network learned from classes lie so close to their centres that a few in
a hundred are left; of random codes all are, and those get tables.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from transhash.kernels import inlined, kernel
from transhash.search import scan
from transhash.search.bitops import load, lowest, near32
from transhash.search.rings import CENTRE, CLUSTER, ROW, SCANNED, VISIT
from transhash.search.scan import distance_to
from transhash.search.store import ALL, U32, Ranks, flat
from transhash.search.words import PADDING, Words
from transhash.threads import cuts, spread, workers

I32 = npt.NDArray[np.int32]

WORTH = 1 << 16  # codes; fewer have tables
MOST = 8192  # centres, a quarter of them drawn at random
SAMPLE = 64  # codes for each of the first centres: from half of them they are learned
STEPS = 7  # of k-means at most: centres are added while that makes a query cheaper
CELL = 16  # codes of the sample that one of the last centres has on average
TRIED, RESULTS = 64, 100  # queries, and nearest that they seek, by which it is decided


class Clusters(NamedTuple):
    """Centres of some codes, and the shell of each."""

    centres: Words  # [K + PADDING, words], those that reach farthest first
    reach: U32  # [K]: the greatest distance of a code to its centre
    shells: U32  # [n]: (bits + 1) * number of the centre + distance to it

    def offsets(self, bits: int) -> U32:
        """The first row of each shell, when rows are in the order of shells: [K * (bits + 1) + 1]."""
        sizes = np.bincount(self.shells, minlength=len(self.reach) * (bits + 1))
        return np.concatenate((np.zeros(1, np.uint32), np.cumsum(sizes, dtype=np.uint32)))


def found(words: Words, sizes: U32, bits: int, substrings: Ranks) -> Clusters | None:
    """Clusters of different codes uint64 [n + PADDING, words]; None where tables of `substrings` cost less.

    `sizes` [n] says how many entries have each code.
    """
    count = len(words) - PADDING
    if count < WORTH:
        return None
    rng = np.random.default_rng(count)
    K = min(MOST // 4, 1 << (count.bit_length() // 2))
    drawn = words[rng.choice(count, min(count, SAMPLE * K), replace=False)]
    sample, others = np.array_split(drawn, 2)
    tried = queries, bounds = _tried(words, sizes, bits, rng)
    limit = cost_of_tables(sample, count, queries, bounds, substrings)
    if _cost(count, words.shape[1], K, _least_share(*tried, drawn, bits)) > limit:
        return None
    moving, best = sample[:K], np.inf
    for _ in range(STEPS):
        moving = _moved(sample, _assigned(sample, moving)[1], len(moving))
        share, clusters = _share(*tried, moving, *_assigned(others, moving), bits)
        cost = _cost(count, words.shape[1], len(moving), share, clusters)
        if cost >= best:
            break
        centres, best = moving, cost
        more = strays(sample, _assigned(sample, moving)[0], min(K // 2, MOST - len(moving)), rng)
        moving = np.concatenate((moving, more))
    if best > limit:
        return None
    distances, own = _assigned(words[:count], centres)
    reach = np.zeros(len(centres), np.uint32)
    np.maximum.at(reach, own, distances.astype(np.uint32))
    order = np.argsort(-reach.astype(np.int64), kind="stable")  # `shells` looks at 32 centres of like reach at once
    shells = (order.argsort() * (bits + 1)).astype(np.uint32)[own] + distances.astype(np.uint32)
    return Clusters(padded(centres[order]), reach[order], shells)


def _cost(count: int, width: int, centres: int, share: float, clusters: float = 0) -> float:
    """What a query costs that looks at so many centres and at a share of the codes, in so many clusters."""
    return width * (CENTRE * centres + ROW * share * count) + CLUSTER * clusters


def _least_share(queries: Words, bounds: Ranks, drawn: Words, bits: int) -> float:
    """A share of all codes that a query has to look at, however the centres are learned.

    Reckoned from cells that are as small as those of so many centres can be: a code and the nearest to it, around a
    centre that fits them and no others.
    """
    some, size = drawn[:TRIED], min(CELL, len(drawn))
    keys = scan.nearest(flat(padded(drawn)), ALL, some, size, bits, np.full(len(some), bits))
    cells = drawn[keys & 0xFFFFFFFF]  # [TRIED, CELL, words]
    own = np.repeat(np.arange(len(some), dtype=np.int32), size)
    centres = _moved(cells.reshape(-1, drawn.shape[1]), own, len(some))
    reach = np.bitwise_count(cells ^ centres[:, None]).sum(axis=2, dtype=np.int64)
    apart = np.bitwise_count(queries[:, None] ^ centres).sum(axis=2, dtype=np.int64)
    return float((np.abs(apart[:, :, None] - reach) <= bounds[:, None, None]).mean())


def padded(centres: Words) -> Words:
    """With rows behind them that kernels may read."""
    return np.concatenate((centres, np.zeros((PADDING, centres.shape[1]), np.uint64)))


def _tried(words: Words, sizes: U32, bits: int, rng: np.random.Generator) -> tuple[Words, Ranks]:
    """The codes of some entries, and how far their nearest other entries reach."""
    queries = words[np.searchsorted(sizes.cumsum(), rng.integers(0, sizes.sum(), TRIED), side="right")]
    keys = scan.nearest(flat(words), ALL, queries, min(RESULTS, len(sizes)), bits, np.full(TRIED, bits))
    enough = sizes[keys & 0xFFFFFFFF].cumsum(axis=1) >= RESULTS
    enough[:, -1] = True
    return queries, keys[np.arange(TRIED), enough.argmax(axis=1)] >> 32


def _assigned(words: Words, centres: Words) -> tuple[I32, I32]:
    """The distance of each code to the nearest centre, and the number of that."""
    distances, own = np.empty(len(words), np.int32), np.empty(len(words), np.int32)
    width, rows = (0,) * int(words.shape[1]), padded(centres)
    spread(lambda piece: _assign(words, *piece, rows, width, distances, own), cuts(len(words), 4 * workers()))
    return distances, own


def _moved(sample: Words, own: I32, K: int) -> Words:
    """Each centre where most of its codes have their bits."""
    sums = np.zeros((K, 64 * sample.shape[1]), np.int32)
    _add_up(sample, own, sums)
    bits = np.packbits(sums > 0, axis=1, bitorder="little")
    return bits.view("<u8").astype(np.uint64, copy=False)


def strays(sample: Words, distances: I32, most: int, rng: np.random.Generator) -> Words:
    """Some codes that have no centre near, each far from the others."""
    limit = _parting(distances)
    far = sample[rng.permutation(np.flatnonzero(distances > limit))]
    found = np.zeros((most + PADDING, sample.shape[1]), np.uint64)
    return found[: _scatter(far, limit, (0,) * int(sample.shape[1]), found)]


def _parting(distances: I32) -> int:
    """The distance that parts near from far: Otsu's, which leaves least variance in both."""
    counts = np.bincount(distances).astype(float)
    below, sums = counts.cumsum(), (counts * np.arange(len(counts))).cumsum()
    above = below[-1] - below
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return int(np.nanargmax(np.nan_to_num(between, nan=-1.0)))


def _share(  # noqa: PLR0917
    queries: Words, bounds: Ranks, centres: Words, distances: I32, own: I32, bits: int
) -> tuple[float, float]:
    """Of codes at `distances` from their `own` centres the share that a query has to look at; in how many clusters."""
    K = len(centres)
    shells = np.zeros((K, bits + 2), np.int64)
    np.add.at(shells, (own, distances + 1), 1)
    below = shells.cumsum(axis=1)  # [K, d]: codes nearer to the centre than d
    apart = np.bitwise_count(queries[:, None] ^ centres).sum(axis=2, dtype=np.int64)
    low, high = (apart - bounds[:, None]).clip(0), (apart + bounds[:, None]).clip(max=bits)
    rows = below[np.arange(K), high + 1] - below[np.arange(K), low]
    return float(rows.sum(axis=1).mean() / len(own)), float((rows > 0).sum(axis=1).mean())


@inlined
def closest(centres, K, query):  # type: ignore[no-untyped-def]
    """The nearest of the first K centres, and how far it lies from the query."""
    own = np.int64(0)
    best = distance_to(centres, 0, query)
    for c in range(0, K, 32):
        near = near32(centres, c, query, best - 1)
        if K - c < 32:
            near &= (np.int64(1) << (K - c)) - 1
        while near:
            candidate = c + lowest(near)
            near &= near - 1
            distance = distance_to(centres, candidate, query)
            if distance < best:
                best = distance
                own = candidate
    return own, best


@kernel
def _assign(words, first, last, centres, width, distances, own):  # type: ignore[no-untyped-def] # noqa: PLR0917
    for row in range(first, last):
        own[row], distances[row] = closest(centres, len(centres) - PADDING, load(words, row, width))


@kernel
def _scatter(far, limit, width, found):  # type: ignore[no-untyped-def]
    """Write codes of which no two are within `limit`, until there is no room, in order; how many there are."""
    count = 0
    for row in range(len(far)):
        if count == len(found) - PADDING:
            break
        code = load(far, row, width)
        near = np.int64(0)
        for c in range(0, count, 32):
            near = near32(found, c, code, limit)
            if count - c < 32:
                near &= (np.int64(1) << (count - c)) - 1
            if near:
                break
        if near == 0:
            found[count] = far[row]
            count += 1
    return count


@kernel
def _add_up(words, own, sums):  # type: ignore[no-untyped-def]
    """For each centre and bit, how many more codes have a one there than a zero."""
    for row in range(len(own)):
        mine = sums[own[row]]
        for word in range(words.shape[1]):
            value = words[row, word]
            for bit in range(64):
                mine[64 * word + bit] += 2 * np.int32((value >> np.uint64(bit)) & np.uint64(1)) - 1


def cost_of_tables(sample: Words, count: int, queries: Words, bounds: Ranks, substrings: Ranks) -> float:
    """What `mih`, or a scan where that is cheaper, would cost each of the `queries`, reckoned from a sample."""
    words = sample.shape[1]
    most = count * words * SCANNED
    total = 0.0
    for query, bound in zip(queries, bounds.tolist(), strict=True):
        costs = []
        for begin, end in itertools.pairwise(substrings.tolist()):
            width = end - begin
            other = _parts(sample, begin, end) ^ _parts(query[None], begin, end)
            codes = np.bincount(np.bitwise_count(other), minlength=width + 1) * (count / len(sample))
            costs.append([math.comb(width, a) * VISIT + codes[a] * words for a in range(width + 1)])
        depth, spent = [0] * len(costs), 0.0
        for _ in range(bound + 1):
            table = min(range(len(costs)), key=lambda t: costs[t][depth[t]])
            spent += costs[table][depth[table]]
            depth[table] += 1
            if depth[table] == len(costs[table]) or spent > most:
                break
        total += min(spent, most)
    return total / len(queries)


def _parts(words: Words, begin: int, end: int) -> Words:
    word, shift = divmod(begin, 64)
    value = words[:, word] >> np.uint64(shift)
    if shift + end - begin > 64:
        value = value | words[:, word + 1] << np.uint64(64 - shift)
    return value & np.uint64((1 << (end - begin)) - 1)
