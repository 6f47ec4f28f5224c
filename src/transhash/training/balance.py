"""The batch normalisation of the methods that have one: in a step over the batch, afterwards in the biases."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from transhash.nn.mgvt import MGVT
from transhash.training.device import autocast
from transhash.training.seeds import seed_everything
from transhash.training.source import Source


def normalised(h: Tensor) -> Tensor:
    """Values with mean 0 and variance 1 over the batch, each on its own: (N, B) -> float32 (N, B)."""
    return F.batch_norm(h.float(), None, None, training=True)


@torch.no_grad()
def centre(network: MGVT, source: Source, images: int, batch: int, precision: torch.dtype, *, seed: int) -> None:
    """Make the mean of each value over all training images 0. What it is divided by does not change a sign.

    `batch`: images that are computed at a time. Leaves the network in `eval`.
    """
    network.eval()
    seed_everything(seed)
    device = next(network.parameters()).device
    total = torch.zeros(sum(network.config.code_lengths), dtype=torch.float64)
    for rows in np.array_split(np.arange(images), -(-images // batch)):
        x, after = source.batch(0, rows)
        with autocast(device, precision):
            total += network(x, after=after).float().sum(dim=0).cpu()
    network.shift(-(total / images).float().to(device))
