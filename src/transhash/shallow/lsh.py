"""LSH: random hyperplanes through the middle of the features.

Charikar, "Similarity Estimation Techniques from Rounding Algorithms", STOC 2002.

    function = lsh(features, None, 64)
    values = function.values(features)  # their signs are the codes
"""

from __future__ import annotations

import numpy as np

from transhash.shallow.functions import Features, Labels, Linear


def lsh(features: Features, labels: Labels, bits: int, *, seed: int = 0) -> Linear:
    """Hyperplanes in directions drawn evenly; of features (N, F) only the mean is used, of `labels` nothing."""
    mean = features.mean(axis=0, dtype=np.float64)
    weights = np.random.Generator(np.random.PCG64(seed)).standard_normal((features.shape[1], bits))
    return Linear(np.vstack([weights, -(mean @ weights)]))
