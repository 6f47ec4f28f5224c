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
from transhash.losses.centres import Centres, classification, generator, separated
from transhash.losses.hash_loss import HashLoss, Task, require_not_negative, require_positive
from transhash.losses.pairs import TINY, balance, cauchy, cosines, logistic, ones_distance, similarity

Likelihood = Literal["cauchy", "sigmoid"]


class BayesianLoss(HashLoss):
    """Sum over the branches of the pair loss and of λ times the quantization prior.

    `gamma`: the Cauchy scale γ, in bits; with `scale_gamma` a branch of b bits uses γ·b/B, which gives the same
    likelihood at the same share of differing bits. `quantization`: λ. `likelihood`: "cauchy", or "sigmoid" for the
    paper's ablation "without C". `self_pairs`: count i = j among the similar pairs.

    Ours, off as published: `whole`, pairs and prior of the whole code, as if it came out of one branch. `squash`:
    values count by their tanh, as with DCH, so that none outweighs the other bits of its code. `root_gamma`: γ is as
    given at 64 bits and grows with the root of the length, as distances of unlike codes spread. `anchor`, the
    weight of a classification of the whole code by its cosine with separated class centres, each branch counting by its
    bits unless `whole`; its `scale` and `margin` are those of OrthoHash. `centres`: "hadamard" or "bch", how they are
    found where classes are many. Pairs tell which images are alike, centres where in Hamming space there is room for
    them.
    """

    targets: Tensor

    def __init__(
        self,
        task: Task,
        *,
        gamma: float = 20.0,
        scale_gamma: bool = False,
        quantization: float = 0.1,
        likelihood: Likelihood = "cauchy",
        self_pairs: bool = False,
        whole: bool = False,
        squash: bool = False,
        root_gamma: bool = False,
        anchor: float = 0.0,
        scale: float = 8.0,
        margin: float = 0.2,
        centres: Centres = "hadamard",
    ) -> None:
        super().__init__(task)
        if likelihood not in get_args(Likelihood):
            raise RecipeError("", f"likelihood {likelihood!r}", f"there are {', '.join(get_args(Likelihood))}")
        require_positive(gamma=gamma, scale=scale)
        require_not_negative(quantization=quantization, anchor=anchor, margin=margin)
        self.branch_bits = (task.bits,) if whole else task.branch_bits
        gamma *= (task.bits / 64) ** 0.5 if root_gamma else 1.0
        self.gammas = tuple(gamma * b / task.bits if scale_gamma else gamma for b in self.branch_bits)
        self.quantization = quantization
        self.likelihood = likelihood
        self.self_pairs = self_pairs
        self.squash = squash
        self.anchor, self.scale, self.margin = anchor, scale, margin
        if anchor:
            self.register_buffer("targets", separated(task.classes, task.bits, generator(task), centres))

    def loss(self, h: Tensor, labels: Tensor, rows: Tensor | None) -> Tensor:
        """The sum over the branches."""
        h = h.tanh() if self.squash else h
        similar = similarity(labels)
        weights = balance(similar, self_pairs=self.self_pairs)
        total = h.new_zeros(())
        for branch, gamma in zip(h.split(self.branch_bits, dim=1), self.gammas, strict=True):
            pairs = self._pairs(branch, similar, gamma)
            total = total + (weights * pairs).sum() / weights.count_nonzero().clamp(min=1)
            if self.quantization:
                total = total + self.quantization * self._prior(branch, gamma)
        if self.anchor:
            # branches at the length of their codes, so that each counts by its bits
            unit = [F.normalize(b, dim=1, eps=TINY) * b.shape[1] ** 0.5 for b in h.split(self.branch_bits, dim=1)]
            total = total + self.anchor * classification(
                torch.cat(unit, dim=1), labels, self.targets.to(h.dtype), scale=self.scale, margin=self.margin
            )
        return total

    def _pairs(self, h: Tensor, similar: Tensor, gamma: float) -> Tensor:
        """-log P(s_ij | h_i, h_j) for every pair: (N, b) -> (N, N)."""
        bits = h.shape[1]
        cosine = cosines(h)
        if self.likelihood == "sigmoid":
            # P(s = 1) = sigmoid(<h_i, h_j>/2) on codes of length sqrt(b), the likelihood of DPSH
            return logistic(cosine * (bits / 2), similar)
        return cauchy(bits / 2 * (1 - cosine), similar, gamma)

    def _prior(self, h: Tensor, gamma: float) -> Tensor:
        """-log P(h_i), the mean over the batch of log(1 + D(|h_i|, 1)/γ): (N, b) -> scalar."""
        return torch.log1p(ones_distance(h) / gamma).mean()
