"""All codes of a catalogue written again from its embeddings, and hash layers fitted to these.

Codes are whole-number arithmetic on embeddings: those that are right already are left as they are, so that only what
differs is a change. Whatever writes is called inside `Catalogue.writing`.
"""

from __future__ import annotations

from collections.abc import Iterator

from transhash.library.catalogue.catalogue import Catalogue
from transhash.library.catalogue.embeddings import HashLayers
from transhash.model.fitted import Head, fit_head, sample_of


def stale(catalogue: Catalogue, head: Head) -> Iterator[list[tuple[int, bytes]]]:
    """Pictures with another code than these hash layers give: ids and the right codes, in pages.

    Raises `LibraryError` for embeddings that the layers do not read.
    """
    for ids, codes, kept in catalogue.embeddings.coded():
        if kept.shape[1] != len(head.weights):
            raise catalogue.damaged()
        right = [code.tobytes() for code in head.codes(kept)]
        yield [(id_, code) for id_, old, code in zip(ids, codes, right, strict=True) if old != code]


def recode(catalogue: Catalogue, head: Head) -> int:
    """Write the codes that these hash layers give; returns how many were others."""
    changed = 0
    for page in stale(catalogue, head):
        catalogue.pictures.recode(page)
        changed += len(page)
    return changed


def fit(catalogue: Catalogue, base: str, bits: int, *, orders: bool = False) -> HashLayers:
    """Fit hash layers to the pictures that search can find, and write all codes.

    `base`: fingerprint of the model that gave the embeddings; `orders`: with a map that orders hits
    (`fit_head`). Raises `DataError` for fewer pictures than bits.
    """
    embeddings = catalogue.embeddings
    ids = embeddings.searchable()
    sample: list[int] = ids[sample_of(len(ids))].tolist()
    kept = embeddings.of(sample)
    head = fit_head(embeddings.array(kept[id_] for id_ in sample), bits, orders=len(ids) if orders else 0)
    layers = HashLayers(base, head, len(ids))
    recode(catalogue, layers.head)
    embeddings.use(layers)
    return layers
