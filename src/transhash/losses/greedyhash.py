"""GreedyHash: a classifier on the binary codes themselves, with a gradient that passes the sign unchanged.

Su et al., "Greedy Hash: Towards Fast Optimization for Accurate Hash Coding in CNN", NeurIPS 2018
(https://papers.nips.cc/paper/2018/hash/13f3cf8c531952d72e5847c4183e6910-Abstract.html), section 3.

    loss = GreedyHashLoss(Task((64,), classes=10))  # its classifier is learnt too: loss.parameters()
    value = loss(h, labels)  # h: (N, 64) relaxed codes, labels: (N,) classes
    value.backward()
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from transhash.losses.centres import generator
from transhash.losses.hash_loss import HashLoss, Task, require_not_negative
from transhash.losses.pairs import bounded


class GreedyHashLoss(HashLoss):
    """Cross-entropy of a linear classifier on sign(h), and α times the mean of | |h| - 1 |³.

    `quantization`: α, that of the authors' code on CIFAR-10, for every code length. The paper defines the supervised
    method for single labels only.
    """

    single_label_only = True

    def __init__(self, task: Task, *, quantization: float = 0.1) -> None:
        super().__init__(task)
        require_not_negative(quantization=quantization)
        self.quantization = quantization
        first = torch.rand(task.classes, task.bits, generator=generator(task)) * 2 - 1
        self.classifier = nn.Parameter(first / task.bits**0.5)

    def loss(self, h: Tensor, labels: Tensor, rows: Tensor | None) -> Tensor:
        """Mean over the images."""
        h = bounded(h)
        code = h.sign() + (h - h.detach())  # the sign, with the gradient of h
        logits = code @ self.classifier.to(h.dtype).T
        return F.cross_entropy(logits, labels) + self.quantization * (h.abs() - 1).abs().pow(3).mean()
