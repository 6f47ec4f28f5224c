"""The arrays that the kernels read: codes in one or several orders, and which entries share a code."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from transhash.search.words import PADDING, Words

U32 = npt.NDArray[np.uint32]
Ranks = npt.NDArray[np.int64]
Bitmap = npt.NDArray[np.uint64]


SHARED = 1 << 31  # flag of a label
MOST = SHARED - 1  # entries of a store: a greater rank is no label, and has no room next to the flag of a candidate
WIDEST = 22  # bits of a substring: 16 MB of offsets
_WORDS_AT_ONCE = 1 << 14  # of a bitmap, that are taken apart
_NO_CENTRES, _NO_REACH = np.empty((0, 1), np.uint64), np.empty(0, np.uint32)


class Store(NamedTuple):
    """n entries, known by rank (their place in the order of ids), with u different codes.

    `codes` holds every different code once for each table, sorted by that table's substring (the bits from cuts[t] to
    cuts[t + 1]). A row's label is the rank of the only entry with that code, or SHARED plus the number of a group of
    entries. A store without tables holds the code of each entry, in the order of ranks. One of clusters has a single
    table, in the order of their shells (`clusters`).
    """

    codes: Words  # [tables * stride, words], stride = u + PADDING
    labels: U32  # [tables * stride]
    offsets: U32  # of each table [2^width + 1], one behind the other: a bucket's first row; empty without tables;
    # of clusters [K * (bits + 1) + 1]: a shell's first row
    cuts: Ranks  # [tables + 1] bit positions
    rows: U32  # [n]: the row, in the first table, of each entry
    starts: U32  # [groups + 1]: a group's first place in `members`
    members: U32  # the ranks of each group, ascending
    centres: Words = _NO_CENTRES  # [K + PADDING, words] of clusters, those that reach farthest first
    reach: U32 = _NO_REACH  # [K]: how far from its centre a cluster's codes lie at most

    @property
    def tables(self) -> int:
        """Number of tables; 0 for a store that can only be scanned."""
        return len(self.cuts) - 1

    @property
    def unique(self) -> int:
        """Different codes held: rows of the first table."""
        return len(self.codes) // max(1, self.tables) - PADDING

    @property
    def width(self) -> tuple[int, ...]:
        """As many zeros as a code has words: tells kernels the width at compile time."""
        return (0,) * int(self.codes.shape[1])


def flat(words: Words) -> Store:
    """A store without tables of codes [n + PADDING, words] in the order of ranks."""
    count = len(words) - PADDING
    ranks = np.arange(len(words), dtype=np.uint32)
    none = np.empty(0, np.uint32)
    return frozen(Store(words, ranks, none, np.zeros(1, np.int64), ranks[:count], none, none))


def frozen(store: Store) -> Store:
    """The same arrays, read-only: kernels are compiled for those, whether in memory or mapped."""
    for array in store:
        array.flags.writeable = False
    return store


ALL = np.empty(0, np.uint64)  # the bitmap that lets every entry pass
ALL.flags.writeable = False


def bitmap(count: int, ranks: Ranks) -> Bitmap:
    """Bits for `count` entries, set at `ranks`."""
    flags = np.zeros((count + 63) // 64 * 64, np.uint8)
    flags[ranks] = 1
    bits = np.packbits(flags, bitorder="little").view("<u8").astype(np.uint64, copy=False)
    bits.flags.writeable = False
    return bits


def full(count: int) -> Bitmap:
    """Bits for `count` entries, all set."""
    bits = np.full(-(-count // 64), ~np.uint64(0))
    if count % 64:
        bits[-1] >>= np.uint64(64 - count % 64)
    return bits


def set_ranks(bits: Bitmap, count: int) -> Ranks:
    """The ranks, of `count` entries, that the bitmap lets pass: ascending. Holds little more than these."""
    if len(bits) == 0:
        return np.arange(count)
    parts = (bits[first : first + _WORDS_AT_ONCE].astype("<u8") for first in range(0, len(bits), _WORDS_AT_ONCE))
    found = [np.flatnonzero(np.unpackbits(part.view(np.uint8), bitorder="little")) for part in parts]
    for number, ranks in enumerate(found):
        ranks += number * 64 * _WORDS_AT_ONCE
    return np.concatenate(found)


def passing(bits: Bitmap, ranks: Ranks) -> npt.NDArray[np.bool_]:
    """Which of `ranks` the bitmap lets pass."""
    if len(bits) == 0:
        return np.ones(len(ranks), np.bool_)
    return np.asarray((bits[ranks >> 6] >> (ranks & 63).astype(np.uint64)) & np.uint64(1), np.bool_)
