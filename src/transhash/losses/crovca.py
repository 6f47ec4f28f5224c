"""CroVCA, cross-view code alignment: views of the same thing get one code, and a coding rate keeps the codes apart.

Moummad et al., "Image Hashing via Cross-View Code Alignment in the Age of Foundation Models", CVPRW 2026
(https://arxiv.org/abs/2510.27584), algorithm 1, and the authors' code.

    loss = CroVCALoss(Task((64,), classes=10))
    value = loss(h, labels)  # h: (N, 64) relaxed codes, labels: (N,) classes or (N, C) multi-hot
    value.backward()
    function = hash_coder(views, 64)  # without labels: views float32 (V, N, F), features of views of the same images
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from transhash.errors import RecipeError
from transhash.losses.coders import Coder, coder
from transhash.losses.hash_loss import HashLoss, Task, require_not_negative, require_positive
from transhash.losses.pairs import TINY, bounded

RATE, EPSILON = 0.1, 0.05  # weight of the coding rate, and its ε
EPOCHS, BATCH = 5, 256  # of the hash coder, as published; so are its rate of learning and its decay
_LEARNING_RATE, _LEAST, _DECAY = 1e-3, 1e-6, 1e-2


class CroVCALoss(HashLoss):
    """Cross-entropy of each bit with the code of the class in the batch, minus the coding rate of the batch's codes.

    `coding_rate`: the weight of the coding rate. `epsilon`: its ε, the distortion that it allows. The code of a class
    is the sign of the mean of its relaxed codes, without a gradient; an image of several classes has the sign of the
    mean over their means. `labels`: False to learn without any, from two views of each image: the target of a view is
    then the code of the other.
    """

    normalised = True

    def __init__(self, task: Task, *, coding_rate: float = RATE, epsilon: float = EPSILON, labels: bool = True) -> None:
        super().__init__(task)
        require_not_negative(coding_rate=coding_rate)
        require_positive(epsilon=epsilon)
        self.coding_rate = coding_rate
        self.epsilon = epsilon
        self.views = 1 if labels else 2

    def loss(self, h: Tensor, labels: Tensor, rows: Tensor | None) -> Tensor:
        """Mean over the images and bits; one without any label counts in the coding rate alone."""
        h = bounded(h)
        if self.views == 2:
            return without_labels(*h.chunk(2), weight=self.coding_rate, epsilon=self.epsilon)
        y = (F.one_hot(labels, self.task.classes) if labels.ndim == 1 else labels).to(h.dtype)
        means = y.T @ h.detach() / y.sum(dim=0).clamp(min=1)[:, None]  # (C, B)
        known = y.sum(dim=1) > 0
        aligned = (alignment(h, y @ means) * known).sum() / known.sum().clamp(min=1)
        return aligned - self.coding_rate * coding_rate(h, self.epsilon)


def without_labels(first: Tensor, second: Tensor, *, weight: float = RATE, epsilon: float = EPSILON) -> Tensor:
    """The loss of relaxed codes (N, B), (N, B) of two views of the same images: each is to have the other's code."""
    aligned = (alignment(first, second) + alignment(second, first)).mean() / 2
    return aligned - weight * (coding_rate(first, epsilon) + coding_rate(second, epsilon)) / 2


def alignment(h: Tensor, other: Tensor) -> Tensor:
    """Binary cross-entropy of the sigmoid of h with the bits of other relaxed codes, mean over the bits: (N,).

    The other codes get no gradient.
    """
    bits = (other.detach() > 0).to(h.dtype)
    return F.binary_cross_entropy_with_logits(h, bits, reduction="none").mean(dim=1)


def coding_rate(h: Tensor, epsilon: float) -> Tensor:
    """½ log det(I + B/(N·ε) VᵀV) · (B + N)/(B·N), the rows of V being those of h at length 1: (N, B) -> scalar."""
    n, bits = h.shape
    v = F.normalize(h, dim=1, eps=TINY)
    spread = torch.eye(bits, dtype=h.dtype, device=h.device) + bits / (n * epsilon) * v.T @ v
    return torch.linalg.cholesky(spread).diagonal().log().sum() * (bits + n) / (bits * n)


def hash_coder(views: NDArray[np.floating], bits: int, *, seed: int = 0) -> Coder:
    """The small HashCoder, trained on features (V, N, F) of V views of N images without labels: a hash function.

    An epoch takes two of the views, in turn. Raises `RecipeError` for fewer than two views or images.
    """
    count, images, width = views.shape
    if count < 2 or images < 2:
        raise RecipeError(
            "", f"{count} views of {images} images are too few to align", "give two views or more (cached_views)"
        )
    network = coder(width, bits, nn.ReLU(), seed=seed)
    random = np.random.Generator(np.random.PCG64(seed))
    optimizer = torch.optim.AdamW(network.parameters(), _LEARNING_RATE, weight_decay=_DECAY)
    size = min(BATCH, images)
    steps = images // size
    for epoch in range(EPOCHS):
        for place, rows in enumerate(np.split(random.permutation(images)[: steps * size], steps)):
            share = (1 + math.cos(math.pi * (epoch + place / steps) / EPOCHS)) / 2
            optimizer.param_groups[0]["lr"] = _LEAST + (_LEARNING_RATE - _LEAST) * share
            one, other = (torch.from_numpy(views[view % count][rows]).float() for view in (2 * epoch, 2 * epoch + 1))
            optimizer.zero_grad()
            without_labels(network(one), network(other)).backward()
            optimizer.step()
    return Coder.of(network, views)
