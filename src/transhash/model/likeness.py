"""From the cosine of two embeddings to the probability that their pictures show the same kind of thing.

P(c) = 1 / (1 + exp(-(slope · c + offset))), fitted to the pairs that a search shows: each query's nearest pictures.
What "the same kind" is, labels say, and sets differ in it: species of birds are finer kinds than rooms of a house. Sets
are therefore weighed alike, and the probability is that of a set of which nothing is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transhash.plain import JsonObject

Embeddings = NDArray[np.int8] | NDArray[np.float32]

SHOWN = 50  # nearest pictures of each, whose cosines are calibrated, at least
_STEPS = 50  # of Newton's method, at most
_RIDGE = 1e-6  # keeps pairs that a threshold parts without error from an endless slope


@dataclass(frozen=True)
class Likeness:
    """What pairs of pictures say of the cosines of one model's embeddings."""

    slope: float
    offset: float
    pairs: int  # that it was fitted to
    data: str  # what they were of

    def probability(self, cosines: ArrayLike) -> NDArray[np.float64]:
        """The probability of being of one kind at each cosine, of the same shape."""
        return np.asarray(1 / (1 + np.exp(-(self.slope * np.asarray(cosines, np.float64) + self.offset))))

    def to_dict(self) -> JsonObject:
        """All of it in JSON's own types."""
        return asdict(self)


def fit(cosines: Sequence[NDArray[np.floating]], relevant: Sequence[NDArray[np.bool_]], data: str) -> Likeness:
    """The most likely curve for the pairs of several sets, each an array [P] of cosines and one of what is relevant.

    Every set has the same weight, however many pairs it has.
    """
    c = np.concatenate([np.ravel(some) for some in cosines]).astype(np.float64)
    y = np.concatenate([np.ravel(some) for some in relevant]).astype(np.float64)
    weight = np.concatenate([np.full(np.size(some), 1 / np.size(some)) for some in cosines]) / len(cosines)
    x = np.stack([c, np.ones(len(c))], axis=1)
    point = np.zeros(2)
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-(x @ point)))
        gradient = x.T @ (weight * (p - y)) + _RIDGE * point
        curvature = (x * (weight * p * (1 - p))[:, None]).T @ x + _RIDGE * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        point -= np.clip(step, -5, 5)
        if np.abs(step).max() < 1e-9:
            break
    slope, offset = point.tolist()
    return Likeness(slope, offset, len(c), data)


def of_embeddings(kept: Embeddings, same: NDArray[np.bool_], data: str) -> Likeness:
    """The most likely curve for embeddings [N, V], of each picture with its nearest; `same` [N, N]: of one kind.

    These are `SHOWN`, or twice as many as are of its kind: the nearest of a good model are all of one kind, and would
    not show at which cosines pictures are not.
    """
    count = np.maximum(SHOWN, 2 * (same.sum(axis=1, keepdims=True) - 1))
    cosines, relevant = nearest(kept, same)
    shown = np.arange(cosines.shape[1]) < count
    return fit([cosines[shown]], [relevant[shown]], data)


def nearest(kept: Embeddings, same: NDArray[np.bool_]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Of each of some pictures, its cosines with the others, the greatest first, and whether they are of one kind.

    Embeddings [N, V], `same` [N, N]: two arrays [N, N - 1].
    """
    from transhash.evaluation.cosine import unit  # which a search does without

    directions = unit(kept.astype(np.float32))
    cosines = directions @ directions.T
    np.fill_diagonal(cosines, -np.inf)
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :-1]  # without the picture itself, which comes last
    return np.take_along_axis(cosines, order, 1), np.take_along_axis(same, order, 1)


def expected_error(stated: NDArray[np.floating], relevant: NDArray[np.bool_], bins: int = 10) -> float:
    """Expected calibration error of stated probabilities, in bins of equal width: a mean over all pairs."""
    place = np.minimum((np.ravel(stated) * bins).astype(int), bins - 1)
    claimed = np.bincount(place, weights=np.ravel(stated), minlength=bins)
    so = np.bincount(place, weights=np.ravel(relevant), minlength=bins)
    return float(np.abs(claimed - so).sum() / max(np.size(stated), 1))
