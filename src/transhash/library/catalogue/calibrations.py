"""Probabilities fitted to what users say of a collection's pictures, and which pictures are of one kind by that."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from transhash.errors import LibraryError
from transhash.library.catalogue.columns import Columns
from transhash.library.catalogue.database import Database
from transhash.library.catalogue.records import ADDED
from transhash.model.likeness import Likeness

FOLDER = "folder"  # the built-in column that pictures can be told apart by
_FOUND = "code IS NOT NULL AND vanished IS NULL ORDER BY picture.id"  # by search
_SHARD = f"CAST(path AS TEXT) GLOB '{ADDED}/[0-9a-f][0-9a-f]'"  # by the digest of a picture, whatever it shows
_EMBEDDED = "JOIN embedding ON embedding.picture = picture.id"


class OwnCalibration(NamedTuple):
    """A curve of the collection's own."""

    by: str  # the column in which pictures of one kind are equal
    fingerprint: str  # of the codes when it was fitted: other hash layers give other cosines
    curve: Likeness


class Calibrations:
    """The calibration of a catalogue. Whatever writes is called inside `Catalogue.writing`."""

    def __init__(self, database: Database, columns: Columns) -> None:
        self._database = database
        self._columns = columns

    def present(self) -> OwnCalibration | None:
        """The one that was kept last, whatever hash layers the library has now.

        Raises `LibraryError` for one that is damaged.
        """
        if not self._database.rows("SELECT 1 FROM sqlite_schema WHERE name = 'calibration'"):  # of an older format
            return None
        rows = self._database.rows("SELECT by_column, fingerprint, slope, shift, pairs, data FROM calibration")
        if not rows:
            return None
        if [*map(type, rows[0])] != [str, str, float, float, int, str] or not all(map(math.isfinite, rows[0][2:4])):
            where, remedy = self._database.path.parent, "transhash calibrate --forget, or calibrate it again"
            raise LibraryError(where, "the calibration of its probabilities is damaged", remedy)
        by, fingerprint, *curve = rows[0]
        return OwnCalibration(by, fingerprint, Likeness(*curve))

    def of(self, fingerprint: str) -> OwnCalibration | None:
        """The same, where it is of the codes of this fingerprint."""
        own = self.present()
        return own if own and own.fingerprint == fingerprint else None

    def keep(self, own: OwnCalibration | None) -> None:
        """From now on this is the one, or there is none."""
        self.forget()
        if own is None:
            return
        curve = own.curve
        row = own.by, own.fingerprint, curve.slope, curve.offset, curve.pairs, curve.data
        self._database.execute("INSERT INTO calibration VALUES (?, ?, ?, ?, ?, ?)", row)

    def forget(self, by: str | None = None) -> None:
        """From now on probabilities are those of the model; with `by`, where they were of that column."""
        where, column = ("", ()) if by is None else (" WHERE by_column = ? COLLATE NOCASE", (by,))
        self._database.execute(f"DELETE FROM calibration{where}", column)

    def kinds(self, by: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Ids of the pictures with an embedding and a value in a column, ascending, and numbers of these values.

        Pictures that `Library.add` has put away are in no folder that says what they show. Raises `LibraryError` for a
        column that there is not.
        """
        if by.lower() == FOLDER:
            sql = f"SELECT picture.id, folder.path FROM picture JOIN folder ON folder.id = picture.folder {_EMBEDDED}"
            pages = self._database.pages(f"{sql} WHERE NOT {_SHARD} AND {_FOUND}")
        elif own := self._columns.by_lower().get(by.lower()):
            sql = f"SELECT picture.id, value FROM own_value JOIN picture ON picture.id = own_value.picture {_EMBEDDED}"
            pages = self._database.pages(f"{sql} WHERE own_column = ? AND {_FOUND}", (own.id,))
        else:
            raise LibraryError(
                self._database.path.parent,
                f"no column {by!r} of your own",
                "name one that `transhash info` lists, or folder; `transhash annotate` adds columns",
            )
        numbers: dict[object, int] = {}
        found = [np.empty((0, 2), np.int64)]
        for page in pages:  # there may be ten million
            found.append(np.array([(id_, numbers.setdefault(value, len(numbers))) for id_, value in page], np.int64))
        ids, kinds = np.concatenate(found).T
        return ids, kinds
