"""From features to an embedding: what is largest in them, their principal components.

A map that learned the likenesses too was worse on pictures of kinds that it had not seen.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from transhash.model.fitted import embedding

VALUES = 256  # of an embedding, a byte each
Floats = NDArray[np.float32]


def principal(values: Tensor, power: float = 0.0) -> Floats:
    """The embedding's map (F + 1, V): features' principal components, centred; below them what is added.

    Components are divided by their deviation to some power.
    """
    mean = values.double().mean(0)
    centred = values.double() - mean
    sizes, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
    main = vectors.flip(1)[:, :VALUES] * sizes.flip(0)[:VALUES].clamp(min=1e-9) ** (-power / 2)
    main = main / (centred @ main).norm(dim=1).mean()
    return torch.cat([main, -(mean @ main)[None]]).float().cpu().numpy()


def embedded(linear: Floats, features: NDArray[np.floating]) -> NDArray[np.int8]:
    """Embeddings of features (N, F) by a map (F + 1, V), as the model computes them: int8 (N, V)."""
    parts = [features[start : start + 8192].astype(np.float64) for start in range(0, len(features), 8192)]
    return np.concatenate([embedding(part @ linear[:-1].astype(np.float64) + linear[-1]) for part in parts])
