"""What was found, as distances and ids; in two places, merged: both are in order, so that each is compared once."""

# ruff: noqa: PLR0917 -- compiled functions take their arguments by position

from __future__ import annotations

from transhash.kernels import kernel
from transhash.search.small import NONE


@kernel
def tell(keys, first, known, distances, ids):  # type: ignore[no-untyped-def]
    """As `hits.told`; ids as `runs.by_rank` has them."""
    for i in range(len(keys)):
        distances[i], ids[i] = NONE, -1
        if keys[i] != NONE:
            rank = keys[i] & 0xFFFFFFFF
            distances[i] = keys[i] >> 32
            ids[i] = first + rank if len(known) == 0 else known[rank]


@kernel
def hits(  # type: ignore[no-untyped-def]
    first, last, begins_a, distances_a, ids_a, begins_b, distances_b, ids_b, begins, distances, ids
):
    """Merge the hits of queries `first` to `last`; `begins` say where each query's begin, and one more."""
    for q in range(first, last):
        a, b = begins_a[q], begins_b[q]
        for place in range(begins[q], begins[q + 1]):
            take = b == begins_b[q + 1] or (
                a < begins_a[q + 1]
                and (distances_a[a] < distances_b[b] or (distances_a[a] == distances_b[b] and ids_a[a] < ids_b[b]))
            )
            distances[place] = distances_a[a] if take else distances_b[b]
            ids[place] = ids_a[a] if take else ids_b[b]
            a += take
            b += not take


@kernel
def chained(  # type: ignore[no-untyped-def]
    first, last, begins_a, distances_a, ids_a, begins_b, distances_b, ids_b, begins, distances, ids
):
    """As `hits`, but those of the second place come behind those of the first."""
    for q in range(first, last):
        place = begins[q]
        for i in range(begins_a[q], begins_a[q + 1]):
            distances[place] = distances_a[i]
            ids[place] = ids_a[i]
            place += 1
        for i in range(begins_b[q], begins_b[q + 1]):
            distances[place] = distances_b[i]
            ids[place] = ids_b[i]
            place += 1


@kernel
def best(distances_a, ids_a, distances_b, ids_b, distances, ids):  # type: ignore[no-untyped-def]
    """Merge the k nearest of each query, [Q, k], padded with distances and ids that sort behind all others."""
    for q in range(len(distances)):
        a = b = 0
        for place in range(distances.shape[1]):
            take = distances_a[q, a] < distances_b[q, b] or (
                distances_a[q, a] == distances_b[q, b] and ids_a[q, a] < ids_b[q, b]
            )
            distances[q, place] = distances_a[q, a] if take else distances_b[q, b]
            ids[q, place] = ids_a[q, a] if take else ids_b[q, b]
            a += take
            b += not take
