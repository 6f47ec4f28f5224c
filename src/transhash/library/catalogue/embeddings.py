"""What a model says of the pictures of a library, a byte a value, and hash layers fitted to it.

Codes are derived from embeddings: when layers are fitted, all codes change in one transaction, and with them the
fingerprint of the library (`recoding`, in this folder). Nothing is decoded. A code that comes from other layers than
the library has when it is written is made again from its embedding (`current`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from transhash.errors import DataError, LibraryError
from transhash.library.catalogue.database import PAGE, Database
from transhash.library.catalogue.records import Coded, File
from transhash.model.fitted import Head


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

    def __init__(self, database: Database) -> None:
        self._database = database
        self.begin()

    def begin(self) -> None:
        """A transaction has begun."""
        self._of_library: tuple[str, int] | None = None  # fingerprint and bits: another process may fit after it

    def layers(self, bits: int) -> HashLayers | None:
        """Hash layers for codes of that length, fitted to the collection; None where the codes are the model's own.

        Raises `LibraryError` for layers that are not those of the library's fingerprint.
        """
        rows = self._database.rows("SELECT base, head, pictures, fingerprint FROM hash_layers JOIN library")
        if not rows:
            return None
        base, head, pictures, fingerprint = rows[0]
        if not (isinstance(base, str) and isinstance(head, bytes) and isinstance(pictures, int)):
            raise self._database.damaged()
        if not head:  # general codes, by wish
            return None
        try:
            found = HashLayers(base, Head.from_bytes(head, bits), pictures)
        except DataError as error:
            raise self._database.damaged() from error
        if found.fingerprint != fingerprint:
            raise self._database.damaged()
        return found

    def fitted_to(self) -> int:
        """How many pictures the hash layers were fitted to, less those that are gone; 0 without such layers."""
        rows = self._database.rows("SELECT pictures FROM hash_layers WHERE head <> x''")
        if rows and not isinstance(rows[0][0], int):
            raise self._database.damaged()
        return int(rows[0][0]) if rows else 0

    def shrink(self, left: int) -> None:
        """Remember that only so many pictures are left of those that the hash layers were fitted to, at least one."""
        self._database.execute("UPDATE hash_layers SET pictures = ? WHERE pictures > ?", (max(1, left),) * 2)

    def are_general(self) -> bool:
        """Whether the codes are to stay the model's own (`keep_general`)."""
        return bool(self._database.rows("SELECT 1 FROM hash_layers WHERE head = x''"))

    def keep_general(self, base: str) -> None:
        """Remember that the codes are to stay the model's own, unless another process has fitted them, or done so."""
        sql = "INSERT INTO hash_layers SELECT ?, x'', 0 WHERE NOT EXISTS (SELECT 1 FROM hash_layers)"
        self._database.execute(sql, (base,))

    def missing(self) -> int:
        """How many pictures that are there have a code and no embedding: from an older transhash, or another source."""
        (count,) = self._database.rows(
            "SELECT COUNT(*) FROM picture LEFT JOIN embedding ON embedding.picture = picture.id"
            " WHERE code IS NOT NULL AND vanished IS NULL AND kept IS NULL"
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

    def coded(self) -> Iterator[tuple[list[int], list[bytes], NDArray[np.int8]]]:
        """Ids, codes and embeddings [N, V] of all pictures that have both a code and an embedding, in pages."""
        last = -1
        while rows := self._database.rows(
            "SELECT picture.id, code, kept FROM embedding JOIN picture ON picture.id = embedding.picture"
            " WHERE picture.id > ? AND code IS NOT NULL ORDER BY picture.id LIMIT ?",
            (last, PAGE),
        ):
            yield [row[0] for row in rows], [row[1] for row in rows], self.array(row[2] for row in rows)
            last = rows[-1][0]

    def changed(self, number: int) -> list[int]:
        """Ids of the pictures that were written since the revision of a number: whoever puts an embedding says so."""
        return [id_ for (id_,) in self._database.rows("SELECT id FROM picture WHERE changed > ?", (number,))]

    def coded_of(self, ids: Iterable[int]) -> Iterator[tuple[list[int], list[bytes], NDArray[np.int8]]]:
        """The same as `coded` gives, of some pictures."""
        sql = (
            "SELECT picture.id, code, kept FROM embedding JOIN picture ON picture.id = embedding.picture"
            " WHERE code IS NOT NULL AND picture.id IN ({})"
        )
        rows = self._database.chosen(sql, ids)
        while page := list(islice(rows, PAGE)):
            yield [row[0] for row in page], [row[1] for row in page], self.array(row[2] for row in page)

    def pages(self) -> Iterator[tuple[list[int], NDArray[np.int8]]]:
        """Ids and embeddings [N, V] of the same, in pages."""
        for ids, _, kept in self.coded():
            yield ids, kept

    def searchable(self) -> NDArray[np.int64]:
        """Ids of the pictures that search can find and that have an embedding, ascending: int64 [n]."""
        pages = self._database.pages(
            "SELECT picture.id FROM embedding JOIN picture ON picture.id = embedding.picture"
            " WHERE code IS NOT NULL AND vanished IS NULL ORDER BY picture.id"
        )
        return np.fromiter((id_ for page in pages for (id_,) in page), np.int64)

    def put(self, kept: Collection[tuple[int, bytes | None]]) -> None:
        """The embeddings of pictures, by id, are these, or none."""
        self._database.many("DELETE FROM embedding WHERE picture = ?", ((id_,) for id_, each in kept if each is None))
        self._database.many("INSERT OR REPLACE INTO embedding VALUES (?, ?)", (each for each in kept if each[1]))

    def current(self, pictures: Iterable[tuple[File, Coded]]) -> list[tuple[File, Coded]]:
        """The same pictures with codes of the library's present hash layers, made from embeddings where they differ.

        To be called inside the transaction that writes them: another process may have fitted before. Raises
        `LibraryError` for a code of another model, or of other layers without an embedding.
        """
        found = list(pictures)
        if self._of_library is None:
            ((fingerprint, bits),) = self._database.rows("SELECT fingerprint, bits FROM library")
            self._of_library = fingerprint, bits
        fingerprint, bits = self._of_library
        others = [
            (row, coded, coded.origin)
            for row, (_, coded) in enumerate(found)
            if coded.code is not None and coded.origin is not None and coded.origin.fingerprint != fingerprint
        ]
        if not others:
            return found
        layers = self.layers(bits)
        values = len(layers.head.weights) if layers else 0
        if layers is None or not all(
            origin.base == layers.base and len(coded.embedding or b"") == values for _, coded, origin in others
        ):
            raise LibraryError(
                self._database.path.parent,
                f"{len(others):,} codes are of other hash layers than the library has now, and cannot be made again",
                "run it again; if that does not help, use the library's own model",
            )
        codes = layers.head.codes(self.array(coded.embedding or b"" for _, coded, _ in others))
        for (row, coded, _), code in zip(others, codes, strict=True):
            found[row] = found[row][0], coded._replace(code=code.tobytes())
        return found

    def use(self, layers: HashLayers) -> None:
        """From now on all codes come from these hash layers."""
        self._database.execute("DELETE FROM hash_layers")
        row = layers.base, layers.head.to_bytes(), layers.pictures
        self._database.execute("INSERT INTO hash_layers VALUES (?, ?, ?)", row)
        self._database.execute("UPDATE library SET fingerprint = ?", (layers.fingerprint,))
        self._of_library = None

    def array(self, kept: Iterable[bytes]) -> NDArray[np.int8]:
        """Embeddings of one length as int8 [N, V]."""
        rows = list(kept)
        if len({len(row) for row in rows}) > 1:
            raise self._database.damaged()
        return np.frombuffer(b"".join(rows), np.int8).reshape(len(rows), -1 if rows else 0)
