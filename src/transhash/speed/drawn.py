"""Pictures to measure with: drawn, as large as photographs, and files as large as theirs."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from transhash.data.sets import Images, ImageSet

CLASSES = 10
_DETAIL = 12  # pixels of the picture for one that is drawn: about as many bytes as photographs have


def jpegs(number: int, width: int, height: int) -> list[bytes]:
    """JPEG files of smooth noise; the same ones every time."""
    random = np.random.default_rng(0)
    files = []
    for _ in range(number):
        shape = (max(2, height // _DETAIL), max(2, width // _DETAIL), 3)
        noise = Image.fromarray(random.integers(0, 256, shape, np.uint8))
        file = io.BytesIO()
        noise.resize((width, height), Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
        files.append(file.getvalue())
    return files


def labelled(number: int, width: int, height: int) -> ImageSet:
    """Such pictures as a set of ten classes."""
    labels = np.arange(number, dtype=np.int64) % CLASSES
    names = tuple(f"class {c}" for c in range(CLASSES))
    return ImageSet("drawn", Images(jpegs(number, width, height)), labels, names, number)
