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

from transhash.plain import JsonObject

TRIALS = 500  # evaluations of the likelihood in a fit, at most
_LOGIT = 14.0  # bound of the certainty's: a millionth from 0 and from 1


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
        if probability == self.certainty:
            return 0
        log = math.log(self.gamma) + math.log(self.certainty / probability - 1) / self.power  # no power overflows
        return math.floor(min(math.exp(min(log, 50.0)) + 1e-9, 1 << 30))

    def to_dict(self) -> JsonObject:
        """All of it in JSON's own types."""
        return asdict(self)


def fit(relevant: NDArray[np.int64], pairs: NDArray[np.int64], data: str) -> Calibration:
    """The calibration under which held-out pairs are most likely: relevant ones, and all, at each distance [B+1].

    Fisher scoring with Marquardt's damping between bounds, `TRIALS` evaluations at most: where pairs say little the
    likelihood is a flat valley, along which any search by small gains would go on without an end.
    """
    distances = np.arange(len(pairs), dtype=np.float64)
    low = np.array([-_LOGIT, math.log(0.01), math.log(0.25)])
    high = np.array([_LOGIT, math.log(1e6 * len(pairs)), math.log(50.0)])
    point = np.array([2.0, math.log(len(pairs) / 8), math.log(2.0)])
    loss, gradient, information = _likelihood(point, distances, relevant, pairs)
    damping = 1e-3
    for _ in range(TRIALS):
        free = ~((point <= low) & (gradient > 0) | (point >= high) & (gradient < 0))
        step = np.zeros(3)
        damped = information + damping * np.diag(np.diag(information) + 1e-12)
        step[free] = -np.linalg.solve(damped[np.ix_(free, free)], gradient[free])
        tried = np.clip(point + np.clip(step, -2, 2), low, high)
        found = _likelihood(tried, distances, relevant, pairs)
        gain = loss - found[0]
        if gain > 0:
            point, (loss, gradient, information) = tried, found
            damping = max(damping / 10, 1e-9)
        else:
            damping *= 10
        if 0 < gain < 1e-10 * abs(loss) or damping > 1e9:
            break
    certainty, gamma, power = point.tolist()
    certainty = 1 / (1 + math.exp(-certainty))
    return Calibration(certainty, math.exp(gamma), math.exp(power), pairs=int(pairs.sum()), data=data)


def _likelihood(
    point: NDArray[np.float64], distances: NDArray[np.float64], relevant: NDArray[np.int64], pairs: NDArray[np.int64]
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """Mean negative log-likelihood of a pair, its gradient (3,) and its Fisher information (3, 3).

    `point`: the logit of the certainty, and the logarithms of γ and of the power.
    """
    logit, log_gamma, log_power = point.tolist()
    certainty, power = 1 / (1 + math.exp(-logit)), math.exp(log_power)
    with np.errstate(divide="ignore", over="ignore"):
        ratio = np.log(distances) - log_gamma  # of the distance to γ; -inf at 0
        fall = 1 / (1 + np.exp(power * ratio))
    p = certainty * fall
    steep = p * (1 - fall) * power
    slopes = np.stack([p * (1 - certainty), steep, -steep * np.where(distances > 0, ratio, 0.0)])  # (3, B+1)
    safe = np.clip(p, 1e-12, 1 - 1e-12)
    weight = pairs.sum()
    loss = -(relevant * np.log(safe) + (pairs - relevant) * np.log1p(-safe)).sum() / weight
    spread = safe * (1 - safe)
    gradient = slopes @ ((pairs * safe - relevant) / spread) / weight
    return float(loss), gradient, (slopes * (pairs / spread)) @ slopes.T / weight


def _cauchy(distances: NDArray[Any], certainty: float, gamma: float, power: float) -> NDArray[np.float64]:
    with np.errstate(over="ignore"):
        return np.asarray(certainty / (1 + (distances / gamma) ** power))
