"""Libraries whose codes are fitted, and whether their codes are those that the hash layers make of embeddings."""

from __future__ import annotations

import numpy as np

from kinds import draw
from transhash import Library
from transhash.model.fitted import Head


def fitted_to_more(library: Library, count: int, seed: int) -> None:
    """Draw so many pictures more into `pictures`, next to the library, index them, and fit the codes again."""
    pictures = library.path.parent / "pictures"
    draw(pictures, count, seed=seed)
    library.index(pictures)
    library.fit()


def stale(library: Library) -> int:
    """How many codes are others than the present hash layers give, one picture after the other."""
    rows = library.catalogue.database.rows(
        "SELECT head, bits, code, kept FROM hash_layers, library, picture JOIN embedding ON picture = picture.id"
    )
    heads = {head: Head.from_bytes(head, bits) for head, bits, _, _ in rows}
    return sum(code != _code(heads[head], kept) for head, _, code, kept in rows)


def _code(head: Head, kept: bytes) -> bytes:
    values = np.frombuffer(kept, np.int8).astype(np.int64) @ head.weights.astype(np.int64) + head.offset
    return np.packbits(values > 0).tobytes()
