"""Rings of buckets, whose substrings differ from what is sought in as many bits, and what they cost."""

# ruff: noqa: PLR0917 -- compiled functions take their arguments by position

from __future__ import annotations

import numpy as np

from transhash.kernels import inlined, kernel
from transhash.search import planes, slices
from transhash.search.bitops import lowest

# Relative costs, measured: a word of a candidate in a bucket, a visit to a bucket, to put a compact code together, a
# word of a code in a scan that very many queries share, and how much more it is for one (for n a part of that: 1 / √n)
CANDIDATE, VISIT, DECODED = 1.0, 50.0, 1.0
SCANNED, SCANNED_ALONE = 0.06 if slices.FAST else 0.11 if planes.FAST else 0.3, 0.25
# and of clusters: a word of a code that is read in sequence, a word of a centre, a cluster of which something is read
ROW, CENTRE, CLUSTER = 0.2, 0.4, 20.0
PATIENCE = 4  # queries of a piece that may give up before the rest does so unheard
AHEAD = 4  # buckets whose codes are asked for before it is their turn
LINES = 48  # cache lines of each, at most
CHUNK = 1024  # buckets with codes that are listed before the first is looked into
NEVER = np.int64(1) << 40  # a step that does not come
COUNTED = 2000  # buckets in a ring up to which their sizes are added up; larger rings are reckoned from the mean


@kernel
def table_starts(ends):  # type: ignore[no-untyped-def]
    """Where the offsets of each table begin."""
    bases = np.zeros(len(ends) - 1, np.int64)
    for t in range(len(bases) - 1):
        bases[t + 1] = bases[t] + (np.int64(1) << (ends[t + 1] - ends[t])) + 1
    return bases


@kernel
def ring_cost(offsets, base, width, sought, depth, words):  # type: ignore[no-untyped-def]
    """What it costs to visit the buckets of a table at `depth` bits from `sought`."""
    buckets = 1.0
    for i in range(depth):
        buckets = buckets * (width - i) / (i + 1)
    if buckets > COUNTED:
        mean = offsets[base + (np.int64(1) << width)] / (np.int64(1) << width)
        return buckets * (VISIT + mean * CANDIDATE * words)
    codes = np.int64(0)
    change = (np.int64(1) << depth) - 1
    while change >> width == 0:
        bucket = base + (sought ^ change)
        codes += np.int64(offsets[bucket + 1]) - np.int64(offsets[bucket])
        change = following(change, width)
    return buckets * VISIT + codes * CANDIDATE * words


@inlined
def following(bits, width):  # type: ignore[no-untyped-def]
    """The next greater number with as many set bits; 0 is followed by one beyond `width` bits."""
    if bits == 0:
        return np.int64(1) << width
    low = bits & -bits
    high = bits + low
    return (((high ^ bits) >> 2) >> lowest(low)) | high
