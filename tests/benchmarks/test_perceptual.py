"""Perceptual hashes are the package's own bits."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

imagehash = pytest.importorskip("imagehash", reason="the extra `bench` is not installed")


def test_packed_hashes_are_the_packages() -> None:
    from benchmarks.evaluation.perceptual import perceptual_hashes

    random = np.random.default_rng(0)
    pictures = [random.integers(0, 256, (40, 30, 3), np.uint8) for _ in range(5)]
    found = perceptual_hashes(pictures)
    for name, function in {"pHash": imagehash.phash, "dHash": imagehash.dhash, "wHash": imagehash.whash}.items():
        for pixels, code in zip(pictures, found[name], strict=True):
            hashed = function(Image.fromarray(pixels))
            assert code.tobytes().hex() == str(hashed)
