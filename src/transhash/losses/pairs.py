"""What the losses on pairs of images share: which pairs are similar, how they are weighted, distances, means."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

TINY = 1e-6  # bits of distance, and length of a code, below which logarithms and quotients are held finite
_GREATEST = 1e4


def similarity(labels: Tensor, others: Tensor | None = None) -> Tensor:
    """The dynamic similarity matrix: float (N, M), 1 where two images share a class; `others`: by default the same."""
    others = labels if others is None else others
    if labels.ndim == 1:
        return (labels[:, None] == others[None, :]).float()
    return (labels.float() @ others.float().T > 0).float()


def balance(similar: Tensor, *, self_pairs: bool = False) -> Tensor:
    """Weights against the imbalance of pairs: float (N, N), |S|/|S1| on similar and |S|/|S0| on dissimilar pairs."""
    counted = torch.ones_like(similar)
    if not self_pairs:
        counted.fill_diagonal_(0)
    pairs = counted.sum()
    positive = (similar * counted).sum()
    negative = pairs - positive
    weights = similar * (pairs / positive.clamp(min=1)) + (1 - similar) * (pairs / negative.clamp(min=1))
    return weights * counted


def pair_mean(values: Tensor) -> Tensor:
    """The mean of (N, N) values over all pairs i ≠ j; 0 for a single image."""
    n = len(values)
    return (values.sum() - values.diagonal().sum()) / max(n * (n - 1), 1)


def mean_where(values: Tensor, counted: Tensor) -> Tensor:
    """The mean of the values that count: `counted` 1 or True, else 0, of their shape; 0 where none does."""
    return (values * counted).sum() / counted.sum().clamp(min=1)


def logistic(logit: Tensor, similar: Tensor) -> Tensor:
    """-log P(s | logit) where P(s = 1) is the sigmoid of the logit: log(1 + exp(θ)) - s·θ."""
    return F.softplus(logit) - similar * logit


def cauchy(distance: Tensor, similar: Tensor, gamma: float) -> Tensor:
    """-log P(s | D) where P(s = 1) = γ/(γ + D): s·log(D/γ) + log(1 + γ/D), for distances in bits."""
    distance = distance.clamp(min=TINY)
    # without the difference of two large numbers that the formula is for D near 0 and s = 1
    return torch.where(similar > 0, torch.log1p(distance / gamma), torch.log1p(gamma / distance))


def cosines(h: Tensor, others: Tensor | None = None) -> Tensor:
    """Cosine of each code with each of the others (by default the same): (N, b), (M, b) -> (N, M)."""
    unit = F.normalize(h, dim=1, eps=TINY)
    return unit @ (unit if others is None else F.normalize(others, dim=1, eps=TINY)).T


def ones_distance(h: Tensor) -> Tensor:
    """Distance in bits, by the cosine, of |h| from (1, …, 1), that is of h from its sign: (N, b) -> (N,)."""
    bits = h.shape[1]
    cosine = F.normalize(h, dim=1, eps=TINY).abs().sum(dim=1) / bits**0.5
    return bits / 2 * (1 - cosine)


def log_cosh(x: Tensor) -> Tensor:
    """log(cosh(x)), the smooth |x| of the quantization losses."""
    return x.abs() + F.softplus(-2 * x.abs()) - 0.6931471805599453


def bounded(h: Tensor) -> Tensor:
    """The codes within ±10,000, far beyond what is learnt: powers and products of them stay finite in float32."""
    return h.clamp(-_GREATEST, _GREATEST)
