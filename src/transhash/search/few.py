"""A few queries among a few codes: one compiled call from codes to results, as the calls themselves cost the most."""

# ruff: noqa: PLR0917 -- compiled functions take their arguments by position

from __future__ import annotations

import numpy as np

from transhash.kernels import kernel
from transhash.search import selection
from transhash.search.bitops import borrow, load, lowest, near32
from transhash.search.scan import distance_to
from transhash.search.selection import BOUND, LIMIT, SIZE
from transhash.search.small import NONE


@kernel
def nearest(codes, ids, queries, width, useful, bits, distances, found):  # type: ignore[no-untyped-def]
    """Write the `useful` nearest of each query by (distance, id) into `distances` and `found` [Q, k], the rest -1.

    Codes [n + PADDING, words] in the order of ids [n], all different entries and all there.
    """
    codes, ids, queries = borrow(codes), borrow(ids), borrow(queries)
    distances, found = borrow(distances), borrow(found)
    size = len(ids)
    keys = np.empty(2 * useful + 256, np.int64)
    counts = np.empty(bits + 1, np.int64)
    state = np.empty(4, np.int64)
    for q in range(len(queries)):
        query = load(queries, q, width)
        counts[:] = 0
        state[:] = 0
        state[BOUND] = bits
        state[LIMIT] = NONE
        for row in range(0, size, 32):
            near = near32(codes, row, query, state[BOUND])
            if near:
                if size - row < 32:
                    near &= (np.int64(1) << (size - row)) - 1
                while near:
                    candidate = row + lowest(near)
                    near &= near - 1
                    distance = distance_to(codes, candidate, query)
                    if distance <= state[BOUND]:
                        selection.keep(keys, counts, state, useful, (distance << 32) | candidate, 1)
        held = 0
        for i in range(state[SIZE]):
            if keys[i] >> 32 <= state[BOUND]:
                keys[held] = keys[i]
                held += 1
        selection.sort(keys[:held])
        for i in range(useful):
            distances[q, i] = keys[i] >> 32
            found[q, i] = ids[keys[i] & 0xFFFFFFFF]
        distances[q, useful:] = -1
        found[q, useful:] = -1
