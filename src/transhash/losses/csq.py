"""CSQ, central similarity quantization: each image is pulled to the hash centre of its class.

Yuan et al., "Central Similarity Quantization for Efficient Image and Video Retrieval", CVPR 2020
(https://arxiv.org/abs/1908.00347), equations 3-6 and algorithm 1.

    loss = CSQLoss(Task((64,), classes=10))
    value = loss(h, labels)  # h: (N, 64) relaxed codes, labels: (N,) classes or (N, C) multi-hot
    value.backward()
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from transhash.losses.centres import Centres, bernoulli, generator, separated
from transhash.losses.hash_loss import HashLoss, Task, require_not_negative
from transhash.losses.pairs import bounded, log_cosh


class CSQLoss(HashLoss):
    """Binary cross-entropy of (tanh(h) + 1)/2 with the centre's bits, and λ times the smooth distance from ±1.

    `quantization`: λ, on means over the bits, the field's for every code length. An image with several
    labels has the majority of their centres, bit by bit, and one random code where they tie. `centres`: "hadamard" as
    published; with "bch", which is ours, more classes than Hadamard's matrix has rows for get codewords that are
    further apart than random codes.
    """

    centres: Tensor
    ties: Tensor

    def __init__(self, task: Task, *, quantization: float = 0.0001, centres: Centres = "hadamard") -> None:
        super().__init__(task)
        require_not_negative(quantization=quantization)
        self.quantization = quantization
        random = generator(task)
        self.register_buffer("centres", separated(task.classes, task.bits, random, centres))
        self.register_buffer("ties", bernoulli(1, task.bits, random)[0])

    def loss(self, h: Tensor, labels: Tensor, rows: Tensor | None) -> Tensor:
        """Mean over the images and bits; the log cosh is the paper's, the codes published have a square in its place.

        The authors' code has a pairwise term besides, which the paper has not.
        """
        h = bounded(h)
        centre = self._centre(labels).to(h.dtype)
        # -log of (1 + c·tanh(h))/2, which is the sigmoid of 2·c·h
        central = F.softplus(-2 * centre * h)
        return central.mean() + self.quantization * log_cosh(h.tanh().abs() - 1).mean()

    def _centre(self, labels: Tensor) -> Tensor:
        """The centre of each image: (N, B)."""
        if labels.ndim == 1:
            return self.centres[labels]
        votes = labels.float() @ self.centres
        return torch.where(votes == 0, self.ties, votes.sign())
