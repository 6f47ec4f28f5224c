"""Pictures of a few kinds, for hash layers to be fitted to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from transhash.model.likeness import Likeness

KINDS = 6
LIKENESS = Likeness(9.0, -4.0, 1000, "a test")


def draw(folder: Path, count: int, seed: int = 0) -> list[Path]:
    """Pictures of some kinds, which differ in noise."""
    random = np.random.default_rng(seed)
    kinds = np.random.default_rng(7).integers(0, 256, (KINDS, 8, 8, 3))
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(count):
        pixels = kinds[number % KINDS] * 0.4 + random.integers(0, 150, (8, 8, 3))
        paths.append(folder / f"{seed}-{number:04d}.png")
        Image.fromarray(pixels.astype(np.uint8)).resize((32, 32), Image.Resampling.NEAREST).save(paths[-1])
    return paths
