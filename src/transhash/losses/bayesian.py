"""Similarity-preserving Bayesian learning, the loss of TransHash.

Chen et al., "TransHash: Transformer-based Hamming Hashing for Efficient Image Retrieval", ICMR 2022
(https://arxiv.org/abs/2105.01823), section 3.3, equations 9-17; the Cauchy terms are those of DCH (Cao, CVPR 2018).

    loss = BayesianLoss(Task(branch_bits=(32, 16, 16)))
    value = loss(h, labels)  # h: (N, 64) relaxed codes, labels: (N,) classes or (N, C) multi-hot
    value.backward()
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from transhash.errors import RecipeError
from transhash.losses.hash_loss import HashLoss, Task

Likelihood = Literal["cauchy", "sigmoid"]
_TINY = 1e-6  # bits of distance, and length of a code, below which logarithms and quotients are held finite


class BayesianLoss(HashLoss):
    """Sum over the branches of the pair loss and of λ times the quantization prior.

    `gamma`: the Cauchy scale γ, in bits; with `scale_gamma` a branch of b bits uses γ·b/B, which gives the same
    likelihood at the same share of differing bits. `quantization`: λ. `likelihood`: "cauchy", or "sigmoid" for the
    paper's ablation "without C". `self_pairs`: count i = j among the similar pairs.
    """

    def __init__(
        self,
        task: Task,
        *,
        gamma: float = 20.0,
        scale_gamma: bool = False,
        quantization: float = 0.1,
        likelihood: Likelihood = "cauchy",
        self_pairs: bool = False,
    ) -> None:
        super().__init__(task)
        if likelihood not in get_args(Likelihood):
            raise RecipeError(f"likelihood {likelihood!r}: there are {', '.join(get_args(Likelihood))}")
        if gamma <= 0 or quantization < 0:
            raise RecipeError(f"gamma {gamma} and quantization {quantization}: γ must be positive, λ not negative")
        self.branch_bits = task.branch_bits
        whole = sum(self.branch_bits)
        self.gammas = tuple(gamma * b / whole if scale_gamma else gamma for b in self.branch_bits)
        self.quantization = quantization
        self.likelihood = likelihood
        self.self_pairs = self_pairs

    def forward(self, h: Tensor, labels: Tensor, rows: Tensor | None = None) -> Tensor:
        """The loss of one batch, computed in float32 (float64 for codes in float64), also within an autocast."""
        with torch.autocast(h.device.type, enabled=False):
            return self._total(h.to(torch.promote_types(h.dtype, torch.float32)), labels)

    def _total(self, h: Tensor, labels: Tensor) -> Tensor:
        similar = similarity(labels)
        weights = balance(similar, self_pairs=self.self_pairs)
        total = h.new_zeros(())
        for branch, gamma in zip(h.split(self.branch_bits, dim=1), self.gammas, strict=True):
            pairs = self._pairs(branch, similar, gamma)
            total = total + (weights * pairs).sum() / weights.count_nonzero().clamp(min=1)
            if self.quantization:
                total = total + self.quantization * self._prior(branch, gamma)
        return total

    def _pairs(self, h: Tensor, similar: Tensor, gamma: float) -> Tensor:
        """-log P(s_ij | h_i, h_j) for every pair: (N, b) -> (N, N)."""
        bits = h.shape[1]
        unit = F.normalize(h, dim=1, eps=_TINY)
        cosine = unit @ unit.T
        if self.likelihood == "sigmoid":
            # P(s = 1) = sigmoid(<h_i, h_j>/2) on codes of length sqrt(b), the likelihood of DHN and HashNet
            logit = cosine * (bits / 2)
            return F.softplus(logit) - similar * logit
        distance = (bits / 2 * (1 - cosine)).clamp(min=_TINY)
        # s·log(D/γ) + log(1 + γ/D), without the difference of two large numbers that it is for D near 0 and s = 1
        return torch.where(similar > 0, torch.log1p(distance / gamma), torch.log1p(gamma / distance))

    def _prior(self, h: Tensor, gamma: float) -> Tensor:
        """-log P(h_i), the mean over the batch of log(1 + D(|h_i|, 1)/γ): (N, b) -> scalar."""
        bits = h.shape[1]
        cosine = F.normalize(h, dim=1, eps=_TINY).abs().sum(dim=1) / bits**0.5
        return torch.log1p(bits / 2 * (1 - cosine) / gamma).mean()


def similarity(labels: Tensor) -> Tensor:
    """The dynamic similarity matrix: float (N, N), 1 where two images share a class."""
    if labels.ndim == 1:
        return (labels[:, None] == labels[None, :]).float()
    labels = labels.float()
    return (labels @ labels.T > 0).float()


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
