"""All codes of a catalogue written again from its embeddings, and hash layers fitted to these.

Codes are whole-number arithmetic on embeddings: those that are right already are left as they are, so that only what
differs is a change. Whatever writes is called inside `Catalogue.writing`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from transhash.library.catalogue.catalogue import Catalogue
from transhash.library.catalogue.database import PAGE
from transhash.library.catalogue.embeddings import HashLayers
from transhash.library.catalogue.records import Revision
from transhash.model.fitted import Head, fit_head, sample_of


def stale(catalogue: Catalogue, head: Head) -> Iterator[list[tuple[int, bytes]]]:
    """Pictures with another code than these hash layers give: ids and the right codes, in pages.

    Raises `LibraryError` for embeddings that the layers do not read.
    """
    yield from _others(catalogue, head, catalogue.embeddings.coded())


def _others(
    catalogue: Catalogue, head: Head, pages: Iterable[tuple[list[int], list[bytes], NDArray[np.int8]]]
) -> Iterator[list[tuple[int, bytes]]]:
    """The same of pages of pictures."""
    for ids, codes, kept in pages:
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


def fitted(catalogue: Catalogue, base: str, bits: int, *, orders: bool = False) -> HashLayers:
    """Hash layers fitted to the pictures that search can find, inside `Catalogue.reading`.

    `base`: fingerprint of the model that gave the embeddings; `orders`: with a map that orders hits
    (`fit_head`). Raises `DataError` for fewer pictures than bits.
    """
    embeddings = catalogue.embeddings
    ids = embeddings.searchable()
    sample: list[int] = ids[sample_of(len(ids))].tolist()
    kept = embeddings.of(sample)
    head = fit_head(embeddings.array(kept[id_] for id_ in sample), bits, orders=len(ids) if orders else 0)
    return HashLayers(base, head, len(ids))


class Changes(NamedTuple):
    """What hash layers change, calculated before it is written, so that nobody waits for that."""

    layers: HashLayers
    revision: Revision  # of the catalogue then
    ids: NDArray[np.int64]  # [n], of the pictures that get other codes
    codes: NDArray[np.uint8]  # [n, bits/8]

    def hold(self, catalogue: Catalogue) -> bool:
        """Whether nothing has been written since, to be asked inside `Catalogue.writing`."""
        return catalogue.revision() == self.revision

    def write(self, catalogue: Catalogue) -> None:
        """Write the codes, calculated again for pictures that others have written since, and the layers."""
        later = set(catalogue.embeddings.changed(self.revision.number))
        for page in _others(catalogue, self.layers.head, catalogue.embeddings.coded_of(later)):
            catalogue.pictures.recode(page)
        for first in range(0, len(self.ids), PAGE):
            rows = zip(self.ids[first : first + PAGE].tolist(), self.codes[first : first + PAGE], strict=True)
            catalogue.pictures.recode((id_, code.tobytes()) for id_, code in rows if id_ not in later)
        catalogue.embeddings.use(self.layers)


def changes(catalogue: Catalogue, layers: HashLayers) -> Changes:
    """What these hash layers change, inside `Catalogue.reading`."""
    width = layers.head.bits // 8
    ids, codes = [np.empty(0, np.int64)], [np.empty((0, width), np.uint8)]
    for page in stale(catalogue, layers.head):
        ids.append(np.array([id_ for id_, _ in page], np.int64))
        codes.append(np.frombuffer(b"".join(code for _, code in page), np.uint8).reshape(-1, width))
    return Changes(layers, catalogue.revision(), np.concatenate(ids), np.concatenate(codes))
