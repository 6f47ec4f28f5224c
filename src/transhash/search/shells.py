"""Search in clusters: of each only those shells are read that the triangle inequality leaves (`clusters`)."""

# ruff: noqa: PLR0917 -- compiled functions take their arguments by position

from __future__ import annotations

import numpy as np

from transhash.kernels import inlined, kernel
from transhash.search import clusters, scan, selection
from transhash.search.bitops import borrow, load, lowest, near32, near_some, prefetch
from transhash.search.rings import CENTRE, CLUSTER, PATIENCE, ROW
from transhash.search.selection import BOUND, EVERY, WITHIN

AHEAD = 4  # clusters whose codes are asked for before it is their turn
LINES = 4  # cache lines of each, at most


@kernel
def search(  # type: ignore[no-untyped-def]
    store, alive, queries, width, every, k, bounds, limit, partial, ordered, keys, counts, state, best, numbers, done
):
    """As `mih._search`."""
    bits = len(counts) - 1
    apart = np.empty(len(store.reach), np.int64)
    order = np.empty(len(store.reach), np.int64)
    turns = np.full(len(store.reach), -1, np.int64)  # the last query for which each cluster was read
    found = 0
    given_up = 0
    for q in range(len(queries)):
        if given_up == q and q >= PATIENCE:
            break  # none of these queries is worth it
        query = load(queries, q, width)
        selection.start(counts, state, bounds[q])
        before = found
        order[0], away = clusters.closest(store.centres, len(store.reach), query)
        apart[order[0]] = away
        found, spent, seen = _read(
            store.codes, store.labels, store.offsets, store.starts, store.members, alive, bits, order, 1, apart,
            turns, q, len(apart) * len(query) * CENTRE, np.inf, EVERY, query, every, k, keys, found, counts, state,
        )  # fmt: skip
        held, ahead = _left(store, bits, query, turns, q, state[BOUND], apart, order)
        if not every and state[BOUND] == bits:  # while there are fewer than k, nothing tells how much is left
            found, spent, seen = _read(
                store.codes, store.labels, store.offsets, store.starts, store.members, alive, bits, order, held, apart,
                turns, q, spent, limit, k, query, every, k, keys, found, counts, state,
            )  # fmt: skip
            held, ahead = _left(store, bits, query, turns, q, state[BOUND], apart, order)
        if not partial and spent + ahead > limit:
            given_up += 1
            bounds[q] = state[BOUND]
            found = before
            continue
        found, spent, seen = _read(
            store.codes, store.labels, store.offsets, store.starts, store.members, alive, bits, order, held, apart,
            turns, q, spent, limit if partial else np.inf, EVERY, query, every, k, keys, found, counts, state,
        )  # fmt: skip
        if found > len(keys) > 0:
            return
        done[q], numbers[q] = seen == held, found - before
        selection.finish(store.labels, store.rows, store.starts, store.members, alive, keys, state, k, best[q], ordered)


@kernel
def plan(store, queries, first, last, width, bounds, costs):  # type: ignore[no-untyped-def]
    """As `mih._plan`."""
    bits = len(store.offsets) // len(store.reach) - 1
    apart = np.empty(len(store.reach), np.int64)
    order = np.empty(len(store.reach), np.int64)
    turns = np.full(len(store.reach), -1, np.int64)
    for q in range(first, last):
        _, costs[q] = _left(store, bits, load(queries, q, width), turns, q, bounds[q], apart, order)
        costs[q] += len(apart) * len(width) * CENTRE


@inlined
def _rows(offsets, bits, c, away, bound):  # type: ignore[no-untyped-def]
    """From where to where rows of cluster c, whose centre is `away`, may be within `bound` of the query."""
    first = c * (bits + 1)
    return (
        np.int64(offsets[first + max(0, away - bound)]),
        np.int64(offsets[first + min(bits, away + bound) + 1]),
    )


@kernel
def _left(store, bits, query, turns, turn, bound, apart, order):  # type: ignore[no-untyped-def]
    """Into `order` the clusters of which something is still to be read, the nearest first; how many, their cost.

    And into `apart` how far their centres lie from the query.
    """
    centres, reach, offsets, turns = borrow(store.centres), borrow(store.reach), borrow(store.offsets), borrow(turns)
    picked = np.empty(len(reach), np.int64)
    places = np.zeros(bits + 2, np.int64)
    held = 0
    cost = 0.0
    for first in range(0, len(reach), 32):  # whose own reach is the greatest of these 32
        near = near32(centres, first, query, bound + np.int64(reach[first]))
        if len(reach) - first < 32:
            near &= (np.int64(1) << (len(reach) - first)) - 1
        while near:
            c = first + lowest(near)
            near &= near - 1
            away = scan.distance_to(centres, c, query)
            begin, end = _rows(offsets, bits, c, away, bound)
            if begin < end and turns[c] != turn:
                apart[c] = away
                picked[held] = c
                held += 1
                places[away + 1] += 1
                cost += CLUSTER + (end - begin) * len(query) * ROW
    for distance in range(bits):
        places[distance + 1] += places[distance]
    for i in range(held):
        c = picked[i]
        order[places[apart[c]]] = c
        places[apart[c]] += 1
    return held, cost


@kernel
def _read(  # type: ignore[no-untyped-def]
    codes, labels, offsets, starts, members, alive, bits, order, held, apart,
    turns, turn, spent, limit, enough, query, every, k, keys, found, counts, state,
):  # fmt: skip
    """Look at the first `held` clusters in `order` till `limit` is spent, or there are `enough` within the bound.

    Returns `found`, `spent`, and how many were seen.
    """
    codes, labels, offsets, starts, members = (
        borrow(codes), borrow(labels), borrow(offsets), borrow(starts), borrow(members)
    )  # fmt: skip
    alive, order, apart, turns = borrow(alive), borrow(order), borrow(apart), borrow(turns)
    keys, counts, state = borrow(keys), borrow(counts), borrow(state)
    for seen in range(held):
        if spent > limit or state[WITHIN] >= enough:
            return found, spent, seen
        if seen + AHEAD < held:
            c = order[seen + AHEAD]
            begin, end = _rows(offsets, bits, c, apart[c], state[BOUND])
            line = max(1, 8 // len(query))  # rows
            for row in range(begin, min(end, begin + LINES * line), line):
                prefetch(codes, row)
        c = order[seen]
        turns[c] = turn
        row, end = _rows(offsets, bits, c, apart[c], state[BOUND])
        spent += CLUSTER + max(0, end - row) * len(query) * ROW
        bound = state[BOUND]
        while row < end:
            near, count = near_some(codes, row, end, query, bound)
            while near:
                candidate = row + lowest(near)
                near &= near - 1
                distance = scan.distance_to(codes, candidate, query)
                if distance > state[BOUND]:
                    continue
                if every:
                    found = selection.collect(labels, starts, members, alive, keys, found, candidate, distance)
                else:
                    place, weight = selection.stands_for(labels, starts, members, alive, candidate, k)
                    selection.keep(keys, counts, state, k, (distance << 32) | place, weight)
            bound = state[BOUND]
            row += count
    return found, spent, held
