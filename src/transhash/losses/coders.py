"""Hash coders: the two layers on features of a frozen backbone that methods without labels train.

network = coder(384, 64, nn.ReLU(), seed=0)  # in: features (N, 384), out: relaxed codes (N, 64)
...                                          # a method trains it
function = Coder.of(network, [features])     # a hash function
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn


def coder(width: int, bits: int, activation: nn.Module, *, seed: int) -> nn.Sequential:
    """Two linear layers with an activation between them and a batch normalisation at the end."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = nn.Sequential(nn.Linear(width, width), activation, nn.Linear(width, bits), nn.BatchNorm1d(bits))
        for layer in network:
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)
    return network


@dataclass(frozen=True)
class Coder:
    """A trained network as a hash function."""

    network: nn.Sequential

    @classmethod
    def of(cls, network: nn.Sequential, features: Iterable[NDArray[np.floating]]) -> Coder:
        """With the means and variances over all training features (N, F); running ones lag in a short training."""
        normalise = network[-1]
        assert isinstance(normalise, nn.BatchNorm1d)
        normalise.reset_running_stats()
        normalise.momentum = None  # the mean over all that follows
        with torch.no_grad():
            for some in features:
                network(torch.from_numpy(some).float())
        return cls(network.eval())

    def values(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Relaxed codes, float32 (M, B), of features (M, F)."""
        with torch.no_grad():
            values: NDArray[np.float32] = self.network(torch.from_numpy(features)).numpy()
        return values
