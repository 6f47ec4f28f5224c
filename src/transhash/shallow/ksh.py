"""KSH: kernel hash functions whose inner products reproduce the labels, one bit after the other.

Liu, Wang, Ji, Jiang and Chang, "Supervised Hashing with Kernels", CVPR 2012.

    function = ksh(features, labels, 64)  # labels: (N,) classes or (N, C) multi-hot
    values = function.values(features)    # their signs are the codes

With S the matrix of +1 (shares a class) and -1 over the labelled pictures, the codes Y minimise ‖Y Yᵀ / B - S‖². Each
bit y takes what the bits before it left over, R = B S - Σ y yᵀ, and maximises yᵀ R y: first relaxed to an eigenvector,
then by gradient with y = tanh(K a / 2); of the two the better one stays.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transhash.shallow.functions import Features, Labels, unvarying
from transhash.shallow.similarity import Similarity
from transhash.system import one_blas_thread

ANCHORS = 300  # as published, like all numbers below
LABELLED = 2000
STEPS = 500
TOLERANCE = 1e-2  # a labelled picture
_DOUBLINGS = 50
_ROWS = 8192  # features whose kernel is in memory at a time

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Kernel:
    """Hash functions over the similarity with A anchors: `weights` is float64 (A, B)."""

    anchors: Matrix
    width: float
    mean: Vector
    weights: Matrix

    def values(self, features: Features) -> NDArray[np.float32]:
        """Relaxed codes, float32 (M, B), of features (M, F)."""
        values = np.empty((len(features), self.weights.shape[1]), np.float32)
        for start in range(0, len(features), _ROWS):
            distances = squared_distances(features[start : start + _ROWS], self.anchors)
            values[start : start + _ROWS] = (np.exp(-distances / (2 * self.width)) - self.mean) @ self.weights
        return values


@one_blas_thread()
def ksh(
    features: Features,
    labels: Labels,
    bits: int,
    *,
    seed: int = 0,
    anchors: int = ANCHORS,
    labelled: int = LABELLED,
) -> Kernel:
    """KSH on features (N, F), with `anchors` of them in the kernel and the labels of `labelled` of them.

    Raises `DataError` without labels, and when the features do not vary.
    """
    alike = Similarity.of(labels, features, "ksh")
    random = np.random.Generator(np.random.PCG64(seed))
    chosen = features[random.permutation(len(features))[:anchors]].astype(np.float64)
    rows = random.permutation(len(features))[:labelled]
    distances = squared_distances(features, chosen)
    width = float(distances.mean())
    if width == 0 or (features == features[0]).all():  # of equal ones the distances are noise of the sums
        raise unvarying(features, "ksh")
    kernel = np.exp(-distances / (2 * width))
    mean = kernel.mean(axis=0)
    return Kernel(chosen, width, mean, learn(kernel[rows] - mean, alike[rows], bits))


def learn(kernel: Matrix, alike: Similarity, bits: int) -> Matrix:
    """Weights (A, B) for the centred kernel (n, A) of the labelled pictures."""
    n = len(kernel)
    left, singular, right = np.linalg.svd(kernel, full_matrices=False)
    kept = singular > singular[0] * max(kernel.shape) * np.finfo(np.float64).eps
    basis, back = left[:, kept], right[kept].T / singular[kept]  # a = back @ u gives kernel @ a = basis @ u
    relaxed = bits * (basis.T @ alike.times(basis))
    codes = np.empty((n, bits))
    weights = np.empty((kernel.shape[1], bits))
    for bit in range(bits):
        before = codes[:, :bit]

        def residual(y: Vector, before: Matrix = before) -> Vector:
            return bits * alike.times(y) - before @ (before.T @ y)

        spectral = np.sqrt(n) * (back @ np.linalg.eigh(relaxed)[1][:, -1])
        weights[:, bit], codes[:, bit] = spectral, signs(kernel @ spectral)
        smooth = ascend(kernel, residual, spectral)
        other = signs(kernel @ smooth)
        if other @ residual(other) > codes[:, bit] @ residual(codes[:, bit]):
            weights[:, bit], codes[:, bit] = smooth, other
        taken = basis.T @ codes[:, bit]
        relaxed -= np.outer(taken, taken)
    return weights


def ascend(kernel: Matrix, residual: Callable[[Vector], Vector], start: Vector) -> Vector:
    """Weights (A,) that make yᵀ R y greater, y = tanh(K a / 2), by Nesterov's gradient, its step by doubling."""
    previous, current = start, start
    last = loss(kernel, residual, start)
    momentum, following = 0.0, 1.0
    steepness = 1.0
    for _ in range(STEPS):
        point = current + (momentum - 1) / following * (current - previous)
        here, slope = gradient(kernel, residual, point)
        square = slope @ slope
        for _ in range(_DOUBLINGS):
            candidate = point - slope / steepness
            there = loss(kernel, residual, candidate)
            if there <= here - square / (2 * steepness):
                break
            steepness *= 2
        else:
            break
        previous, current = current, candidate
        if abs(there - last) <= TOLERANCE * len(kernel):
            break
        last = there
        momentum, following = following, (1 + np.sqrt(1 + 4 * following**2)) / 2
    return current


def loss(kernel: Matrix, residual: Callable[[Vector], Vector], weights: Vector) -> float:
    """-yᵀ R y with y = tanh(K a / 2)."""
    y = np.tanh(kernel @ weights / 2)
    return float(-(y @ residual(y)))


def gradient(kernel: Matrix, residual: Callable[[Vector], Vector], weights: Vector) -> tuple[float, Vector]:
    """The loss and its gradient with respect to the weights (A,)."""
    y = np.tanh(kernel @ weights / 2)
    pull = residual(y)
    return float(-(y @ pull)), -(kernel.T @ (pull * (1 - y**2)))


def signs(values: Vector) -> Vector:
    """+1 above zero, else -1."""
    return np.where(values > 0, 1.0, -1.0)


def squared_distances(a: NDArray[np.floating], b: Matrix) -> Matrix:
    """Between all rows of a (Na, F) and b (Nb, F): float64 (Na, Nb)."""
    a = a.astype(np.float64)
    squares: Matrix = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * (a @ b.T)
    return np.maximum(squares, 0, out=squares)
