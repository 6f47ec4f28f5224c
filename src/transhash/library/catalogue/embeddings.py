"""What a model says of the pictures of a library, a byte a value, and hash layers fitted to it.

Codes are derived from embeddings: when layers are fitted, all codes change in one transaction, and with them the
fingerprint of the library. Nothing is decoded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from transhash.errors import DataError
from transhash.library.catalogue.database import PAGE, Database
from transhash.library.catalogue.pictures import Pictures
from transhash.model.fitted import Head, fit_head, sample_of


class HashLayers(NamedTuple):
    """Hash layers of a collection's own."""

    base: str  # fingerprint of the model whose embeddings they read
    head: Head
    pictures: int  # in the collection when they were fitted

    @property
    def fingerprint(self) -> str:
        """What tells their codes from all others."""
        return self.head.fingerprint(self.base)


class Embeddings:
    """The embeddings of a catalogue's pictures. Whatever writes is called inside `Catalogue.writing`."""

    def __init__(self, database: Database, pictures: Pictures) -> None:
        self._database = database
        self._pictures = pictures

    def layers(self, bits: int) -> HashLayers | None:
        """Hash layers for codes of that length, fitted to the collection; None where the codes are the model's own."""
        rows = self._database.rows("SELECT base, head, pictures FROM hash_layers")
        if not rows:
            return None
        base, head, pictures = rows[0]
        if not (isinstance(base, str) and isinstance(head, bytes) and isinstance(pictures, int)):
            raise self._database.damaged()
        if not head:  # general codes, by wish
            return None
        try:
            return HashLayers(base, Head.from_bytes(head, bits), pictures)
        except DataError as error:
            raise self._database.damaged() from error

    def are_general(self) -> bool:
        """Whether the codes are to stay the model's own (`keep_general`)."""
        return bool(self._database.rows("SELECT 1 FROM hash_layers WHERE head = x''"))

    def keep_general(self, base: str) -> None:
        """Remember that the codes are to stay the model's own."""
        self._database.execute("INSERT INTO hash_layers VALUES (?, x'', 0)", (base,))

    def take(self, base: str, head: bytes, pictures: int) -> None:
        """Take hash layers that come with codes from elsewhere."""
        self._database.execute("INSERT INTO hash_layers VALUES (?, ?, ?)", (base, head, pictures))

    def missing(self) -> int:
        """How many pictures have a code and no embedding: from an older transhash, or another source."""
        (count,) = self._database.rows(
            "SELECT COUNT(*) FROM picture LEFT JOIN embedding ON embedding.picture = picture.id"
            " WHERE code IS NOT NULL AND kept IS NULL"
        )[0]
        return int(count)

    def values(self) -> int | None:
        """How many values an embedding has; None where there are no embeddings."""
        rows = self._database.rows("SELECT length(kept) FROM embedding LIMIT 1")
        return int(rows[0][0]) if rows else None

    def of(self, ids: Iterable[int]) -> dict[int, bytes]:
        """The embeddings of pictures, by id; those that have none are left out."""
        sql = "SELECT picture, kept FROM embedding WHERE picture IN ({})"
        found = dict[int, bytes](self._database.chosen(sql, ids))
        if not all(isinstance(kept, bytes) for kept in found.values()):
            raise self._database.damaged()
        return found

    def are_at_least(self, count: int) -> bool:
        """Whether there are so many; to count them all would read the whole table."""
        return bool(self._database.rows("SELECT 1 FROM embedding LIMIT 1 OFFSET ?", (count - 1,)))

    def count(self) -> int:
        """How many there are."""
        return int(self._database.rows("SELECT COUNT(*) FROM embedding")[0][0])

    def all(self) -> Iterator[tuple[tuple[int, ...], tuple[bytes, ...]]]:
        """Ids of pictures and their embeddings, by id, in pages; of one moment inside `Catalogue.reading`."""
        for page in self._database.pages("SELECT picture, kept FROM embedding ORDER BY picture"):
            ids, kept = zip(*page, strict=True)
            if set(map(type, kept)) != {bytes}:
                raise self._database.damaged()
            yield ids, kept

    def pages(self) -> Iterator[tuple[list[int], NDArray[np.int8]]]:
        """Ids and embeddings [N, V] of all pictures that have both a code and an embedding, in pages."""
        last = -1
        while rows := self._database.rows(
            "SELECT picture.id, kept FROM embedding JOIN picture ON picture.id = embedding.picture"
            " WHERE picture.id > ? AND code IS NOT NULL ORDER BY picture.id LIMIT ?",
            (last, PAGE),
        ):
            yield [id_ for id_, _ in rows], self._array(kept for _, kept in rows)
            last = rows[-1][0]

    def fit(self, base: str, bits: int) -> HashLayers:
        """Fit hash layers to the collection and write all codes anew.

        Raises `DataError` for fewer pictures than bits.
        """
        pages = self._database.pages("SELECT picture FROM embedding ORDER BY picture")
        ids = np.fromiter((id_ for page in pages for (id_,) in page), np.int64)
        sample: list[int] = ids[sample_of(len(ids))].tolist()
        kept = self.of(sample)
        layers = HashLayers(base, fit_head(self._array(kept[id_] for id_ in sample), bits), len(ids))
        for page, embeddings in self.pages():
            codes = layers.head.codes(embeddings)
            self._pictures.recode((id_, code.tobytes()) for id_, code in zip(page, codes, strict=True))
        self.use(layers)
        return layers

    def use(self, layers: HashLayers) -> None:
        """From now on all codes come from these hash layers."""
        self._database.execute("DELETE FROM hash_layers")
        self.take(layers.base, layers.head.to_bytes(), layers.pictures)
        self._database.execute("UPDATE library SET fingerprint = ?", (layers.fingerprint,))

    def _array(self, kept: Iterable[bytes]) -> NDArray[np.int8]:
        """Embeddings of one length as int8 [N, V]."""
        rows = list(kept)
        if len({len(row) for row in rows}) > 1:
            raise self._database.damaged()
        return np.frombuffer(b"".join(rows), np.int8).reshape(len(rows), -1 if rows else 0)
