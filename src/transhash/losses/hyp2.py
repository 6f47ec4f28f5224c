"""HyP²: learnt proxies of the classes, and irrelevant pairs of images with several labels kept apart.

Xu et al., "HyP² Loss: Beyond Hypersphere Metric Space for Multi-label Image Retrieval", ACM Multimedia 2022
(https://arxiv.org/abs/2208.06866), section 3, and the authors' code.

    loss = HyP2Loss(Task((64,), classes=10))  # its proxies are learnt too: loss.parameters()
    value = loss(h, labels)  # h: (N, 64) relaxed codes, labels: (N,) classes or (N, C) multi-hot
    value.backward()
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn, randn

from transhash.losses.centres import generator
from transhash.losses.hash_loss import HashLoss, Task, require_not_negative
from transhash.losses.pairs import cosines, mean_where


class HyP2Loss(HashLoss):
    """Mean of 1 - cos to the own proxies, mean of (cos - ζ)₊ to the others, and β times that among irrelevant images.

    `beta`: β, of the pairs of images that have several labels each and none in common. ζ is the cosine of two codes
    at the greatest distance that as many codes as there are classes can keep.
    """

    def __init__(self, task: Task, *, beta: float = 0.5) -> None:
        super().__init__(task)
        require_not_negative(beta=beta)
        self.beta = beta
        self.threshold = 1 - 2 * distance_bound(task.bits, task.classes) / task.bits
        first = randn(task.classes, task.bits, generator=generator(task))
        self.proxies = nn.Parameter(first * (2 / task.classes) ** 0.5)

    def loss(self, h: Tensor, labels: Tensor, rows: Tensor | None) -> Tensor:
        """The sum of the three means; one over nothing is 0."""
        y = F.one_hot(labels, self.task.classes) if labels.ndim == 1 else labels
        y = y.to(h.dtype)
        cosine = cosines(h, self.proxies.to(h.dtype))
        total = mean_where(1 - cosine, y) + mean_where((cosine - self.threshold).relu(), 1 - y)
        several = (y.sum(dim=1) > 1).to(h.dtype)
        irrelevant = (y @ y.T == 0).to(h.dtype) * several[:, None] * several[None, :]
        return total + self.beta * mean_where((cosines(h) - self.threshold).relu(), irrelevant)


def distance_bound(bits: int, classes: int) -> int:
    """The greatest distance d by Griesmer's bound, d + ⌈d/2⌉ + … + ⌈d/2ᵏ⁻¹⌉ ≤ B, of as many codes as there are classes.

    k is the least with 2ᵏ codes or more.
    """
    k = max(1, (classes - 1).bit_length())
    return max((d for d in range(1, bits + 1) if sum(-(-d // 2**i) for i in range(k)) <= bits), default=0)
