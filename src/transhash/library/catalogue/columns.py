"""Users' own columns in the catalogue, their values as `kinds.to_stored` gives them, and the filters over all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from shlex import quote
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from transhash.errors import DataError, LibraryError
from transhash.library.catalogue.database import Database
from transhash.library.catalogue.kinds import Kind, Stored, Value, to_value
from transhash.library.catalogue.sql import compiled
from transhash.library.catalogue.where import parse

MISFIT = "values in its column {!r} are not of the column's kind"
_PAGE = 1 << 16  # ids held as Python numbers at a time


class OwnColumn(NamedTuple):
    """A column that a user has added."""

    id: int
    name: str
    kind: Kind


def remedy(column: str) -> str:
    """What to do about a column whose values are not of its kind."""
    return f"remove it (`transhash annotate --drop {quote(column)}`), and annotate again"


class Columns:
    """Users' own columns, with their values."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> dict[str, OwnColumn]:
        """Users' own columns by name, in the order in which they were added."""
        found = {}
        for id_, name, kind in self._database.rows("SELECT id, name, kind FROM own_column ORDER BY id"):
            with self._fitting(name):
                found[name] = OwnColumn(id_, name, Kind(kind))
        return found

    def ids(self) -> dict[str, int]:
        """Their ids by name, whatever their kinds are."""
        return {name: id_ for id_, name in self._database.rows("SELECT id, name FROM own_column ORDER BY id")}

    def matching(self, where: str, base: bytes) -> NDArray[np.int64]:
        """The ids of the pictures that pass a filter, ascending; raises `FilterError`.

        Those that search cannot find are among them: the index does not know them anyway. `base` is the folder that
        contains the library.
        """
        own = self.all()
        tree = parse(where, {name: column.kind for name, column in own.items()})
        sql, parameters = compiled(tree, {name: column.id for name, column in own.items()}, base)
        found = [np.empty(0, np.int64)]
        for rows in self._database.pages(f"SELECT picture.id FROM picture WHERE {sql}", parameters, _PAGE):
            found.append(np.fromiter(chain.from_iterable(rows), np.int64, len(rows)))
        return np.sort(np.concatenate(found))

    def values(self, ids: Iterable[int]) -> dict[int, dict[str, Value]]:
        """Users' own values of pictures, by id; a picture without any has an empty entry."""
        columns = {column.id: column for column in self.all().values()}
        found: dict[int, dict[str, Value]] = {id_: {} for id_ in ids}
        sql = "SELECT picture, own_column, value FROM own_value WHERE picture IN ({})"
        for id_, column_id, value in self._database.chosen(sql, found if columns else ()):
            column = self._of(columns, column_id)
            found[id_][column.name] = self._value(column, value)
        return found

    def _of(self, columns: Mapping[int, OwnColumn], id_: int) -> OwnColumn:
        if id_ not in columns:
            raise self._database.damaged()
        return columns[id_]

    def _value(self, column: OwnColumn, stored: object) -> Value:
        with self._fitting(column.name):
            return to_value(stored, column.kind)

    @contextmanager
    def _fitting(self, name: object) -> Iterator[None]:
        """Around the reading of what no transhash wrote, perhaps: a catalogue may come from anyone."""
        try:
            yield
        except ValueError as error:
            raise LibraryError(self._database.path.parent, MISFIT.format(name), remedy(str(name))) from error

    def some_texts(self, column: OwnColumn, limit: int) -> list[str]:
        """The first different values of a column of texts, in order."""
        sql = "SELECT DISTINCT value FROM own_value WHERE own_column = ? ORDER BY value LIMIT ?"
        return [str(self._value(column, value)) for (value,) in self._database.rows(sql, (column.id, limit))]

    def range(self, first: int, last: int) -> dict[int, dict[int, Stored]]:
        """Stored values by column id and picture, of the pictures with ids from `first` to `last`."""
        columns = {column.id: column for column in self.all().values()}
        found: dict[int, dict[int, Stored]] = {}
        sql = "SELECT own_column, picture, value FROM own_value WHERE picture BETWEEN ? AND ?"
        for column, picture, value in self._database.rows(sql, (first, last)):
            self._value(self._of(columns, column), value)
            found.setdefault(column, {})[picture] = value
        return found

    def has_reals(self, column: int) -> bool:
        """Whether some values of a column are no whole numbers."""
        sql = "SELECT EXISTS (SELECT 1 FROM own_value WHERE own_column = ? AND typeof(value) = 'real')"
        return bool(self._database.rows(sql, (column,))[0][0])

    def by_lower(self) -> dict[str, OwnColumn]:
        """Users' own columns by name in lower case: no two differ in case only."""
        return {name.lower(): column for name, column in self.all().items()}

    def added(self, kinds: Mapping[str, Kind]) -> dict[str, OwnColumn]:
        """The columns of these names, in whatever case; those that there are not are added, inside a transaction.

        Raises `DataError` for one that is of another kind.
        """
        known = self.by_lower()
        for name, kind in kinds.items():
            if name.lower() not in known:
                self._database.execute("INSERT INTO own_column (name, kind) VALUES (?, ?)", (name, kind.value))
        known = self.by_lower()
        found = {name: known[name.lower()] for name in kinds}
        for name, kind in kinds.items():
            _check_kind(found[name], kind)
        return found

    def require(self, columns: Iterable[OwnColumn]) -> None:
        """Look at columns again, inside the transaction that writes their values: another process may have dropped one.

        Its id may be that of another column since. Raises `DataError` for one that is not there, or of another kind.
        """
        known = self.by_lower()
        for column in columns:
            now = known.get(column.name.lower())
            if now is not None:
                _check_kind(now, column.kind)
            if now is None or now.id != column.id:
                reason = "another process has removed it meanwhile"
                raise DataError(f"column {column.name!r}", reason, "if that was not meant, import the values again")

    def drop(self, id_: int) -> None:
        """Remove a column with all its values, inside a transaction."""
        self._database.execute("DELETE FROM own_column WHERE id = ?", (id_,))

    def pictures(self, ids: Iterable[int]) -> set[int]:
        """Those of some ids that are of pictures still, which can have values."""
        return {id_ for (id_,) in self._database.chosen("SELECT id FROM picture WHERE id IN ({})", ids)}

    def set_values(self, values: Iterable[tuple[int, Mapping[int, Stored | None]]]) -> None:
        """Set values of pictures by column id, inside a transaction; None removes one."""
        each = [(picture, column, value) for picture, own in values for column, value in own.items()]
        gone = ((picture, column) for picture, column, value in each if value is None)
        self._database.many("DELETE FROM own_value WHERE picture = ? AND own_column = ?", gone)
        there = (row for row in each if row[2] is not None)
        self._database.many("INSERT OR REPLACE INTO own_value VALUES (?, ?, ?)", there)


def _check_kind(column: OwnColumn, kind: Kind) -> None:
    if column.kind != kind:
        raise DataError(
            f"column {column.name!r}",
            f"expected a {column.kind}, as another process has made this column meanwhile, but found a {kind}",
            "give these values another column, or remove that one (`transhash annotate --drop`)",
        )
