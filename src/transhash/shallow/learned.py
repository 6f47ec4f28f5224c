"""Learned heads: the Bayesian loss of TransHash on vectors, a linear map or a small perceptron, in NumPy alone.

Chen et al., "TransHash: Transformer-based Hamming Hashing for Efficient Image Retrieval", ICMR 2022, section 3.3; the
loss is `transhash.losses.BayesianLoss` of one branch, with its gradient written out.

    function = learned(features, labels, 64)         # labels: (N,) classes or (N, C) multi-hot, or None
    values = function.values(features)               # their signs are the codes

It starts from ITQ. With labels, two vectors are alike that share a class. Without, they are alike to a degree: that
which the likelihood of the loss gives their own cosine, so that the distances of codes follow the angles of vectors.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from transhash.shallow.functions import Features, Labels, Linear
from transhash.shallow.itq import itq
from transhash.shallow.similarity import Similarity
from transhash.system import one_blas_thread

GAMMA = 20 / 64  # the Cauchy scale, in shares of the bits: the paper's 20 of 64
BATCH = 256
STEPS = 500
NEAREST = 30  # without labels: how many neighbours of a vector are drawn from
GROUP = 8  # without labels: vectors of one neighbourhood in a batch
_TINY = 1e-6

Floats = NDArray[np.float32]
Batches = Iterator[tuple[NDArray[np.int64], Floats, Floats]]  # rows, how alike (n, n), weights of pairs (n, n)


class Schedule(NamedTuple):
    """How it is learned; chosen on vectors of Imagenette's photographs."""

    quantization: float  # λ
    rate: float  # of Adam at first, then to 0 by a cosine


WITH_LABELS = Schedule(0.1, 3e-4)  # λ as published
WITHOUT = Schedule(0.03, 3e-4)


@dataclass(frozen=True)
class Perceptron:
    """A linear map, and a hidden layer beside it: `head` (F + 1, B), `inner` (F + 1, H), `outer` (H, B)."""

    head: Floats
    inner: Floats
    outer: Floats

    def values(self, features: Features) -> Floats:
        """Relaxed codes, float32 (M, B), of features (M, F)."""
        hidden = np.maximum(features @ self.inner[:-1] + self.inner[-1], 0)
        values: Floats = (features @ self.head[:-1] + self.head[-1] + hidden @ self.outer).astype(np.float32)
        return values


@one_blas_thread()
def learned(
    features: Features, labels: Labels, bits: int, *, seed: int = 0, hidden: int = 0, steps: int = STEPS
) -> Linear | Perceptron:
    """Learn a head of `bits` bits on features (N, F), with `hidden` units beside the linear map, or none.

    Raises `DataError` when the features do not vary.
    """
    start = itq(features, bits, seed=seed, wide=True).astype(np.float64)
    random = np.random.Generator(np.random.PCG64(seed))
    mean = features.mean(axis=0, dtype=np.float64)
    scale = float((features - mean).std())
    inputs = ((features - mean) / scale).astype(np.float32)
    head = start[:-1] / max(float((inputs @ start[:-1]).std()), _TINY)
    weights = [head, np.zeros(bits)]
    if hidden:
        inner = random.standard_normal((features.shape[1], hidden)) * (2 / features.shape[1]) ** 0.5
        weights += [inner, np.zeros(hidden), np.zeros((hidden, bits))]
    starting = [each.astype(np.float32) for each in weights]
    if labels is not None:
        found = _descend(starting, inputs, _of_classes(labels, features, random), WITH_LABELS, steps)
    else:
        found = _descend(starting, inputs, _of_neighbours(features, inputs, bits, random), WITHOUT, steps)

    def folded(weights: Floats, added: Floats) -> Floats:
        """For features as they come."""
        turned = weights.astype(np.float64) / scale
        return np.vstack([turned, added - mean @ turned]).astype(np.float32)

    if not hidden:
        return Linear(folded(found[0], found[1]))
    return Perceptron(folded(found[0], found[1]), folded(found[2], found[3]), found[4])


def learned_function(features: Features, labels: Labels, bits: int, *, seed: int = 0) -> Linear | Perceptron:
    """`learned` from features alone, for comparisons of methods without labels; of `labels` nothing is used."""
    return learned(features, None, bits, seed=seed)


def loss(h: Floats, alike: Floats, weights: Floats, gamma: float, quantization: float) -> tuple[float, Floats]:
    """The Bayesian loss of relaxed codes h (n, B), γ in bits, and its gradient (n, B).

    `alike` (n, n): how alike two vectors are, 0 to 1; `weights` (n, n): what each pair counts.
    """
    n, bits = h.shape
    lengths = np.maximum(np.linalg.norm(h, axis=1, keepdims=True), _TINY)
    u = h / lengths
    distance = np.maximum(bits / 2 * (1 - u @ u.T), _TINY)
    each = alike * np.log1p(distance / gamma) + (1 - alike) * np.log1p(gamma / distance)
    slope = (alike - (1 - alike) * gamma / distance) / (gamma + distance)
    by_cosine = weights * slope * (distance > _TINY) * (-bits / 2)
    by_u = (by_cosine + by_cosine.T) @ u
    off = bits / 2 * (1 - np.abs(u).sum(axis=1, keepdims=True) / bits**0.5)  # bits, from the code's own signs
    value = float((weights * each).sum() + quantization * np.log1p(off / gamma).mean())
    by_u -= quantization / n / (gamma + off) * (bits**0.5 / 2) * np.sign(u)
    gradient: Floats = (by_u - u * (u * by_u).sum(axis=1, keepdims=True)) / lengths
    return value, gradient


def balanced(alike: Floats) -> Floats:
    """Weights against the imbalance of pairs that are alike (1) or not (0), as in the paper: (n, n), 0 for i = j."""
    counted = 1 - np.eye(len(alike), dtype=np.float32)
    ones, zeros = ((each * counted).sum() for each in (alike, 1 - alike))
    return np.asarray(counted * (alike / max(ones, 1) + (1 - alike) / max(zeros, 1)), np.float32)


def _of_classes(labels: NDArray[np.generic], features: Features, random: np.random.Generator) -> Batches:
    """Rows drawn by chance, alike where they share a class."""
    similar = Similarity.of(labels, features, "learned")
    while True:
        rows = random.permutation(len(features))[:BATCH]
        alike = (similar[rows].dense() > 0).astype(np.float32)
        yield rows, alike, balanced(alike)


def _of_neighbours(features: Features, centred: Features, bits: int, random: np.random.Generator) -> Batches:
    """Neighbourhoods: rows drawn by chance, each with some of its nearest; alike by the angles from the mean."""
    near, unit, gamma = nearest(features, NEAREST), _unit(centred), GAMMA * bits
    while True:
        centres = random.permutation(len(features))[: BATCH // GROUP]
        drawn = random.permuted(near[centres], axis=1)[:, : GROUP - 1]
        rows = np.unique(np.concatenate([centres[:, None], drawn], axis=1))
        angles = np.maximum(bits / 2 * (1 - unit[rows] @ unit[rows].T), 0)
        counted = 1 - np.eye(len(rows), dtype=np.float32)
        yield rows, gamma / (gamma + angles), counted / max(counted.sum(), 1)


def _unit(features: Features) -> Floats:
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return np.asarray(features / np.maximum(lengths, _TINY), np.float32)


def nearest(features: Features, k: int) -> NDArray[np.int64]:
    """The rows of the k other features of greatest cosine: int64 (N, min(k, N - 1))."""
    unit = _unit(features)
    k = min(k, len(unit) - 1)
    found = np.empty((len(unit), k), np.int64)
    for start in range(0, len(unit), 1024):
        cosines = unit[start : start + 1024] @ unit.T
        cosines[np.arange(len(cosines)), start + np.arange(len(cosines))] = -np.inf
        found[start : start + 1024] = np.argpartition(-cosines, k - 1, axis=1)[:, :k] if k else 0
    return found


def _descend(weights: list[Floats], inputs: Floats, batches: Batches, schedule: Schedule, steps: int) -> list[Floats]:
    """Adam on batches: the weights and offsets afterwards."""
    gamma = GAMMA * weights[0].shape[1]
    first = [np.zeros_like(each) for each in weights]
    second = [np.zeros_like(each) for each in weights]
    for step in range(steps):
        rows, alike, counts = next(batches)
        x = inputs[rows]
        h = x @ weights[0] + weights[1]
        hidden = np.maximum(x @ weights[2] + weights[3], 0) if len(weights) > 2 else None
        if hidden is not None:
            h += hidden @ weights[4]
        _, by_h = loss(h, alike, counts, gamma, schedule.quantization)
        slopes = [x.T @ by_h, by_h.sum(axis=0)]
        if hidden is not None:
            by_hidden = by_h @ weights[4].T * (hidden > 0)
            slopes += [x.T @ by_hidden, by_hidden.sum(axis=0), hidden.T @ by_h]
        rate = schedule.rate * (1 + np.cos(np.pi * step / steps)) / 2
        for place, slope in enumerate(slopes):
            first[place] += 0.1 * (slope - first[place])
            second[place] += 0.001 * (slope**2 - second[place])
            corrected = second[place] / (1 - 0.999 ** (step + 1))
            weights[place] -= rate * first[place] / (1 - 0.9 ** (step + 1)) / (np.sqrt(corrected) + 1e-8)
    return weights
