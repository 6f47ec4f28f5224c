"""The exact self-join: all pairs of different codes within a Hamming radius, in bounded memory.

The bits are dealt to radius + k blocks. Two codes that differ in at most `radius` bits agree in k blocks or more, so it
is enough to compare codes that agree in some choice of k blocks, one choice after another; a pair is reported for the
first choice in which it agrees (`transhash.search.blocks` makes the choices).
"""

# ruff: noqa: PLR0917 -- compiled functions take their arguments by position

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from transhash.kernels import inlined, kernel
from transhash.search import blocks, hits
from transhash.search.bitops import borrow, load, lowest, near32
from transhash.search.scan import distance_to
from transhash.search.words import PADDING, Words
from transhash.threads import cuts, spread, workers

BLOCK = 2048  # codes that stay in the first-level cache
TILE = 256  # codes that are compared with them meanwhile
PIECE = 1 << 23  # comparisons a thread does at once, and so the most pairs it can find
ROOM = 1 << 16  # pairs that a piece has room for at first
AT_ONCE = 1 << 25  # pairs that are held, of however many threads; a pair takes some 40 bytes
ROWS = 1 << 15  # codes that a thread takes at once

Numbers = npt.NDArray[np.int64]


class Pairs(NamedTuple):
    """Some pairs of codes: the numbers of both (first < second), and in how many bits they differ."""

    first: Numbers
    second: Numbers
    distances: npt.NDArray[np.int32]


class Join(NamedTuple):
    """The different codes of an index: those of `ids[starts[i] : starts[i + 1]]` share code number i, in `words[i]`."""

    words: Words  # [u, words]
    starts: Numbers  # [u + 1]
    ids: Numbers  # ascending within each code
    radius: int
    bits: int

    def pairs(self) -> Iterator[Pairs]:
        """All pairs of different codes within the radius, each once, in no particular order, some at a time."""
        yield from _pairs(self.words, self.bits, self.radius)


def of(words: Words, ids: Numbers, bits: int, radius: int) -> Join:
    """The join of codes uint64 [n + PADDING, words] under ids."""
    from transhash.search.tables import first_equals

    count = len(ids)
    if count == 0:
        return Join(words[:0], np.zeros(1, np.int64), ids, radius, bits)
    leaders = first_equals(words, count)
    own = leaders == np.arange(count, dtype=np.uint32)
    numbers = (np.cumsum(own) - 1)[leaders]
    starts = np.concatenate((np.zeros(1, np.int64), np.cumsum(np.bincount(numbers))))
    return Join(words[:count][own], starts, ids[np.lexsort((ids, numbers))], radius, bits)


def _pairs(words: Words, bits: int, radius: int) -> Iterator[Pairs]:
    if radius >= 1 and len(words) > 1:
        for agreeing, differing in blocks.plan(words, bits, radius):
            yield from _agreeing(words, radius, agreeing, differing)


def _agreeing(words: Words, radius: int, agreeing: Words, differing: Words) -> Iterator[Pairs]:
    """The pairs of one choice of blocks."""
    width = (0,) * int(words.shape[1])
    order, ends = _runs(words, agreeing)
    rows = np.zeros((len(order) + PADDING, words.shape[1]), np.uint64)
    np.take(words, order, axis=0, out=rows[: len(order)])

    def near(piece: Numbers) -> tuple[int, Numbers]:
        found = np.empty(ROOM, np.int64)
        return _near(rows, ends, *piece, width, radius, found), found

    def settled(piece: tuple[Numbers, int, Numbers]) -> tuple[Numbers, npt.NDArray[np.int32]]:
        own, count, found = piece
        if count > ROOM:
            found = np.empty(count, np.int64)
            _near(rows, ends, *own, width, radius, found)
        keys, distances = _settled(rows, found[:count], width, agreeing, differing, order)
        return keys, distances

    pieces = cut_into_pieces(ends, PIECE, ROWS)
    for begin in range(0, len(pieces), 2 * workers()):
        some = pieces[begin : begin + 2 * workers()]
        known = [(piece, *counted) for piece, counted in zip(some, spread(near, some), strict=True)]
        for own in hits.blocks(np.array([count for _, count, _ in known]), AT_ONCE):
            found = spread(settled, known[own])
            keys = np.concatenate([each[0] for each in found])
            if len(keys):
                yield Pairs(keys >> 32, keys & 0xFFFFFFFF, np.concatenate([each[1] for each in found]))


def _runs(words: Words, mask: Words) -> tuple[Numbers, Numbers]:
    """Codes that agree in a mask, side by side: (which code comes at each place, where the place's run ends)."""
    hashes = np.empty(len(words), np.uint64)
    if not mask.any():
        return np.arange(len(words)), np.full(len(words), len(words))
    spread(lambda piece: blocks.hash_into(words, mask, *piece, hashes), cuts(len(words), workers()))
    order = np.argsort(hashes)
    found: tuple[Numbers, Numbers] = _in_runs(order, hashes)
    return found


@kernel
def _in_runs(order, hashes):  # type: ignore[no-untyped-def]
    """Leave out what agrees with nothing."""
    count = len(order)
    kept = np.empty(count, np.int64)
    ends = np.empty(count, np.int64)
    size = 0
    begin = 0
    while begin < count:
        end = begin + 1
        while end < count and hashes[order[end]] == hashes[order[begin]]:
            end += 1
        if end - begin > 1:
            for i in range(begin, end):
                kept[size + i - begin] = order[i]
                ends[size + i - begin] = size + end - begin
            size += end - begin
        begin = end
    return kept[:size], ends[:size]


@kernel
def cut_into_pieces(ends, most, rows):  # type: ignore[no-untyped-def]
    """Cut the places into pieces of at most `most` comparisons (or one place) and `rows` places: [pieces, 2]."""
    pieces = np.empty((16, 2), np.int64)
    held = 0
    begin = 0
    while begin < len(ends):
        end = begin
        work = np.int64(0)
        while end < len(ends) and end - begin < rows and (end == begin or work + ends[end] - end - 1 <= most):
            work += ends[end] - end - 1
            end += 1
        if held == len(pieces):
            pieces = np.concatenate((pieces, np.empty_like(pieces)))
        pieces[held, 0] = begin
        pieces[held, 1] = end
        held += 1
        begin = end
    return pieces[:held]


@kernel
def _near(rows, ends, first, last, width, radius, found):  # type: ignore[no-untyped-def]
    """How many pairs within the radius have one at a place from `first` to `last`, the other later in its run.

    As many as there is room for go into `found`, `place << 32 | other place`. Nothing else is done here: with more to
    do in its innermost loop the compiler makes it twenty times slower.
    """
    rows, ends, found = borrow(rows), borrow(ends), borrow(found)
    count = 0
    for top in range(first, last, TILE):
        bottom = min(top + TILE, last)
        for block in range(top + 1, ends[bottom - 1], BLOCK):
            for place in range(top, bottom):
                begin = max(place + 1, block)
                end = min(ends[place], block + BLOCK)
                if begin >= end:
                    continue
                code = load(rows, place, width)
                for row in range(begin, end, 32):
                    near = near32(rows, row, code, radius)
                    if end - row < 32:
                        near &= (np.int64(1) << (end - row)) - 1
                    while near:
                        if count < len(found):
                            found[count] = (place << 32) | (row + lowest(near))
                        count += 1
                        near &= near - 1
    return count


@kernel
def _settled(rows, found, width, agreeing, differing, order):  # type: ignore[no-untyped-def]
    """Of pairs of places those that belong to this choice of blocks: (keys of the codes' numbers, distances)."""
    rows, found, order = borrow(rows), borrow(found), borrow(order)
    agreeing, differing = borrow(agreeing), borrow(differing)
    keys = np.empty(len(found), np.int64)
    distances = np.empty(len(found), np.int32)
    held = 0
    for i in range(len(found)):
        place = found[i] >> 32
        other = found[i] & 0xFFFFFFFF
        code = load(rows, place, width)
        keys[held] = (min(order[place], order[other]) << 32) | max(order[place], order[other])
        distances[held] = distance_to(rows, other, code)
        held += _is_first(rows, other, code, agreeing, differing)
    return keys[:held], distances[:held]


@inlined
def _is_first(rows, row, code, agreeing, differing):  # type: ignore[no-untyped-def]
    """Whether two codes agree in a choice of blocks (equal hashes do not tell) and in none of those passed over."""
    first = True
    for i in range(len(code)):
        first &= (rows[row, i] ^ code[i]) & agreeing[i] == 0
    for block in range(len(differing)):
        differ = np.uint64(0)
        for i in range(len(code)):
            differ |= (rows[row, i] ^ code[i]) & differing[block, i]
        first &= differ != 0
    return first
