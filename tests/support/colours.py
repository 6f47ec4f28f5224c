"""An encoder that gives vectors of pictures and of words, where colours stand for what models know."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image

COLOURS = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1)}


class Colours:
    """Where a picture has how much of which colour; words name colours."""

    name = "colours"
    dim = 12
    fingerprint = hashlib.sha256(b"colours").hexdigest()

    def encode(self, items: Iterable[Image.Image]) -> np.ndarray:
        return np.array([np.asarray(image.resize((2, 2)), np.float32).ravel() / 255 for image in items])

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([np.tile(sum(np.array(COLOURS[word]) for word in text.split()), 4) for text in texts], float)
