"""One seed for each place in a run, so that a run continues at any step exactly as if it had not stopped."""

from __future__ import annotations

import numpy as np
import torch


def seed_everything(*place: int) -> None:
    """Seed torch's generator from a tuple of numbers, such as (seed, step)."""
    torch.manual_seed(int(np.random.SeedSequence(place).generate_state(1, np.uint64)[0]))


def order(seed: int, epoch: int, rows: int) -> np.ndarray:
    """The order in which an epoch visits the training images: int64 (rows,)."""
    return np.random.Generator(np.random.PCG64([seed, epoch])).permutation(rows)
