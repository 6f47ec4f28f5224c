"""DPSH, deep pairwise-supervised hashing: the likelihood of pairs of each batch with all training images.

Li et al., "Feature Learning based Deep Supervised Hashing with Pairwise Labels", IJCAI 2016
(https://arxiv.org/abs/1511.03855), equations 2-4 and algorithm 1.

    loss = DPSHLoss(Task((64,), classes=10, images=5000))
    value = loss(h, labels, rows)  # h: (N, 64) relaxed codes; rows: which of the 5,000 images these are
    value.backward()
"""

from __future__ import annotations

import torch
from torch import Tensor

from transhash.errors import RecipeError
from transhash.losses.hash_loss import HashLoss, Task, require_not_negative
from transhash.losses.pairs import bounded, logistic, similarity


class DPSHLoss(HashLoss):
    """Pairwise cross-entropy against the latest code U of every training image, and η times the distance from ±1.

    `quantization`: η, that of a sum over the images next to a sum over all pairs: both are divided alike here. The
    paper finds 10 to 100 equally good, the authors' code has 50.
    """

    codes: Tensor
    labels: Tensor
    seen: Tensor

    def __init__(self, task: Task, *, quantization: float = 50.0) -> None:
        super().__init__(task)
        require_not_negative(quantization=quantization)
        self.quantization = quantization
        self.register_buffer("codes", torch.zeros(task.images, task.bits))
        shape = (task.images, task.classes) if task.multi_label else (task.images,)
        self.register_buffer("labels", torch.zeros(shape, dtype=torch.int64))
        self.register_buffer("seen", torch.zeros(task.images, dtype=torch.bool))

    def loss(self, h: Tensor, labels: Tensor, rows: Tensor | None) -> Tensor:
        """Mean over the pairs of the batch with the remembered images, each image with itself left out.

        Only images that were seen count. The field's code counts all, those that were not as dissimilar, which alters
        no gradient but its scale; it takes η for 0.1 and the mean over the bits.
        """
        h = bounded(h)
        rows = self._remember(h, labels, rows)
        remembered = self.seen.nonzero().squeeze(1)
        similar = similarity(labels, self.labels[remembered]).to(h.dtype)
        others = (rows[:, None] != remembered[None, :]).to(h.dtype)
        pairs = others * logistic(0.5 * h @ self.codes[remembered].T, similar)
        from_binary = (h - h.sign()).square().sum(dim=1)
        weight = self.quantization / self.task.images
        return pairs.sum() / others.sum().clamp(min=1) + weight * from_binary.mean()

    def _remember(self, h: Tensor, labels: Tensor, rows: Tensor | None) -> Tensor:
        """Keep the codes and labels of a batch; returns its rows."""
        if rows is None:
            raise RecipeError(
                "", "DPSH remembers the code of each training image", "pass `rows`, the images of the batch"
            )
        self.codes = self.codes.to(h.dtype)
        self.codes[rows] = h.detach()
        self.labels[rows] = labels.to(self.labels.dtype)
        self.seen[rows] = True
        return rows
