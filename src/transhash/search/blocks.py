"""Choices of blocks of bits: the self-join (`transhash.search.join`) compares the codes that agree in each.

Of radius + k blocks, two codes that differ in at most `radius` bits agree in k or more. A greater k means more choices
and fewer codes to compare in each; k = 0 compares all with all. A sample of the codes tells which k costs least.
"""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np

from transhash.kernels import kernel
from transhash.search.words import Words

SORTED, COMPARED = 60.0, 0.06  # nanoseconds, measured: to bring one code to those it agrees with, to compare two codes
FEW = 1 << 12  # codes that are compared all with all without reckoning
SAMPLE = 1 << 14  # codes to reckon from
RECKONED = 24  # choices of blocks to reckon from
CHOICES = 1 << 10  # at most


def plan(words: Words, bits: int, radius: int) -> list[tuple[Words, Words]]:
    """For each choice: the bits in which codes agree [words], and for each earlier block not in it, its bits."""
    count, width = words.shape
    every = [(np.zeros(width, np.uint64), np.zeros((0, width), np.uint64))]
    if count <= FEW or radius >= bits:
        return every
    rng = np.random.default_rng(0)
    sample = words[np.sort(rng.choice(count, min(SAMPLE, count), replace=False))]
    scale = (count / len(sample)) ** 2
    best, least = every, COMPARED * count * count / 2
    for k in range(1, bits - radius + 1):
        choices = list(combinations(range(radius + k), k))
        if len(choices) > CHOICES or SORTED * count * len(choices) > least:
            break
        blocks = deal(sample, bits, radius + k)
        found = [masks(blocks, choice) for choice in choices]
        picked = rng.choice(len(found), min(RECKONED, len(found)), replace=False)
        equal = sum(_equal(sample, found[i][0]) for i in picked) * len(found) / len(picked)
        cost = SORTED * count * len(found) + COMPARED * equal * scale
        if cost < least:
            best, least = found, cost
        if comb(radius + k + 1, k + 1) > CHOICES:
            break
    return best


def deal(sample: Words, bits: int, count: int) -> Words:
    """The bits of each block as a mask [count, words]; those that tell most are dealt first, to and fro."""
    octets = np.ascontiguousarray(sample).astype("<u8", copy=False).view(np.uint8).reshape(len(sample), -1)
    shares = np.unpackbits(octets, axis=1, bitorder="little").mean(axis=0)
    order = np.argsort(np.abs(shares - 0.5), kind="stable")
    order = order[order < bits]  # the octets of a code come first
    blocks = np.zeros((count, sample.shape[1]), np.uint64)
    for place, bit in enumerate(order.tolist()):
        turn, block = divmod(place, count)
        blocks[count - 1 - block if turn % 2 else block, bit >> 6] |= np.uint64(1) << np.uint64(bit & 63)
    return blocks


def masks(blocks: Words, choice: tuple[int, ...]) -> tuple[Words, Words]:
    """The bits of all blocks of a choice [words], and those of each block before its last one that is not in it."""
    earlier = [block for block in range(choice[-1]) if block not in choice]
    return np.bitwise_or.reduce(blocks[list(choice)], axis=0), np.ascontiguousarray(blocks[earlier])


def _equal(sample: Words, mask: Words) -> float:
    """Pairs of the sample that agree in the bits of a mask."""
    hashes = np.empty(len(sample), np.uint64)
    hash_into(sample, mask, 0, len(sample), hashes)
    sizes = np.unique(hashes, return_counts=True)[1].astype(np.float64)
    return float((sizes * (sizes - 1) / 2).sum())


@kernel
def hash_into(words, mask, first, last, hashes):  # type: ignore[no-untyped-def]
    """A hash of the masked bits of each code from `first` to `last`."""
    for row in range(first, last):
        value = np.uint64(0)
        for i in range(words.shape[1]):
            value = (value ^ (words[row, i] & mask[i])) * np.uint64(0x9E3779B97F4A7C15)
            value ^= value >> np.uint64(32)
        hashes[row] = value
