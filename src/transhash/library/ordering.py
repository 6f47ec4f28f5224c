"""What orders the pictures of a library: their embeddings, or what hash layers of its own make of these."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from transhash.library.catalogue.catalogue import Catalogue
from transhash.library.catalogue.records import Revision

if TYPE_CHECKING:
    from transhash.library.catalogue.embeddings import HashLayers

REMEMBERED = 1 << 14  # pictures, of which that is remembered


class Ordering:
    """What orders the pictures of a catalogue."""

    def __init__(self, catalogue: Catalogue, layers: HashLayers | None) -> None:
        """`layers`: those that have a map of their own; None for embeddings as they are."""
        self.catalogue = catalogue
        self.layers = layers
        self._kept: tuple[Revision | None, dict[int, bytes]] = None, {}  # of a revision, by id

    @cached_property
    def name(self) -> str:
        """The fingerprint of the layers, or nothing."""
        return self.layers.fingerprint if self.layers else ""

    def all(self) -> Iterator[tuple[Sequence[int], Sequence[bytes]]]:
        """Ids and what orders them, by id, in pages; of one moment inside `Catalogue.reading`."""
        return ((ids, self._mapped(kept)) for ids, kept in self.catalogue.embeddings.all())

    def of(self, ids: Iterable[int]) -> dict[int, bytes]:
        """What orders some pictures, by id; those without an embedding are left out."""
        kept = self.catalogue.embeddings.of(ids)
        return dict(zip(kept, self._mapped(list(kept.values())), strict=True))

    def kept(self, ids: Iterable[int], revision: Revision) -> Mapping[int, bytes]:
        """The same, remembered while the catalogue is at that revision: the next search asks for many of them again.

        Nothing stands for a picture without an embedding.
        """
        if self._kept[0] != revision or len(self._kept[1]) > REMEMBERED:
            self._kept = revision, {}
        known = self._kept[1]
        if missing := [id_ for id_ in ids if id_ not in known]:
            with self.catalogue.reading():
                known.update({**dict.fromkeys(missing, b""), **self.of(missing)})
        return known

    def _mapped(self, kept: Sequence[bytes]) -> Sequence[bytes]:
        if self.layers is None or not kept:
            return kept
        values = len(self.layers.head.weights)
        good = [place for place, each in enumerate(kept) if len(each) == values]
        rows = np.frombuffer(b"".join(kept[place] for place in good), np.int8).reshape(-1, values)
        found = [b""] * len(kept)  # nothing stands for an embedding of another length
        for place, row in zip(good, self.layers.head.ordered(rows), strict=True):
            found[place] = row.tobytes()
        return found
