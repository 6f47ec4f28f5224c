"""What a server does once, after its first visitor has the page: what compiles, loads or reads at first use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from transhash.codes import pack
from transhash.errors import LibraryError
from transhash.library import embedding_index
from transhash.library.duplicates import collapsing
from transhash.model import Embedder
from transhash.search import HammingIndex
from transhash.threads import workers

if TYPE_CHECKING:
    from transhash.library import LiveLibrary


def warm(live: LiveLibrary) -> Iterator[None]:
    """Compile the kernels (once on a machine) or load them, start the network, read the embeddings.

    In steps, between which others have their turn; in the order in which the page's visitor needs them.
    """
    from transhash.search import planes  # imports Numba, which takes its time

    index = live.index
    many = planes.FEW * workers()
    values = np.ones((many, index.bits), np.float32)
    for queries in (1, many):
        for relaxed in (None, values[:queries]):
            for ids in (None, index.ids[: len(index) // 2]):
                index.search(pack(values[:queries]), 10, ids=ids, values=relaxed)
                yield
    embedding_index.prepare()
    yield
    for _ in index.join(collapsing.RADIUS, ids=index.ids[:64]).pairs():
        pass
    several = HammingIndex(64)  # as copies are looked for among many hits
    several.add(np.random.default_rng(0).integers(0, 256, (512, 8), np.uint8))
    several.range_search(several.reconstruct(several.ids), radius=collapsing.RADIUS)
    yield
    collapsing.prepare()
    yield
    model = live.model
    if not isinstance(model, Embedder):
        model.read(np.zeros((8, model.image_size, model.image_size, 3), np.uint8))
    yield
    with suppress(LibraryError):  # it may be away just now; who follows it tells
        live.hold_embeddings()
