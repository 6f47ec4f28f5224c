"""Deep hash distillation: learnt proxies of the classes, and a view of an image that learns from another.

Jang et al., "Deep Hash Distillation for Image Retrieval", ECCV 2022
(https://arxiv.org/abs/2112.08816), section 3, and the authors' code.

    loss = DHDLoss(Task((64,), classes=10))  # its proxies are learnt too: loss.parameters()
    value = loss(h, labels, rows)  # h: (N, 64) relaxed codes, labels: (N,) or multi-hot (N, C), rows: (N,) images
    value.backward()
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from transhash.losses.centres import generator
from transhash.losses.hash_loss import HashLoss, Task, require_not_negative, require_positive
from transhash.losses.pairs import cosines, mean_where

_GAIN = 5 / 3  # of Xavier's first proxies, for tanh


class DHDLoss(HashLoss):
    """Cross-entropy of the labels with the softmax of cosines to proxies, distillation and quantization on z = tanh(h).

    `temperature`: by which cosines are divided. `distillation`: weight of 1 - cos of an image's second view to its
    first, which gets no gradient. `quantization`: weight of the binary cross-entropy of Gaussian estimators around ±1.
    Rows that are equal are views of one image; proxies and quantization look at the first of them.
    """

    views = 2

    def __init__(
        self, task: Task, *, temperature: float = 0.2, distillation: float = 0.1, quantization: float = 0.1
    ) -> None:
        super().__init__(task)
        require_positive(temperature=temperature)
        require_not_negative(distillation=distillation, quantization=quantization)
        self.temperature = temperature
        self.distillation = distillation
        self.quantization = quantization
        bound = _GAIN * (6 / (task.classes + task.bits)) ** 0.5
        first = torch.rand(task.classes, task.bits, generator=generator(task))
        self.proxies = nn.Parameter(bound * (2 * first - 1))

    def loss(self, h: Tensor, labels: Tensor, rows: Tensor | None) -> Tensor:
        """The weighted sum of the three means. Without rows each code is of another image."""
        z = h.tanh()
        own = torch.arange(len(z), device=z.device)
        first = own if rows is None else (rows[:, None] == rows[None, :]).int().argmax(dim=1)  # the first of its views
        is_first = first == own
        taught = 1 - F.cosine_similarity(z, z[first].detach(), dim=1)
        return (
            mean_where(self._proxies(z, labels), is_first)
            + self.quantization * mean_where(_estimated(z), is_first)
            + self.distillation * mean_where(taught, ~is_first)
        )

    def _proxies(self, z: Tensor, labels: Tensor) -> Tensor:
        y = F.one_hot(labels, self.task.classes) if labels.ndim == 1 else labels
        share = y.to(z.dtype) / y.sum(dim=1, keepdim=True).clamp(min=1)
        scores = cosines(z, self.proxies.to(z.dtype)) / self.temperature
        return -(share * scores.log_softmax(dim=1)).sum(dim=1)


def _estimated(z: Tensor) -> Tensor:
    """-log of the own estimator and of 1 less the other one's, of a deviation of ½ around ±1: means over the bits."""
    own, other = (2 * (z.abs() + side).square() for side in (-1, 1))
    return (own - torch.log1p(-torch.exp(-other))).mean(dim=1)
