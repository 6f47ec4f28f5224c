"""IDHN (also ISDH), improved deep hashing for images with several labels: soft similarity of pairs.

Zhang et al., "Improved Deep Hashing with Soft Pairwise Similarity for Multi-label Image Retrieval", IEEE TMM 2019
(https://arxiv.org/abs/1803.02987), section III.

    loss = IDHNLoss(Task((64,), multi_label=True))
    value = loss(h, labels)  # h: (N, 64) relaxed codes, labels: (N, C) multi-hot or (N,) classes
    value.backward()
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from transhash.losses.hash_loss import HashLoss, Task, require_not_negative, require_positive
from transhash.losses.pairs import cosines, logistic, pair_mean, similarity

_ROUNDING = 0.01  # as in the authors' code: a similarity this near to 0 or 1 is hard


class IDHNLoss(HashLoss):
    """Cross-entropy on pairs that share no label or all, a squared error on those that share some.

    `alpha`: the logit is α/B times the inner product of the codes. `gamma`: weight of the squared error, as a multiple
    of B. `quantization`: λ, on the mean over the bits. All are those of the authors' code, for every code length.
    """

    def __init__(self, task: Task, *, alpha: float = 5.0, gamma: float = 0.1, quantization: float = 0.1) -> None:
        super().__init__(task)
        require_positive(alpha=alpha)
        require_not_negative(gamma=gamma, quantization=quantization)
        self.alpha = alpha
        self.gamma = gamma
        self.quantization = quantization

    def loss(self, h: Tensor, labels: Tensor, rows: Tensor | None) -> Tensor:
        """Mean over the pairs of the batch.

        As in the authors' code. The field's has half the inner product for the logit, which saturates, also in the
        squared error, where it then asks twice the length of a code for s = 1, and remembers all codes.
        """
        bits = h.shape[1]
        s = similarity(labels).to(h.dtype) if labels.ndim == 1 else cosines(labels.to(h.dtype)).clamp(max=1)
        u = F.softsign(h)
        inner = u @ u.T
        hard = logistic(self.alpha / bits * inner, s)
        soft = self.gamma * bits * ((inner + bits) / (2 * bits) - s).square()
        pairs = torch.where((s > _ROUNDING) & (s < 1 - _ROUNDING), soft, hard)
        return pair_mean(pairs) + self.quantization * (u.abs() - 1).abs().mean()
