"""The compact layout: sorted by a substring, a table need not hold it, and one table knows which entries have a code.

A code of B bits is turned until a table's substring comes first, and the table is these numbers in order. It stores
what follows the substring, in as many bits as that has; the substring is the bucket's number. The last table is the
main one: its order is that of the codes themselves, and it has the ranks of all entries in that order. Who meets a code
in another table finds it here by its bucket and a binary search: for results alone, which are few.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from transhash.search.store import U32, Ranks
from transhash.search.words import Arrays, Words

SHORTEST, LONGEST = 32, 64  # bits of a code: what is left of it fits in one word
BLOCK = 512  # entries whose marks are counted together
SAMPLED = 512  # codes of which one has the number of its block kept
TABLES = 8  # at most: a field and what is before it in its byte must fit into one word
FIELD = 56  # bits of a code in a field, at most
SPARE = 8  # words behind the last: reading bits may go that far
KEPT = ("fields", "offsets", "cuts", "ranks", "marks")  # what a file holds besides the numbers of entries and codes
ENTRIES, UNIQUE, RANK_BITS, FLAG = 0, 1, 2, 3  # places in `sizes`


class Packed(NamedTuple):
    """n entries, known by rank, with u different codes, of which each table has one field.

    A field holds the bits of a code that its bucket does not tell; and behind them, where there are equal codes, one
    that says whether several entries share it. `sizes` are (n, u, bits of a rank, 1 where there are equal codes).
    """

    fields: Words  # of all tables; each begins with a word
    begins: Ranks  # [tables] bit at which a table's fields begin
    offsets: U32  # of each table [2^width + 1], one behind the other: a bucket's first row
    cuts: Ranks  # [tables + 1] bit positions
    ranks: Words  # of all entries in the order of their codes, each in as few bits as the greatest needs
    marks: Words  # a bit for each entry, set for the first with its code; empty where all codes differ
    before: U32  # [blocks + 1] how many codes come before each block of entries
    samples: U32  # the block of each code of which the number is a multiple of SAMPLED, and the last block
    sizes: Ranks  # [4]

    @property
    def tables(self) -> int:
        """Number of tables."""
        return len(self.cuts) - 1

    @property
    def entries(self) -> int:
        """Entries held."""
        return int(self.sizes[ENTRIES])

    @property
    def unique(self) -> int:
        """Different codes held."""
        return int(self.sizes[UNIQUE])

    @property
    def width(self) -> tuple[int, ...]:
        """As `Store.width`: a code is one word."""
        return (0,)


def fits(bits: int) -> bool:
    """Whether codes of `bits` bits can be held so."""
    return SHORTEST <= bits <= LONGEST


def completed(kept: Arrays, count: int, unique: int) -> Packed:
    """The layout, read-only, of the arrays that KEPT names. Raises `ValueError` where sizes or marks cannot be."""
    fields, offsets, cut, ranks, marks = (kept[name] for name in KEPT)
    flag = int(unique < count)
    begins, length = layout(cut, unique, flag)
    width = rank_bits(count)
    before = samples = np.empty(0, np.uint32)
    if len(fields) != length or len(ranks) != words_for(count * width):
        raise ValueError("fields")
    if flag:
        if len(marks) != mark_words(count):
            raise ValueError("marks")
        each = np.add.reduceat(np.bitwise_count(marks), np.arange(0, len(marks), BLOCK // 64), dtype=np.uint32)
        before = np.concatenate((np.zeros(1, np.uint32), np.cumsum(each, dtype=np.uint32)))
        behind = marks[count // 64 :].copy()
        behind[:1] >>= np.uint64(count % 64)
        if before[-1] != unique or not int(marks[0]) & 1 or behind.any():
            raise ValueError("marks")
        wanted = np.arange(0, unique, SAMPLED)
        blocks = np.searchsorted(before, wanted, side="right") - 1
        samples = np.append(blocks, len(before) - 2).astype(np.uint32)
    elif len(marks):
        raise ValueError("marks")
    sizes = np.array([count, unique, width, flag], np.int64)
    made = Packed(fields, begins, offsets, cut, ranks, marks, before, samples, sizes)
    for array in made:
        array.flags.writeable = False
    return made


def layout(cut: Ranks, unique: int, flag: int) -> tuple[Ranks, int]:
    """The bit at which each table's fields begin, and the words of all."""
    widths = cut[-1] - np.diff(cut) + flag
    words = (unique * widths + 63) // 64
    begins = np.concatenate((np.zeros(1, np.int64), np.cumsum(words)[:-1])) * 64
    return begins, int(words.sum()) + SPARE


def rank_bits(count: int) -> int:
    """Bits of the greatest rank of so many entries."""
    return max(1, int(count - 1).bit_length())


def mark_words(count: int) -> int:
    """Words for a mark of each entry, in whole blocks."""
    return -(-count // BLOCK) * BLOCK // 64


def words_for(bits: int) -> int:
    """Words that hold so many bits, and some to spare."""
    return -(-bits // 64) + SPARE


def marked(first: npt.NDArray[np.bool_]) -> Words:
    """Flags as bits, in whole blocks."""
    flags = np.zeros(-(-len(first) // BLOCK) * BLOCK, np.bool_)
    flags[: len(first)] = first
    return np.packbits(flags, bitorder="little").view("<u8").astype(np.uint64, copy=False)
