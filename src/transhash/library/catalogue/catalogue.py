"""The catalogue of a library: what is known of every picture, codes included. The only truth, and all SQL is here.

Whoever writes holds the lock for the length of one short transaction; readers never wait.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from transhash.codes import MOST_BITS
from transhash.errors import LibraryError
from transhash.library.catalogue.calibrations import Calibrations
from transhash.library.catalogue.columns import Columns
from transhash.library.catalogue.database import Database, Facts, NewLayers
from transhash.library.catalogue.embeddings import Embeddings
from transhash.library.catalogue.folders import Folders
from transhash.library.catalogue.pictures import Pictures
from transhash.library.catalogue.records import Revision

REVISIONS = 4096  # that are kept: an index older than all of them is built again


class Catalogue:
    """An open catalogue, which any thread may use.

    with catalogue.writing():
        catalogue.pictures.put(file, coded)
    with catalogue.reading():
        known = catalogue.pictures.described(ids)
        values = catalogue.columns.values(known)
    """

    def __init__(self, path: Path, *, new: Facts | None = None, layers: NewLayers | None = None) -> None:
        """Open the file, or with `new`, and `layers`, make it if there is none; raises what `Database` does."""
        self.database = Database(path, new=new, layers=layers)
        self.path = path
        self.embeddings = Embeddings(self.database)
        self.pictures = Pictures(self.database, self.embeddings)
        self.folders = Folders(self.database)
        self.columns = Columns(self.database)
        self.calibrations = Calibrations(self.database, self.columns)

    def close(self) -> None:
        """Close the file for all threads."""
        self.database.close()

    def damaged(self) -> LibraryError:
        """The error for content that no sound catalogue has."""
        return self.database.damaged()

    @contextmanager
    def writing(self, *, patient: bool = False) -> Iterator[None]:
        """All writes inside happen, or none does; if anything was written, there is a new revision.

        A `patient` writer waits for others as long as it takes, and warns once that it does; another one gives up after
        `LOCK_SECONDS` and raises `LibraryError`. A catalogue of an older format is brought to the present one before.
        """
        # the only one, of all threads and processes
        with self.database.transaction("PATIENT" if patient else "IMMEDIATE"):
            self.database.migrate()
            number = self.revision().number + 1
            self.pictures.begin(number)
            before = self.database.written()
            yield
            if self.database.written() != before:
                self.database.execute("INSERT INTO revision VALUES (?, randomblob(8))", (number,))
                oldest = number - REVISIONS
                self.database.execute("DELETE FROM revision WHERE number < ?", (oldest,))
                self.database.execute("DELETE FROM forgotten WHERE changed < ?", (oldest,))

    @contextmanager
    def reading(self) -> Iterator[None]:
        """All reads inside see one moment."""
        with self.database.transaction("DEFERRED"):
            yield

    def facts(self) -> Facts:
        """The model that the codes come from."""
        rows = self.database.rows("SELECT model, fingerprint, bits, model_folder, created FROM library")
        if len(rows) != 1 or [*map(type, rows[0])] != [str, str, int, bytes, str]:
            raise self.database.damaged()
        facts = Facts(*rows[0])
        if not 0 < facts.bits <= MOST_BITS or facts.bits % 8 or b"\0" in facts.model_folder:
            raise self.database.damaged()
        return facts

    def revision(self) -> Revision:
        """The present state."""
        rows = self.database.rows("SELECT number, name FROM revision ORDER BY number DESC LIMIT 1")
        if not rows or not isinstance(rows[0][1], bytes):
            raise self.database.damaged()
        return Revision(rows[0][0], rows[0][1].hex())

    def has_had(self, revision: Revision) -> bool:
        """Whether the catalogue was in this state, as far back as it knows."""
        rows = self.database.rows("SELECT name FROM revision WHERE number = ?", (revision.number,))
        return bool(rows) and isinstance(rows[0][0], bytes) and rows[0][0].hex() == revision.name

    def creation(self) -> str:
        """Names this library: another one that takes its place has another name, and its ids are of other pictures."""
        rows = self.database.rows("SELECT creation FROM library")
        if not rows or not isinstance(rows[0][0], bytes):
            raise self.database.damaged()
        creation: bytes = rows[0][0]
        return creation.hex()
