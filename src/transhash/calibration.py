"""From a Hamming distance to the probability that two images are relevant to one another.

The Cauchy likelihood of the method, with two more parameters that held-out pairs decide: P(d) = c / (1 + (d/γ)^p). The
method's own has c = p = 1; but equal codes are not always of relevant images, and the share of relevant pairs falls
faster than the likelihood that a network was trained with.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Calibration:
    """What held-out pairs say of the distances of one model."""

    certainty: float  # c: the probability at distance 0
    gamma: float  # γ, in bits: where it has fallen to half of that
    power: float  # p: how steeply it falls
    pairs: int  # that it was fitted to
    data: str  # what they were of

    def probability(self, distances: ArrayLike) -> NDArray[np.float64]:
        """The probability of relevance at each distance, in a collection like the one it was fitted to."""
        return _cauchy(np.asarray(distances, np.float64), self.certainty, self.gamma, self.power)

    def radius(self, probability: float) -> int:
        """The greatest distance in bits at which the probability is still that high; -1 when there is none."""
        if probability > self.certainty:
            return -1
        if probability <= 0:
            return 1 << 30
        distance = self.gamma * math.pow(self.certainty / probability - 1, 1 / self.power)
        return math.floor(min(distance + 1e-9, 1 << 30))

    def to_dict(self) -> dict[str, Any]:
        """All of it in JSON's own types."""
        return asdict(self)


def fit(relevant: NDArray[np.int64], pairs: NDArray[np.int64], data: str) -> Calibration:
    """The calibration under which held-out pairs are most likely: relevant ones, and all, at each distance [B+1]."""

    def loss(point: NDArray[np.float64]) -> float:
        p = np.clip(_cauchy(np.arange(len(pairs)), *_parameters(point)), 1e-12, 1 - 1e-12)
        return float(-(relevant * np.log(p) + (pairs - relevant) * np.log1p(-p)).sum() / pairs.sum())

    point = np.array([2.0, math.log(len(pairs) / 8), math.log(2.0)])
    best, step = loss(point), 1.0
    while step > 1e-6:  # a compass search: three numbers, and a loss without steep valleys
        for move in np.concatenate([np.eye(3), -np.eye(3)]) * step:
            if (found := loss(point + move)) < best:
                point, best = point + move, found
                break
        else:
            step /= 2
    return Calibration(*_parameters(point), pairs=int(pairs.sum()), data=data)


def _parameters(point: NDArray[np.float64]) -> tuple[float, float, float]:
    """Certainty below 1, and γ and power above 0, from three numbers without limits."""
    certainty, gamma, power = point.tolist()
    return 1 / (1 + math.exp(-certainty)), math.exp(min(gamma, 20)), math.exp(min(power, 5))


def _cauchy(distances: NDArray[Any], certainty: float, gamma: float, power: float) -> NDArray[np.float64]:
    with np.errstate(over="ignore"):
        return np.asarray(certainty / (1 + (distances / gamma) ** power))
