"""BRE: kernel hash functions whose Hamming distances reproduce given distances, one weight after the other.

Kulis and Darrell, "Learning to Hash with Binary Reconstructive Embeddings", NIPS 2009; its supervised setting, in
which pictures of a class are 0 apart and others 1.

    function = bre(features, labels, 64)  # labels: (N,) classes or (N, C) multi-hot
    values = function.values(features)    # their signs are the codes

Over all pairs of training pictures, Σ (d - h / B)² is minimised, d the distance by labels and h the Hamming distance.
A bit is the sign of Σ_q w_q κ(x_q, x) over its own basis x_q. As one w_q goes from -∞ to ∞, each picture changes its
bit once, so that all values of the sum are found by walking through these places in their order; w_q moves to the best.
With everything times B², these are sums of integers, and the search is exact.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transhash.kernels import inlined, kernel
from transhash.shallow.functions import Features, Labels, Linear, unvarying
from transhash.shallow.similarity import Similarity

BASIS = 50  # pictures a bit, as usual
TRAINING = 1000  # pictures, as usual
SWEEPS = 30  # over all weights, at most
TOLERANCE = 1e-4  # of the objective: a sweep that gains less is the last
_GAP = 1e-7  # between the places where two pictures change: closer ones count as one, lest rounding tells them apart


def bre(
    features: Features,
    labels: Labels,
    bits: int,
    *,
    seed: int = 0,
    basis: int = BASIS,
    training: int = TRAINING,
    sweeps: int = SWEEPS,
) -> Linear:
    """BRE with the linear kernel on centred features (N, F) of unit length, on `training` of them.

    Raises `DataError` without labels, and when the features do not vary.
    """
    alike = Similarity.of(labels, features, "bre")
    random = np.random.Generator(np.random.PCG64(seed))
    mean = features.mean(axis=0, dtype=np.float64)
    rows = random.permutation(len(features))[:training]
    points = features[rows] - mean
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    if not lengths.any():
        raise unvarying(features, "bre")
    points /= np.maximum(lengths, np.finfo(np.float64).tiny)
    chosen = [random.permutation(len(points))[:basis] for _ in range(bits)]
    weights = random.standard_normal((bits, len(chosen[0])))
    targets = np.where(alike[rows].dense() > 0, 0, bits).astype(np.int32)
    descend(points @ points.T, chosen, weights, targets, sweeps)
    # a linear kernel of unit vectors: the bit is a hyperplane, and the length of what is hashed changes no sign
    planes = np.stack([w @ points[c] for w, c in zip(weights, chosen, strict=True)], axis=1)  # (F, B)
    return Linear(np.vstack([planes, -(mean @ planes)]))


def descend(
    similarities: NDArray[np.float64],
    chosen: list[NDArray[np.int64]],
    weights: NDArray[np.float64],
    targets: NDArray[np.int32],
    sweeps: int,
) -> None:
    """Improve `weights` (B, s) in place: kernel (n, n), the basis of each bit, and targets B d (n, n)."""
    codes = np.stack([similarities[:, c] @ w > 0 for w, c in zip(weights, chosen, strict=True)])  # (B, n)
    hamming = sum_of_differences(codes)
    for _ in range(sweeps):
        before = objective(hamming, targets)
        for bit, basis in enumerate(chosen):
            hamming -= codes[bit][:, None] ^ codes[bit]
            pairs = 1 - 2 * (targets - hamming)  # what a pair adds when its bits differ
            np.fill_diagonal(pairs, 0)
            columns = np.ascontiguousarray(similarities[:, basis].T)
            improve(columns, weights[bit], pairs, _GAP)
            codes[bit] = weights[bit] @ columns > 0
            hamming += codes[bit][:, None] ^ codes[bit]
        if before - objective(hamming, targets) <= TOLERANCE * before:
            break


def sum_of_differences(codes: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Hamming distances int32 (n, n) of bits (B, n)."""
    total = np.zeros((codes.shape[1],) * 2, np.int32)
    for bit in codes:
        total += bit[:, None] ^ bit
    return total


def objective(hamming: NDArray[np.int32], targets: NDArray[np.int32]) -> int:
    """Σ (B d - h)² over all ordered pairs of different pictures."""
    errors = (targets - hamming).astype(np.int64)
    np.fill_diagonal(errors, 0)
    return int((errors**2).sum())


@inlined
def flip(i, x, products, pairs):  # type: ignore[no-untyped-def]
    """Turn bit i of `x`, and bring P x up to date."""
    x[i] = -x[i]
    for j in range(len(products)):
        products[j] += 2 * x[i] * pairs[i, j]


@kernel
def improve(columns, weights, pairs, gap):  # type: ignore[no-untyped-def]
    """Move each of `weights` (s,) to its best place in turn: kernel (s, n), and int32 (n, n) of what pairs add.

    The objective is a constant less xᵀ P x / 2, with bits x of -1 and +1 and P the pairs, whose diagonal is 0.
    """
    s, n = columns.shape
    projected = np.zeros(n)
    for q in range(s):
        for i in range(n):
            projected[i] += weights[q] * columns[q, i]
    x = np.where(projected > 0, 1, -1).astype(np.int32)
    products = np.zeros(n, np.int32)  # P x
    for i in range(n):
        for j in range(n):
            products[i] += pairs[i, j] * x[j]
    places = np.empty(n)
    for q in range(s):
        for i in range(n):
            slope = columns[q, i]
            places[i] = weights[q] - projected[i] / slope if abs(slope) > 1e-12 else np.inf
        order = np.argsort(places)
        middle = np.searchsorted(places[order], weights[q])
        best, best_weight, best_direction, best_steps = np.int64(0), weights[q], 0, 0
        for direction in (1, -1):
            walked, sums = x.copy(), products.copy()
            score = np.int64(0)
            at = middle if direction == 1 else middle - 1
            steps = 0
            while 0 <= at < n and places[order[at]] < np.inf:
                i = order[at]
                score -= 4 * np.int64(walked[i]) * np.int64(sums[i])
                flip(i, walked, sums, pairs)
                steps += 1
                here, at = places[i], at + direction
                ahead = places[order[at]] if 0 <= at < n else direction * np.inf
                size = max(1.0, abs(here))
                if score > best and abs(ahead - here) > gap * size:
                    best, best_direction, best_steps = score, direction, steps
                    best_weight = (here + ahead) / 2 if abs(ahead) < np.inf else here + direction * size
        at = middle if best_direction == 1 else middle - 1
        for _ in range(best_steps):
            i, at = order[at], at + best_direction
            flip(i, x, products, pairs)
        moved = best_weight - weights[q]
        weights[q] = best_weight
        for i in range(n):
            projected[i] += moved * columns[q, i]
