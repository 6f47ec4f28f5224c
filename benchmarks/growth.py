"""More embeddings than photographs: a new one lies between that of a photograph and of one of its ten nearest.

`benchmarks.search.enlarged` compares their codes with those of as many photographs.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from transhash.evaluation.cosine import unit
from transhash.model.fitted import embedding

NEIGHBOURS = 10  # that a new embedding may lie on the way to
WAY = (0.2, 0.6)  # how far
NOISE = 0.5  # as a share of the deviation of each value
PART = 100_000  # new embeddings at a time
_AT_ONCE = 50  # embeddings that look for their nearest

Rows = NDArray[np.int64]


def parts(kept: NDArray[np.int8], count: int, seed: int = 0) -> Iterator[tuple[NDArray[np.int8], Rows]]:
    """So many embeddings: the given ones [N, V], then new ones, a part at a time; and at which of N each began."""
    yield kept[:count], np.arange(min(count, len(kept)))
    if count <= len(kept):
        return
    random = np.random.default_rng(seed)
    place = random.integers(0, len(kept), count - len(kept))
    directions = unit(kept.astype(np.float32))
    spread = directions.std(axis=0)
    near = nearest(directions)
    for start in range(0, len(place), PART):
        own = place[start : start + PART]
        way = random.uniform(*WAY, (len(own), 1)).astype(np.float32)
        other = near[own, random.integers(0, NEIGHBOURS, len(own))]
        noise = NOISE * spread * random.standard_normal((len(own), kept.shape[1]), np.float32)
        yield embedding((1 - way) * directions[own] + way * directions[other] + noise), own


def nearest(directions: NDArray[np.float32]) -> Rows:
    """The ten nearest of each, itself left out, in any order: [N, 10]."""
    near = np.empty((len(directions), NEIGHBOURS), np.int64)
    for start in range(0, len(directions), _AT_ONCE):
        likeness = directions[start : start + _AT_ONCE] @ directions.T
        likeness[np.arange(len(likeness)), start + np.arange(len(likeness))] = -np.inf
        near[start : start + _AT_ONCE] = np.argpartition(-likeness, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
    return near
