"""What a server does once, after its first visitor has the page: what compiles, loads or reads at first use."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from transhash.errors import LibraryError
from transhash.library import embedding_index
from transhash.model import Embedder
from transhash.threads import workers

if TYPE_CHECKING:
    from transhash.library import LiveLibrary
    from transhash.search import HammingIndex

FEW_IDS = 1000  # that pass a filter: their codes are looked at alone


def warm(live: LiveLibrary) -> Iterator[None]:
    """Compile the kernels (once on a machine) or load them, start the network, read the embeddings.

    In steps, between which others have their turn; in the order in which the page's visitor needs them.
    """
    from transhash.library.duplicates import collapsing  # these import Numba, which takes its time
    from transhash.search import HammingIndex

    yield from _searched(live.index)
    index = live.index
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
    yield
    gc.freeze()  # Numba and the model, above all: to look through them takes a tenth of a second each time


def _searched(index: HammingIndex) -> Iterator[None]:
    """Search in all ways that there are: for one and for many, by a scan and by tables, in all and in what passes."""
    from transhash.search import guessing, scan

    ids, many = index.ids, scan.turning.FEW * workers()
    codes = index.reconstruct(np.resize(ids, many)) if len(ids) else np.zeros((many, index.bits // 8), np.uint8)
    values = np.unpackbits(codes, axis=1).astype(np.float32) - 0.5
    for queries in (1, many):
        for relaxed in (None, values[:queries]):
            for allowed in (None, ids[: len(ids) // 2], ids[:FEW_IDS]):
                for strategy in (None, "scan", "mih"):
                    index.search(codes[:queries], guessing.FEWEST, ids=allowed, values=relaxed, strategy=strategy)
                yield
