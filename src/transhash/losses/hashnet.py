"""HashNet: a weighted likelihood of pairs, on codes that become binary by continuation.

Cao et al., "HashNet: Deep Learning to Hash by Continuation", ICCV 2017 (https://arxiv.org/abs/1702.00758),
equations 1-4 and algorithm 1.

    loss = HashNetLoss(Task((64,)))
    loss.progress = step / steps  # before each step: β grows with it
    value = loss(h, labels)  # h: (N, 64) relaxed codes, labels: (N,) classes or (N, C) multi-hot
    value.backward()
"""

from __future__ import annotations

import torch
from torch import Tensor

from transhash.errors import RecipeError
from transhash.losses.hash_loss import HashLoss, Task, require_not_negative, require_positive
from transhash.losses.pairs import balance, logistic, pair_mean, similarity


class HashNetLoss(HashLoss):
    """Weighted pairwise cross-entropy on tanh(β·h), β growing in stages from 1.

    `alpha`: the sigmoid's α as a multiple of 1/B; the field's code has α = 10/B. `growth` and `stages`: β is
    √(1 + growth·t) where t is the share of training that is done, in steps of 1/stages. The paper has 10 stages;
    in the authors' code β reaches √51 at the end.
    """

    def __init__(self, task: Task, *, alpha: float = 10.0, growth: float = 50.0, stages: int = 10) -> None:
        super().__init__(task)
        require_positive(alpha=alpha)
        require_not_negative(growth=growth)
        if stages < 1 or stages != int(stages):
            raise RecipeError("", f"stages is {stages}", "it must be a whole number from 1")
        self.alpha = alpha
        self.growth = growth
        self.stages = stages

    @property
    def beta(self) -> float:
        """β of the stage that the training is in."""
        stage = int(min(self.progress * self.stages, self.stages - 1))
        return (1 + self.growth * stage / self.stages) ** 0.5

    def loss(self, h: Tensor, labels: Tensor, rows: Tensor | None) -> Tensor:
        """Mean over the pairs of the batch; the field's code remembers all codes, the authors' does not."""
        similar = similarity(labels).to(h.dtype)
        g = (self.beta * h).tanh()
        weights = balance(similar) * _confidence(labels, similar)
        return pair_mean(weights * logistic(self.alpha / h.shape[1] * (g @ g.T), similar))


def _confidence(labels: Tensor, similar: Tensor) -> Tensor:
    """The paper's c_ij: |y_i ∩ y_j| / |y_i ∪ y_j| for similar pairs, (N, N).

    It is 1 for dissimilar pairs, which by the letter of that formula would all weigh nothing. The authors' published
    code and the field's leave c_ij out.
    """
    if labels.ndim == 1:
        return torch.ones_like(similar)
    labels = labels.to(similar.dtype)
    common = labels @ labels.T
    count = labels.sum(dim=1)
    either = count[:, None] + count[None, :] - common
    return torch.where(similar > 0, common / either.clamp(min=1), 1.0)
