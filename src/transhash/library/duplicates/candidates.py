"""Candidates: which pairs of pictures are worth a look, without looking at each pair.

Two signs bring a pair together: the 64 lowest frequencies of the whole picture, in any of its eight orientations; and
keypoints that look the same (their words agree in some bits), wherever they lie: a part of a picture, a turned or a
mirrored one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from transhash.library.duplicates.sketches import SMALL, Sketch
from transhash.search import HammingIndex

Numbers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

RADIUS = 12  # bits in which the hashes of whole pictures differ at most
TURNED_RADIUS = 8  # of pictures that are mirrored or turned by quarters
ROUGHLY = 0.5  # correlation of whole pictures at 32 × 32 that a near hash must be borne out by
POINTS = 64  # keypoints of a picture, the strongest
TABLES, BITS = 4, 18  # bits of a keypoint's words that agree, so often tried
CROWD = 48  # keypoints that share these bits: more of them tell nothing
SHARED = 3  # keypoints that two pictures share at least
PARTNERS = 8  # pictures that share the most keypoints with one, which it is compared with
AMONG, LIKELY = 64, 16  # pictures whose hashes are nearest to that of one, and those of them that it is compared with
ROWS = 2048  # pictures whose hashes are asked at once

_BITS = np.random.default_rng(7).permutation(256)[: TABLES * BITS].reshape(TABLES, BITS)


class Signs(NamedTuple):
    """What candidates are found by, of one picture."""

    whole: npt.NDArray[np.uint8]  # [SMALL, SMALL]
    keys: npt.NDArray[np.int32]  # [TABLES, K]
    mirrored: npt.NDArray[np.int32]  # [TABLES, K]


def signs(sketch: Sketch) -> Signs:
    """The signs of a sketch."""
    points = sketch.keypoints
    whole = np.clip(np.rint(sketch.whole), 0, 255).astype(np.uint8)
    return Signs(whole, _keys(points.words[:POINTS]), _keys(points.mirrored[:POINTS]))


def _keys(words: npt.NDArray[np.uint64]) -> npt.NDArray[np.int32]:
    keys = np.zeros((TABLES, len(words)), np.int32)
    for table, bits in enumerate(_BITS):
        for place, bit in enumerate(bits.tolist()):
            keys[table] |= ((words[:, bit >> 6] >> np.uint64(bit & 63)) & np.uint64(1)).astype(np.int32) << place
    return keys


def hashes(wholes: Floats) -> npt.NDArray[np.uint8]:
    """Perceptual hashes uint8 [N, 8] of square copies [N, SMALL, SMALL]: the signs of the lowest frequencies."""
    angles = np.pi * np.outer(np.arange(9), 2 * np.arange(SMALL) + 1) / (2 * SMALL)
    waves = np.cos(angles).astype(np.float32)
    found = waves @ wholes @ waves.T  # (N, 9, 9)
    low = found[:, :8, :8].reshape(-1, 64)
    bits = np.concatenate((low[:, 1:], found[:, 8, :1]), axis=1) > 1e-3 * SMALL  # without the mean; not rounding errors
    return np.packbits(bits, axis=1)


def pairs(every: list[Signs]) -> Numbers:
    """The pairs worth a look, int64 [P, 2], first < second, by the first; numbers are places in the list."""
    count = len(every)
    if count < 2:
        return np.empty((0, 2), np.int64)
    wholes = np.stack([each.whole for each in every])
    found = [_by_whole(wholes), _by_keypoints(every)]
    keys = np.unique(np.concatenate([each[:, 0] * count + each[:, 1] for each in found]))
    return np.stack((keys // count, keys % count), axis=1)


def _by_whole(wholes: npt.NDArray[np.uint8]) -> Numbers:
    plain = np.concatenate([hashes(part.astype(np.float32)) for part in _parts(wholes)])
    index = HammingIndex(64)
    index.add(plain)
    found = [_equal(wholes)]
    for turn in range(8):
        for begin in range(0, len(wholes), ROWS):
            some = wholes[begin : begin + ROWS]
            turned = some if turn == 0 else np.rot90(some.transpose(0, 2, 1) if turn & 4 else some, turn & 3, (1, 2))
            asked = plain[begin : begin + ROWS] if turn == 0 else hashes(np.ascontiguousarray(turned, np.float32))
            distances, ids = index.search(asked, min(AMONG, len(wholes)))
            asking, places = np.nonzero((ids >= 0) & (distances <= (RADIUS if turn == 0 else TURNED_RADIUS)))
            others = ids[asking, places]
            asking, others = (each[others != asking + begin] for each in (asking, others))
            alike = np.empty(len(others), np.float32)
            for part in range(0, len(others), ROWS):
                rows = slice(part, part + ROWS)
                alike[rows] = _correlations(turned[asking[rows]], wholes[others[rows]])
            near = _nearest(asking, alike)
            found.append(np.sort(np.column_stack((asking[near] + begin, others[near])), axis=1))
    return np.concatenate(found)


def _equal(wholes: npt.NDArray[np.uint8]) -> Numbers:
    """Each picture with the next ones whose small copies are equal, and with the first: a thousand are no million."""
    rows = np.ascontiguousarray(wholes).reshape(len(wholes), -1).view(f"V{SMALL * SMALL}")[:, 0]
    _, first, kinds = np.unique(rows, return_index=True, return_inverse=True)
    order = np.argsort(kinds, kind="stable")
    found = [np.column_stack((first[kinds], np.arange(len(wholes))))]
    for step in range(1, min(PARTNERS, len(order))):
        one, other = order[:-step], order[step:]
        found.append(np.column_stack((one, other))[kinds[one] == kinds[other]])
    every = np.concatenate(found)
    return every[every[:, 0] < every[:, 1]]


def _nearest(asking: Numbers, alike: Floats) -> Numbers:
    """The places of those that are most alike of each one that asks, `LIKELY` of it, which are roughly alike at all."""
    order = np.lexsort((-alike, asking))
    order = order[alike[order] >= ROUGHLY]
    sizes = np.bincount(asking[order], minlength=1)
    ranks = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return order[ranks < LIKELY]


def _parts(wholes: npt.NDArray[np.uint8]) -> Iterable[npt.NDArray[np.uint8]]:
    return (wholes[begin : begin + ROWS] for begin in range(0, len(wholes), ROWS))


def _correlations(one: npt.NDArray[np.uint8], two: npt.NDArray[np.uint8]) -> Floats:
    """The correlations of small copies [P, SMALL, SMALL]; `ROUGHLY` at least where one is flat: let it be looked at."""
    a, b = (each.reshape(len(each), -1).astype(np.float32) for each in (one, two))
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    ones, twos = (a * a).sum(axis=1), (b * b).sum(axis=1)
    found = (a * b).sum(axis=1) / np.sqrt(np.maximum(ones * twos, 1e-9))
    flat = np.minimum(ones, twos) < 9 * a.shape[1]
    return np.asarray(np.where(flat, np.maximum(found, np.float32(ROUGHLY)), found), np.float32)


def _by_keypoints(every: list[Signs]) -> Numbers:
    count = len(every)
    owners = np.repeat(np.arange(count), [each.keys.shape[1] for each in every])
    shared: list[Numbers] = []
    for mirrored in (False, True):
        met = []
        for table in range(TABLES):
            plain = np.concatenate([each.keys[table] for each in every])
            if not mirrored:
                met.append(_met(plain, owners, plain, owners, count))
            else:
                met.append(_met(plain, owners, np.concatenate([each.mirrored[table] for each in every]), owners, count))
        keys, times = np.unique(np.concatenate(met), return_counts=True)
        keys, times = keys[times >= SHARED], times[times >= SHARED]
        shared.append(keys[_closest(keys, times, count)])
    keys = np.unique(np.concatenate(shared))
    return np.stack((keys // count, keys % count), axis=1)


def _closest(keys: Numbers, times: Numbers, count: int) -> npt.NDArray[np.bool_]:
    """Which pairs are among the `PARTNERS` that share most keypoints, of either of their pictures.

    Scenes of one kind share some keypoints with half of a collection. What is confirmed grows with the pictures, not
    with their pairs.
    """
    ends = np.concatenate((keys // count, keys % count))
    order = np.lexsort((np.tile(-times, 2), ends))
    sizes = np.bincount(ends, minlength=count)
    places = np.arange(len(ends)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    closest = np.zeros(len(keys), np.bool_)
    closest[order[places < PARTNERS] % len(keys)] = True
    return closest


def _met(one: npt.NDArray[np.int32], ones: Numbers, two: npt.NDArray[np.int32], twos: Numbers, count: int) -> Numbers:
    """For each meeting of a key in `one` with one in `two` its pictures, as first · count + second, first < second."""
    order, others = np.argsort(one, kind="stable"), np.argsort(two, kind="stable")
    sorted_one, sorted_two = one[order], two[others]
    begins, ends = np.searchsorted(sorted_two, sorted_one, "left"), np.searchsorted(sorted_two, sorted_one, "right")
    sizes = ends - begins
    sizes[sizes > CROWD] = 0
    total = int(sizes.sum())
    mine = np.repeat(np.arange(len(order)), sizes)
    within = np.arange(total) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    a, b = ones[order[mine]], twos[others[np.repeat(begins, sizes) + within]]
    different = a != b
    first, second = np.minimum(a, b)[different], np.maximum(a, b)[different]
    # of the keypoints of one picture that meet those of another in this table each counts once, roughly: a keypoint
    # of many twins would else make a pair by itself
    keys = first * count + second
    return np.unique(np.stack((keys, one[order[mine]][different].astype(np.int64)), axis=1), axis=0)[:, 0]
