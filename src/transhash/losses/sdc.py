"""SDC, similarity distribution calibration: similarities of codes are spread, in the order of those of features.

Ng et al., "Unsupervised Hashing with Similarity Distribution Calibration", BMVC 2023
(https://arxiv.org/abs/2302.07669), and the authors' code.

    function = sdc(features, None, 64)  # features: float32 (N, F), without labels
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from transhash.errors import RecipeError
from transhash.losses.coders import Coder, coder
from transhash.losses.pairs import TINY, bounded

BETA = 5.0  # of the distribution that similarities are calibrated to; that of the authors' code
EPOCHS, BATCH, DECAY_AT = 100, 64, 80  # as published
_LEARNING_RATE, _LATER = 1e-4, 0.1  # the rate of Adam is ours
_GRID = 20_001


def sdc(features: NDArray[np.float32], labels: None, bits: int, *, seed: int = 0, epochs: int = EPOCHS) -> Coder:
    """A hash coder (GELU) trained on features (N, F) without labels, batch by batch, as a hash function.

    Raises `RecipeError` for fewer than four features, of which no two pairs can be made.
    """
    if len(features) < 4:
        raise RecipeError("", f"{len(features)} images are too few to compare pairs", "give four or more")
    network = coder(features.shape[1], bits, nn.GELU(), seed=seed)
    random = np.random.Generator(np.random.PCG64(seed))
    optimizer = torch.optim.Adam(network.parameters(), _LEARNING_RATE)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, max(1, epochs * DECAY_AT // EPOCHS), _LATER)
    size = min(BATCH, len(features)) // 2 * 2
    wanted = torch.from_numpy(quantiles(size // 2, BETA)).clamp(min=0)
    for _ in range(epochs):
        order = random.permutation(len(features))
        for start in range(0, len(features) - size + 1, size):
            x = torch.from_numpy(features[order[start : start + size]])
            optimizer.zero_grad()
            loss(network(x), x, wanted).backward()
            optimizer.step()
        scheduler.step()
    return Coder.of(network, [features])


def loss(h: Tensor, features: Tensor, wanted: Tensor) -> Tensor:
    """Of pairs of the first and the second half of a batch: |similarity - wanted|, and 1 - cos(h, sign(h)) of all.

    h (2n, B), features (2n, F); `wanted` (n), ascending: the similarity of the pair whose features are least alike
    comes first.
    """
    h = bounded(h)
    one, other = h.chunk(2)
    first, second = features.chunk(2)
    order = F.cosine_similarity(first, second, eps=TINY).argsort()
    similar = F.cosine_similarity(one, other, eps=TINY)[order]
    quantization = 1 - F.cosine_similarity(h, h.detach().sign(), eps=TINY)
    return (similar - wanted.to(h.dtype)).abs().mean() + quantization.mean()


def quantiles(count: int, beta: float) -> NDArray[np.float32]:
    """The quantiles (2i + 1)/2n of a similarity 2x - 1, x being of Beta(β, β): float32 (count,), ascending."""
    x = np.linspace(0, 1, _GRID)
    density = (x * (1 - x)) ** (beta - 1)
    whole = np.concatenate([[0.0], np.cumsum(density[1:] + density[:-1])])
    return (2 * np.interp((2 * np.arange(count) + 1) / (2 * count), whole / whole[-1], x) - 1).astype(np.float32)
