"""Building the compact layout, and reading codes from it: what the searches over it have in common."""

# ruff: noqa: PLR0917 -- compiled functions take their arguments by position

from __future__ import annotations

import numpy as np

from transhash.kernels import inlined, kernel
from transhash.search import tables
from transhash.search.bitops import bits_at, borrow, ones
from transhash.search.packed import (
    BLOCK,
    ENTRIES,
    FLAG,
    RANK_BITS,
    SAMPLED,
    TABLES,
    UNIQUE,
    Packed,
    completed,
    layout,
    marked,
    rank_bits,
    words_for,
)
from transhash.search.store import U32, Ranks, bitmap
from transhash.search.words import PADDING, Arrays, Words
from transhash.threads import cuts, spread, workers

PASSED_OVER = 8  # of so many entries one is wanted: then all codes are put in order
SIEVE = 1 << 17  # bits in the first-level cache, by which most entries are seen not to be wanted


def build(words: Words, count: int, bits: int) -> Packed:
    """The layout of `count` codes uint64 [>= count, 1] in the order of ranks."""
    codes = np.array(words[:count, 0])
    ranks = np.arange(count, dtype=np.uint32)
    sort_pairs(codes, ranks, bits)
    first = np.ones(count, np.bool_)
    np.not_equal(codes[1:], codes[:-1], out=first[1:])
    codes = codes[first]
    unique = len(codes)
    flag = int(unique < count)
    shared = codes[np.diff(np.append(np.flatnonzero(first), count)) > 1] if flag else codes[:0]
    cut = tables.substrings(bits, unique, TABLES)
    begins, length = layout(cut, unique, flag)
    fields, ends = np.zeros(length, np.uint64), np.cumsum((1 << np.diff(cut)) + 1)
    offsets = np.zeros(int(ends[-1]), np.uint32)

    def fill(t: int) -> None:
        keys = turned(codes, int(cut[t + 1]), bits)
        own = turned(shared, int(cut[t + 1]), bits)
        if t < len(cut) - 2:
            keys.sort()
            own.sort()
        mine = offsets[ends[t - 1] if t else 0 : ends[t]]
        write_fields(keys, own, bits - int(cut[t + 1] - cut[t]), flag, fields, int(begins[t]), 0, mine)
        np.cumsum(mine, out=mine)

    spread(fill, range(len(cut) - 1))
    packed_ranks = np.zeros(words_for(count * rank_bits(count)), np.uint64)
    write_ranks(ranks, rank_bits(count), packed_ranks, 0)
    marks = marked(first) if flag else np.empty(0, np.uint64)
    kept: Arrays = {"fields": fields, "offsets": offsets, "cuts": cut, "ranks": packed_ranks, "marks": marks}
    return completed(kept, count, unique)


def turned(codes: Words, end: int, bits: int) -> Words:
    """Codes [n] turned so that what ends before bit `end` comes first: as `rotated`, a copy."""
    if end == bits:
        return codes.copy()
    return ((codes << np.uint64(bits - end)) | (codes >> np.uint64(end))) & (~np.uint64(0) >> np.uint64(64 - bits))


def decoded(packed: Packed, first: int, last: int) -> tuple[Words, U32]:
    """Codes [n + PADDING, 1] and ranks [n + PADDING] of entries `first` to `last` in the order of codes."""
    words, ranks = np.zeros((last - first + PADDING, 1), np.uint64), np.zeros(last - first + PADDING, np.uint32)

    def fill(piece: tuple[int, int]) -> None:
        begin, end = piece
        decode(packed, first + begin, first + end, words[begin:end, 0], ranks[begin:end])

    spread(fill, cuts(last - first, workers(), 1 << 14))
    return words, ranks


def codes_of(packed: Packed, ranks: Ranks) -> Words:
    """The codes of entries, [len(ranks), 1], by one look at the ranks of all: there is no way from a rank to a code."""
    count = packed.entries
    if len(ranks) * PASSED_OVER > count:
        every = np.empty(count, np.uint64)
        spread(lambda piece: scatter(packed, *piece, every), cuts(count, workers(), 1 << 14))
        return every[ranks][:, None]
    wanted = np.zeros(-(-count // 64), np.uint64)
    np.bitwise_or.at(wanted, ranks >> 6, np.uint64(1) << (ranks & 63).astype(np.uint64))
    order = np.unique(ranks)
    found = np.empty(len(order), np.uint64)
    sieve = bitmap(SIEVE, ranks & (SIEVE - 1))
    spread(lambda piece: pick(packed, *piece, sieve, wanted, order, found), cuts(count, workers(), 1 << 14))
    return found[np.searchsorted(order, ranks)][:, None]


@inlined
def low_bits(count):  # type: ignore[no-untyped-def]
    """A number of which the lowest `count` bits (1 to 64) are set."""
    return ~np.uint64(0) >> np.uint64(64 - count)


@inlined
def rotated(code, end, bits):  # type: ignore[no-untyped-def]
    """A code of `bits` bits turned so that what ends before bit `end` comes first; `bits - end` turns it back."""
    if end in (bits, 0):
        return code
    return ((code << np.uint64(bits - end)) | (code >> np.uint64(end))) & low_bits(bits)


@inlined
def rank_of(packed, entry):  # type: ignore[no-untyped-def]
    """The rank of an entry, by its place in the order of codes."""
    width = packed.sizes[RANK_BITS]
    return np.int64(bits_at(packed.ranks, entry * width) & low_bits(width))


@kernel
def number_of(packed, code):  # type: ignore[no-untyped-def]
    """The number of a code in the main table, which must have it."""
    fields, offsets = borrow(packed.fields), borrow(packed.offsets)
    bits = packed.cuts[-1]
    rest = packed.cuts[-2]
    stride = rest + packed.sizes[FLAG]
    base = len(offsets) - (np.int64(1) << (bits - rest)) - 1
    bucket = base + np.int64(code >> np.uint64(rest))
    wanted = code & low_bits(rest)
    low = np.int64(offsets[bucket])
    high = np.int64(offsets[bucket + 1]) - 1
    while low < high:
        middle = (low + high) >> 1
        bit = packed.begins[-1] + middle * stride
        if (bits_at(fields, bit) >> np.uint64(packed.sizes[FLAG])) & low_bits(rest) < wanted:
            low = middle + 1
        else:
            high = middle
    return min(low, packed.sizes[UNIQUE] - 1)


@kernel
def first_entry(packed, number):  # type: ignore[no-untyped-def]
    """Where the entries with code `number` begin in the order of codes; for the number of codes: how many entries."""
    if number >= packed.sizes[UNIQUE]:
        return packed.sizes[ENTRIES]
    if len(packed.marks) == 0:
        return np.int64(number)
    marks, before = borrow(packed.marks), borrow(packed.before)
    low = np.int64(packed.samples[number // SAMPLED])
    high = np.int64(packed.samples[number // SAMPLED + 1])
    while low < high:  # the last block with no more codes before it
        middle = (low + high + 1) >> 1
        if before[middle] <= number:
            low = middle
        else:
            high = middle - 1
    left = number - np.int64(before[low])
    word = low * (BLOCK // 64)
    while ones(marks[word]) <= left:
        left -= ones(marks[word])
        word += 1
    value = marks[word]
    for _ in range(left):
        value &= value - np.uint64(1)
    return word * 64 + ones((value & (~value + np.uint64(1))) - np.uint64(1))


@kernel
def decode(packed, first, last, codes, ranks):  # type: ignore[no-untyped-def]
    """Write code and rank of entries `first` to `last` in the order of codes."""
    fields, offsets, marks = borrow(packed.fields), borrow(packed.offsets), borrow(packed.marks)
    bits = packed.cuts[-1]
    rest = packed.cuts[-2]
    stride = rest + packed.sizes[FLAG]
    base = len(offsets) - (np.int64(1) << (bits - rest)) - 1
    number = first
    if len(marks):
        block = first // BLOCK
        number = np.int64(packed.before[block]) - 1
        for entry in range(block * BLOCK, first + 1):
            number += np.int64((marks[entry >> 6] >> np.uint64(entry & 63)) & np.uint64(1))
    low = np.int64(0)
    high = (np.int64(1) << (bits - rest)) - 1
    while low < high:  # the last bucket that begins at this code or before it
        middle = (low + high + 1) >> 1
        if offsets[base + middle] <= number:
            low = middle
        else:
            high = middle - 1
    bucket = low
    code = np.uint64(0)
    for entry in range(first, last):
        new = True
        if len(marks) and entry > first:
            new = (marks[entry >> 6] >> np.uint64(entry & 63)) & np.uint64(1) != 0
        if new:
            if entry > first:
                number += 1
            while offsets[base + bucket + 1] <= number:
                bucket += 1
            value = bits_at(fields, packed.begins[-1] + number * stride) >> np.uint64(packed.sizes[FLAG])
            code = (np.uint64(bucket) << np.uint64(rest)) | (value & low_bits(rest))
        codes[entry - first] = code
        ranks[entry - first] = rank_of(packed, entry)


def greatest_rank(packed: Packed) -> int:
    """The greatest of all ranks."""
    return int(max(spread(lambda piece: greatest(packed, *piece), cuts(packed.entries, workers(), 1 << 14))))


@kernel
def greatest(packed, first, last):  # type: ignore[no-untyped-def]
    """The greatest rank of entries `first` to `last` in the order of codes."""
    most = np.int64(0)
    for entry in range(first, last):
        most = max(most, rank_of(packed, entry))
    return most


@kernel
def scatter(packed, first, last, every):  # type: ignore[no-untyped-def]
    """Put the codes of entries `first` to `last` in the order of codes to the places of their ranks."""
    codes = np.empty(4096, np.uint64)
    ranks = np.empty(4096, np.uint32)
    for begin in range(first, last, 4096):
        end = min(begin + 4096, last)
        decode(packed, begin, end, codes, ranks)
        for i in range(end - begin):
            every[ranks[i]] = codes[i]


@kernel
def pick(packed, first, last, sieve, wanted, order, found):  # type: ignore[no-untyped-def]
    """As `scatter`, for those ranks that have a bit in `wanted`; `found` has a place for each rank of `order`."""
    code = np.empty(1, np.uint64)
    rank = np.empty(1, np.uint32)
    for entry in range(first, last):
        own = rank_of(packed, entry)
        low = own & (SIEVE - 1)
        if (sieve[low >> 6] >> np.uint64(low & 63)) & np.uint64(1) == 0:
            continue
        if (wanted[own >> 6] >> np.uint64(own & 63)) & np.uint64(1) != 0:
            decode(packed, entry, entry + 1, code, rank)
            found[np.searchsorted(order, own)] = code[0]


@kernel
def write_fields(keys, shared, rest, flag, fields, begin, first, offsets):  # type: ignore[no-untyped-def]
    """Write turned codes in order as fields from number `first` on, and count them in `offsets` [buckets + 1]."""
    mask = low_bits(rest)
    stride = rest + flag
    held = 0
    for i in range(len(keys)):
        key = keys[i]
        offsets[np.int64(key >> np.uint64(rest)) + 1] += np.uint32(1)
        value = key & mask
        if flag:
            value <<= np.uint64(1)
            if held < len(shared) and shared[held] == key:
                value |= np.uint64(1)
                held += 1
        bit = begin + (first + i) * stride
        shift = bit & 63
        fields[bit >> 6] |= value << np.uint64(shift)
        if shift + stride > 64:
            fields[(bit >> 6) + 1] |= value >> np.uint64(64 - shift)


@kernel
def write_ranks(ranks, width, packed, first):  # type: ignore[no-untyped-def]
    """Write ranks in order, each in `width` bits, from the entry `first` on."""
    for i in range(len(ranks)):
        value = np.uint64(ranks[i])
        bit = (first + i) * width
        shift = bit & 63
        packed[bit >> 6] |= value << np.uint64(shift)
        if shift + width > 64:
            packed[(bit >> 6) + 1] |= value >> np.uint64(64 - shift)


@kernel
def sort_pairs(keys, ranks, bits):  # type: ignore[no-untyped-def]
    """Sort keys of `bits` bits in place, and with them their ranks; equal keys keep their order (radix sort)."""
    source, own = keys, ranks
    target, other = np.empty_like(keys), np.empty_like(ranks)
    places = np.empty(2048, np.int64)
    for shift in range(0, bits, 11):
        places[:] = 0
        for i in range(len(source)):
            places[np.int64(source[i] >> np.uint64(shift)) & 2047] += 1
        before = np.int64(0)
        most = np.int64(0)
        for i in range(2048):
            here = places[i]
            most = max(most, here)
            places[i] = before
            before += here
        if most == len(source):
            continue
        for i in range(len(source)):
            digit = np.int64(source[i] >> np.uint64(shift)) & 2047
            target[places[digit]] = source[i]
            other[places[digit]] = own[i]
            places[digit] += 1
        source, target = target, source
        own, other = other, own
    keys[:] = source
    ranks[:] = own
