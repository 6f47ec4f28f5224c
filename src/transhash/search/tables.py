"""Building tables: equal codes joined, then sorted by each substring or by the shells of clusters (counting sort)."""

# ruff: noqa: PLR0917 -- compiled functions take their arguments by position

from __future__ import annotations

import numpy as np

from transhash.kernels import inlined, kernel
from transhash.search import clusters
from transhash.search.bitops import LONG
from transhash.search.store import SHARED, U32, WIDEST, Ranks, Store, flat, frozen
from transhash.search.words import PADDING, Words
from transhash.threads import cuts, spread, workers

CODES_IN_A_BUCKET = 6  # log2 of the mean that is aimed at: below, visiting buckets costs more than what is in them
MOST = 16  # tables: each holds all codes again


def substrings(bits: int, count: int, most: int | None = None) -> Ranks:
    """Where to cut codes of `bits` bits for `count` of them: bit positions [tables + 1].

    Long codes are not covered to their end, unless `most` tables are asked for: the rest takes no part in choosing
    candidates, only in their distances. A table has no more buckets than there are codes.
    """
    logarithm = np.log2(max(2, count))
    width = min(float(WIDEST), max(4.0, logarithm - CODES_IN_A_BUCKET))
    tables = min(most or MOST, max(-(-bits // WIDEST), round(bits / width)))
    widest = WIDEST if most else min(WIDEST, max(4, int(np.ceil(logarithm))))
    covered = min(bits, tables * widest)
    return np.array([covered * t // tables for t in range(tables + 1)], np.int64)


def build(words: Words, bits: int) -> Store:
    """The store of codes uint64 [n + PADDING, words] in the order of ranks: with clusters or tables.

    Long codes have no tables: those would take many times the memory of the codes.
    """
    whole, count = words, len(words) - PADDING
    leaders = first_equals(words, count)
    firsts = np.flatnonzero(leaders == np.arange(count, dtype=np.uint32)).astype(np.uint32)  # the rank of each code
    unique = len(firsts)
    if unique < count:
        words = np.concatenate((words[firsts], words[count:]))
    cut = substrings(bits, unique)
    sizes = np.bincount(leaders, minlength=count)[firsts].astype(np.uint32)
    near = clusters.found(words, sizes, bits, cut)
    if near is None and words.shape[1] > LONG:
        return flat(whole)
    if near is not None:
        cut = np.array([0, bits])
    tables = len(cut) - 1
    stride = unique + PADDING
    codes = np.empty((tables * stride, words.shape[1]), np.uint64)  # for `empty` NumPy asks for large pages
    order = np.empty(tables * stride, np.uint32)
    ends = np.cumsum((1 << np.diff(cut)) + 1)
    offsets = np.zeros(int(ends[-1]), np.uint32) if near is None else near.offsets(bits)

    def fill(t: int) -> None:
        part = slice(t * stride, (t + 1) * stride)
        if near is None:
            own = offsets[ends[t - 1] if t else 0 : ends[t]]
            _sort(words, unique, cut[t], cut[t + 1], own, codes[part], order[part])
        else:
            _deal(words, near.shells, offsets[:-1].copy(), codes, order)
        codes[part][unique:] = 0
        order[part][unique:] = 0

    spread(fill, range(tables))
    rows = np.empty(unique, np.uint32)
    rows[order[:unique]] = np.arange(unique, dtype=np.uint32)
    starts = members = np.empty(0, np.uint32)
    if unique < count:
        places, labels, starts, members = _group(leaders, firsts, order[:unique])
        rows = rows[places]
        order = labels[order]
    store = Store(codes, order, offsets, cut, rows, starts, members)
    return frozen(store if near is None else store._replace(centres=near.centres, reach=near.reach))


def first_equals(words: Words, count: int) -> U32:
    """For each rank the first rank with the same code: hashed in parts that stay in the cache."""
    parts = 1 << max(0, int(count).bit_length() - 12)
    hashes, ranks, ends = _partition(words, count, parts)
    leaders = np.empty(count, np.uint32)

    def lead(piece: tuple[int, int]) -> None:
        _lead(words, hashes, ranks, ends, piece[0], piece[1], leaders)

    spread(lead, cuts(parts, 4 * workers()))
    return leaders


@inlined
def substring(words, row, begin, end):  # type: ignore[no-untyped-def]
    """Bits `begin` to `end` (fewer than 64) of a row of words, as int64."""
    word = begin >> 6
    shift = begin & 63
    value = words[row, word] >> np.uint64(shift)
    if shift + end - begin > 64:
        value |= words[row, word + 1] << np.uint64(64 - shift)
    return np.int64(value & ((np.uint64(1) << np.uint64(end - begin)) - np.uint64(1)))


@inlined
def _hash(words, row):  # type: ignore[no-untyped-def]
    value = np.uint64(0)
    for i in range(words.shape[1]):
        value = (value ^ words[row, i]) * np.uint64(0x9E3779B97F4A7C15)
        value ^= value >> np.uint64(32)
        value *= np.uint64(0xD6E8FEB86659FD93)
        value ^= value >> np.uint64(32)
    return value


@kernel
def _partition(words, count, parts):  # type: ignore[no-untyped-def]
    ends = np.zeros(parts + 1, np.int64)
    low = np.uint64(parts - 1)
    for rank in range(count):
        ends[np.int64(_hash(words, rank) & low) + 1] += 1
    for i in range(parts):
        ends[i + 1] += ends[i]
    place = ends[:-1].copy()
    hashes = np.empty(count, np.uint64)
    ranks = np.empty(count, np.uint32)
    for rank in range(count):
        value = _hash(words, rank)
        part = np.int64(value & low)
        hashes[place[part]] = value
        ranks[place[part]] = rank
        place[part] += 1
    return hashes, ranks, ends


@kernel
def _lead(words, hashes, ranks, ends, first, last, leaders):  # type: ignore[no-untyped-def]
    for part in range(first, last):
        begin = ends[part]
        size = 16
        while size < 2 * (ends[part + 1] - begin):
            size *= 2
        slots = np.full(size, -1, np.int64)
        for i in range(begin, ends[part + 1]):
            slot = np.int64(hashes[i] >> np.uint64(32)) & (size - 1)
            while True:
                other = slots[slot]
                if other < 0:
                    slots[slot] = i
                    leaders[ranks[i]] = ranks[i]
                    break
                if hashes[other] == hashes[i]:
                    same = True
                    for word in range(words.shape[1]):
                        same &= words[ranks[other], word] == words[ranks[i], word]
                    if same:
                        leaders[ranks[i]] = ranks[other]
                        break
                slot = (slot + 1) & (size - 1)


@kernel
def _group(leaders, firsts, order):  # type: ignore[no-untyped-def]
    """For each entry the number of its code, for each code its label, and the groups' `starts` and `members`.

    Groups are numbered as their codes lie in the first table, whose `order` is given: a scan reads them in sequence.
    """
    count = len(leaders)
    sizes = np.zeros(len(firsts), np.uint32)
    places = np.empty(count, np.uint32)
    for code in range(len(firsts)):
        places[firsts[code]] = code
    for rank in range(count):  # whose leader is the rank itself or before it
        places[rank] = places[leaders[rank]]
        sizes[places[rank]] += np.uint32(1)
    labels = firsts.copy()
    groups = 0
    shared = 0
    for code in order:
        if sizes[code] > 1:
            labels[code] = SHARED + groups
            groups += 1
            shared += sizes[code]
    starts = np.zeros(groups + 1, np.uint32)
    for code in order:
        if sizes[code] > 1:
            group = np.int64(labels[code]) - SHARED
            starts[group + 1] = starts[group] + sizes[code]
    members = np.empty(shared, np.uint32)
    place = starts[:-1].copy()
    for rank in range(count):
        label = np.int64(labels[places[rank]])
        if label >= SHARED:
            members[place[label - SHARED]] = rank
            place[label - SHARED] += np.uint32(1)
    return places, labels, starts, members


@kernel
def _sort(words, count, begin, end, offsets, codes, labels):  # type: ignore[no-untyped-def]
    for row in range(count):
        offsets[substring(words, row, begin, end) + 1] += np.uint32(1)
    for bucket in range(len(offsets) - 1):
        offsets[bucket + 1] += offsets[bucket]
    place = offsets[:-1].copy()
    for row in range(count):
        bucket = substring(words, row, begin, end)
        _deal_one(words, row, place, bucket, codes, labels)


@kernel
def _deal(words, buckets, place, codes, labels):  # type: ignore[no-untyped-def]
    """Each row to where its bucket's next one belongs, which `place` says."""
    for row in range(len(buckets)):
        _deal_one(words, row, place, buckets[row], codes, labels)


@inlined
def _deal_one(words, row, place, bucket, codes, labels):  # type: ignore[no-untyped-def]
    target = np.int64(place[bucket])
    place[bucket] += np.uint32(1)
    for word in range(words.shape[1]):
        codes[target, word] = words[row, word]
    labels[target] = row
