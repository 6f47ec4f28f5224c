"""Several pictures as one query: like these, but not like those."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from transhash.codes import pack
from transhash.model.fitted import embedding
from transhash.server import faults
from transhash.server.queries import Options, Query
from transhash.server.searching import codes_of, embeddings_of

if TYPE_CHECKING:
    from transhash.library.searching import Snapshot

AGAINST = 0.5  # of the weight of what is looked for: what is like both is not lost


def joined(snapshot: Snapshot, options: Options, like: list[Query], unlike: list[Query]) -> Query:
    """The query in the middle of those that are `like` it, away from the middle of the others (Rocchio, 1971).

    Each counts the same, however sure its bits are. Hits of several, or of words, have no probability: their cosines
    with pictures are others than those of pictures. Raises a `Fault` for an id of no picture.
    """
    every = dict(enumerate([*like, *unlike]))
    codes = codes_of(snapshot.index, every)
    if len(codes) < len(every):
        raise faults.unknown_picture()
    signs = np.stack(
        [
            np.unpackbits(codes[number]) * 2.0 - 1.0 if each.values is None else each.values.astype(np.float64)
            for number, each in every.items()
        ]
    )
    values = _between(signs, len(like)).astype(np.float32)
    kept = embeddings_of(snapshot, every)
    own = None
    if len(kept) == len(every) and len({len(each) for each in kept.values()}) == 1:
        vectors = np.stack([kept[number] for number in every]).astype(np.float64)
        own = embedding(_between(vectors, len(like))[None])[0]
    of_words = len(every) > 1 or any(each.of_words for each in every.values())
    return Query(options, code=np.ravel(pack(values[None])), values=values, embedding=own, of_words=of_words)


def _between(vectors: NDArray[np.float64], like: int) -> NDArray[np.float64]:
    """The middle of the directions of the first `like` vectors [N, B], away from that of the others: [B]."""
    units = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    middle = units[:like].mean(axis=0)
    return np.asarray(middle - AGAINST * units[like:].mean(axis=0) if len(units) > like else middle)
