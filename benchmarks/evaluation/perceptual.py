"""Perceptual hashes of the package imagehash, as packed codes: what people use where nothing is learned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transhash.images import Source, open_image
from transhash.progress import Progress, silent
from transhash.system import processors

NAMES = ("pHash", "dHash", "wHash")
BITS = 64


def perceptual_hashes(
    pictures: Sequence[Source], names: Sequence[str] = NAMES, progress: Progress = silent
) -> dict[str, NDArray[np.uint8]]:
    """Hashes of pictures by name: uint8 (N, 8) each. Raises `ImageError` for a picture that cannot be used."""
    import imagehash

    functions: dict[str, Callable[[Any], Any]] = {
        "pHash": imagehash.phash,
        "dHash": imagehash.dhash,
        "wHash": imagehash.whash,
    }

    def of(place: int) -> list[NDArray[np.uint8]]:
        image = open_image(pictures[place])
        if place % 64 == 0:
            progress(f"perceptual hashes of {BITS} bits", place, len(pictures), "")
        return [np.packbits(np.asarray(functions[name](image).hash, np.bool_).ravel()) for name in names]

    with ThreadPoolExecutor(processors()) as pool:
        rows = list(pool.map(of, range(len(pictures))))
    return {name: np.array([row[i] for row in rows], np.uint8).reshape(-1, 8) for i, name in enumerate(names)}
