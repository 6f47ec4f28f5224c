"""Whether the codes of a library are those that its hash layers make of its embeddings."""

from __future__ import annotations

import numpy as np

from transhash import Library
from transhash.model.fitted import Head


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
