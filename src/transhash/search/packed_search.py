"""Multi-index hashing over the compact layout: as `mih` does it, with codes put together from bucket and field.

A candidate is held with its code. Which entries have that code is looked up in the main table when it matters: where
several share it or some are left out, and at the end.
"""

# ruff: noqa: PLR0917 -- compiled functions take their arguments by position

from __future__ import annotations

import numpy as np

from transhash.kernels import inlined, kernel
from transhash.search import selection
from transhash.search.bitops import bits_at, borrow, ones, prefetch
from transhash.search.packed import FLAG, RANK_BITS
from transhash.search.packing import first_entry, low_bits, number_of, rank_of, rotated
from transhash.search.rings import AHEAD, CHUNK, LINES, NEVER, PATIENCE, following, ring_cost, table_starts
from transhash.search.selection import BOUND, SIZE, WITHIN
from transhash.search.small import NONE
from transhash.search.store import WIDEST

FIELD = 2  # what looking at a field costs, in words of a candidate
DISTANCE, CODE, NUMBER = 0, 1, 2  # what is held of a candidate; a number is -1 until it is looked up


@kernel
def search(  # type: ignore[no-untyped-def] # noqa: PLR0915 -- one loop with a dozen small arrays
    packed, alive, queries, width, every, k, bounds, limit, partial, ordered, keys, counts, state, best, numbers, done
):
    """As the search of `mih`."""
    offsets, ends = packed.offsets, packed.cuts
    tables = len(ends) - 1
    starts = table_starts(ends)
    sought = np.empty(tables, np.int64)
    depth = np.empty(tables, np.int64)
    cost = np.empty(tables, np.float64)
    when = np.empty((tables, WIDEST + 1), np.int64)
    spans = np.empty((CHUNK, 3), np.int64)
    held = np.empty((2 * k + 256, 3), np.int64)
    found = 0
    given_up = 0
    q = 0
    while q < len(queries):
        if given_up == q and q >= PATIENCE:
            break  # none of these queries is worth it
        query = queries[q, 0]
        selection.start(counts, state, bounds[q])
        when[:] = NEVER
        depth[:] = 0
        for t in range(tables):
            sought[t] = np.int64((query >> np.uint64(ends[t])) & low_bits(ends[t + 1] - ends[t]))
            cost[t] = ring_cost(offsets, starts[t], ends[t + 1] - ends[t], sought[t], 0, FIELD)
        before = found
        nearer = 0  # than this all codes have been seen
        step = 0
        spent = 0.0
        while nearer <= state[BOUND]:
            table = np.argmin(cost)
            spent += cost[table]
            ahead = 0.0
            if not partial and not every and (state[WITHIN] >= k or bounds[q] < len(counts) - 1):
                ahead = cost[table] * max(0, state[BOUND] - nearer - 2)  # the bound may still fall a little
            if spent + ahead > limit and (step or not partial):
                break
            when[table, depth[table]] = step
            found = _visit(
                packed, alive, table, depth[table], sought, starts[table], when, step, query, spans, every, k, held,
                keys, found, counts, state,
            )  # fmt: skip
            step += 1
            nearer += 1
            depth[table] += 1
            bits = ends[table + 1] - ends[table]
            if depth[table] > bits:
                nearer = len(counts)  # all buckets of a table are all codes
            else:
                cost[table] = ring_cost(offsets, starts[table], bits, sought[table], depth[table], FIELD)
        if nearer <= state[BOUND] and not partial:
            given_up += 1
            bounds[q] = state[BOUND]
            found = before
        elif found > len(keys) > 0:
            return
        else:
            done[q], numbers[q] = nearer > state[BOUND], found - before
            _finish(packed, alive, held, state, k, best[q])
        q += 1


@kernel
def _visit(  # type: ignore[no-untyped-def] # noqa: PLR0915 -- one loop
    packed, alive, t, depth, sought, start, when, step, query, spans, every, k, held, keys, found, counts, state
):
    """Look at all buckets of table t at `depth` bits from what is sought; returns `found` anew."""
    fields, offsets, ends = borrow(packed.fields), borrow(packed.offsets), borrow(packed.cuts)
    sought, when, spans, counts, state = borrow(sought), borrow(when), borrow(spans), borrow(counts), borrow(state)
    bits = ends[-1]
    width = ends[t + 1] - ends[t]
    rest = bits - width
    flag = packed.sizes[FLAG]
    stride = rest + flag
    begin = packed.begins[t]
    mask = low_bits(rest)
    wanted = rotated(query, ends[t + 1], bits) & mask
    main = t == len(ends) - 2
    change = (np.int64(1) << depth) - 1
    while change >> width == 0:
        waiting = 0
        while change >> width == 0 and waiting < CHUNK:
            bucket = sought[t] ^ change
            spans[waiting, 0] = offsets[start + bucket]
            spans[waiting, 1] = offsets[start + bucket + 1]
            spans[waiting, 2] = bucket
            waiting += spans[waiting, 1] > spans[waiting, 0]
            change = following(change, width)
        for i in range(min(AHEAD, waiting)):
            _prefetch(fields, begin + spans[i, 0] * stride, begin + spans[i, 1] * stride)
        for i in range(waiting):
            if i + AHEAD < waiting:
                _prefetch(fields, begin + spans[i + AHEAD, 0] * stride, begin + spans[i + AHEAD, 1] * stride)
            top = np.uint64(spans[i, 2]) << np.uint64(rest)
            bound = state[BOUND] - depth
            bit = begin + spans[i, 0] * stride
            for row in range(spans[i, 0], spans[i, 1]):
                value = bits_at(fields, bit)
                bit += stride
                rest_of_code = (value >> np.uint64(flag)) & mask
                distance = ones(rest_of_code ^ wanted)
                if distance > bound:
                    continue
                code = rotated(top | rest_of_code, bits - ends[t + 1], bits)
                if _was_seen(code, ends, sought, when, step):
                    continue
                distance += depth
                number = np.int64(row) if main else np.int64(-1)
                shared = (value & np.uint64(flag)) != 0
                if every:
                    found = _collect(packed, alive, code, number, shared, distance, keys, found)
                    continue
                weight = np.int64(1)
                if shared or len(alive):
                    if not main:
                        number = number_of(packed, code)
                    weight = _first_alive(packed, alive, number, k)[1]
                if weight:
                    _keep(packed, alive, held, counts, state, k, distance, code, number, weight)
                    bound = state[BOUND] - depth
    return found


@inlined
def _prefetch(fields, first, last):  # type: ignore[no-untyped-def]
    """Ask for the cache lines of a bucket, as many as may be on their way at a time."""
    for word in range(first >> 6, min((last >> 6) + 1, (first >> 6) + 8 * LINES), 8):
        prefetch(fields, word)


@inlined
def _was_seen(code, ends, sought, when, step):  # type: ignore[no-untyped-def]
    """Whether an earlier step visited a bucket with this code."""
    for t in range(len(sought)):
        own = (code >> np.uint64(ends[t])) & low_bits(ends[t + 1] - ends[t])
        if when[t, ones(own ^ np.uint64(sought[t]))] < step:
            return True
    return False


@kernel
def _collect(packed, alive, code, number, shared, distance, keys, found):  # type: ignore[no-untyped-def]
    """As `selection.collect`, but append the entries with a code, as `distance << 32 | rank`."""
    if len(keys) == 0 and len(alive) == 0 and not shared:
        return found + 1  # it is only counted
    if number < 0:
        number = number_of(packed, code)
    first = first_entry(packed, number)
    last = first_entry(packed, number + 1) if shared else first + 1
    for entry in range(first, last):
        rank = rank_of(packed, entry)
        if selection.passes(alive, rank):
            if found < len(keys):
                keys[found] = (distance << 32) | rank
            found += 1
    return found


@kernel
def _first_alive(packed, alive, number, k):  # type: ignore[no-untyped-def]
    """The first rank with code `number` that may be found, and how many there are, up to k."""
    first = first_entry(packed, number)
    last = first_entry(packed, number + 1)
    if len(alive) == 0:
        return rank_of(packed, first), min(last - first, k)
    rank = np.int64(-1)
    weight = np.int64(0)
    for entry in range(first, last):
        member = rank_of(packed, entry)
        if selection.passes(alive, member):
            if weight == 0:
                rank = member
            weight += 1
            if weight == k:
                break
    return rank, weight


@kernel
def _keep(packed, alive, held, counts, state, k, distance, code, number, weight):  # type: ignore[no-untyped-def]
    """Take in a candidate within the bound that stands for `weight` entries; the bound shrinks when it can."""
    if state[SIZE] == len(held):
        _make_room(packed, alive, held, state, k)
    size = state[SIZE]
    held[size, DISTANCE] = distance
    held[size, CODE] = np.int64(code)
    held[size, NUMBER] = number
    state[SIZE] = size + 1
    counts[distance] += weight
    within = state[WITHIN] + weight
    bound = state[BOUND]
    while within - counts[bound] >= k:
        within -= counts[bound]
        bound -= 1
    state[WITHIN] = within
    state[BOUND] = bound


@kernel
def _make_room(packed, alive, held, state, k):  # type: ignore[no-untyped-def]
    """Drop what the bound has overtaken; when that is little, because many are equally near, keep the first k only."""
    _drop(held, state)
    size = state[SIZE]
    if size <= len(held) - len(held) // 4:
        return
    _look_up(packed, held, size)
    firsts = np.empty(size, np.int64)
    for i in range(size):
        firsts[i] = (held[i, DISTANCE] << 32) | _first_alive(packed, alive, held[i, NUMBER], 1)[0]
    ordered = firsts.copy()
    selection.sort(ordered)
    kept = 0
    for i in range(size):
        if firsts[i] <= ordered[k - 1]:
            held[kept] = held[i]
            kept += 1
    state[SIZE] = kept


@kernel
def _drop(held, state):  # type: ignore[no-untyped-def]
    """Leave out candidates beyond the bound."""
    kept = 0
    for i in range(state[SIZE]):
        if held[i, DISTANCE] <= state[BOUND]:
            held[kept] = held[i]
            kept += 1
    state[SIZE] = kept


@kernel
def _look_up(packed, held, size):  # type: ignore[no-untyped-def]
    """Find the number of each candidate; memory is asked for before it is needed."""
    offsets, fields = borrow(packed.offsets), borrow(packed.fields)
    rest = packed.cuts[-2]
    base = len(offsets) - (np.int64(1) << (packed.cuts[-1] - rest)) - 1
    stride = rest + packed.sizes[FLAG]
    for i in range(size):
        if held[i, NUMBER] < 0:
            prefetch(offsets, base + np.int64(np.uint64(held[i, CODE]) >> np.uint64(rest)))
    for i in range(size):
        if held[i, NUMBER] < 0:
            bucket = base + np.int64(np.uint64(held[i, CODE]) >> np.uint64(rest))
            middle = (np.int64(offsets[bucket]) + np.int64(offsets[bucket + 1])) >> 1
            prefetch(fields, (packed.begins[-1] + middle * stride) >> 6)
    for i in range(size):
        if held[i, NUMBER] < 0:
            held[i, NUMBER] = number_of(packed, np.uint64(held[i, CODE]))


@kernel
def _finish(packed, alive, held, state, k, best):  # type: ignore[no-untyped-def]
    """Write the keys of the k best entries in order into `best` [k], padded with NONE."""
    _drop(held, state)
    size = state[SIZE]
    _look_up(packed, held, size)
    if len(packed.marks) == 0:
        for i in range(size):
            prefetch(packed.ranks, (held[i, NUMBER] * packed.sizes[RANK_BITS]) >> 6)
    pool = np.empty(2 * k, np.int64)
    pooled = 0
    limit = NONE
    for i in range(size):
        first = first_entry(packed, held[i, NUMBER])
        last = first_entry(packed, held[i, NUMBER] + 1)
        taken = 0
        for entry in range(first, last):
            rank = rank_of(packed, entry)
            if not selection.passes(alive, rank):
                continue
            key = (held[i, DISTANCE] << 32) | rank
            if key >= limit:
                break
            if pooled == len(pool):
                selection.sort(pool)
                pooled = k
                limit = pool[k - 1]
                if key >= limit:
                    break
            pool[pooled] = key
            pooled += 1
            taken += 1
            if taken == k:
                break
    selection.sort(pool[:pooled])
    pooled = min(pooled, k)
    best[:pooled] = pool[:pooled]
    best[pooled:] = NONE
