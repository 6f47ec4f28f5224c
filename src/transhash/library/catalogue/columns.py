"""Users' own columns in the catalogue, their values as `kinds.to_stored` gives them, and the filters over all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from transhash.library.catalogue.database import Database
from transhash.library.catalogue.kinds import Kind, Stored, Value, to_value
from transhash.library.catalogue.sql import compiled
from transhash.library.catalogue.where import parse

_PAGE = 1 << 16  # ids held as Python numbers at a time


class OwnColumn(NamedTuple):
    """A column that a user has added."""

    id: int
    name: str
    kind: Kind


class Columns:
    """Users' own columns, with their values."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> dict[str, OwnColumn]:
        """Users' own columns by name, in the order in which they were added."""
        rows = self._database.rows("SELECT id, name, kind FROM own_column ORDER BY id")
        with self._undamaged():
            return {name: OwnColumn(id_, name, Kind(kind)) for id_, name, kind in rows}

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
            with self._undamaged():
                column = columns[column_id]
                found[id_][column.name] = to_value(value, column.kind)
        return found

    @contextmanager
    def _undamaged(self) -> Iterator[None]:
        """Around the reading of what no transhash wrote, perhaps: a catalogue may come from anyone."""
        try:
            yield
        except (ValueError, KeyError) as error:
            raise self._database.damaged() from error

    def some_texts(self, column: int, limit: int) -> list[str]:
        """The first different values of a column of texts, in order."""
        sql = "SELECT DISTINCT value FROM own_value WHERE own_column = ? ORDER BY value LIMIT ?"
        with self._undamaged():
            return [str(to_value(value, Kind.TEXT)) for (value,) in self._database.rows(sql, (column, limit))]

    def range(self, first: int, last: int) -> dict[int, dict[int, Stored]]:
        """Stored values by column id and picture, of the pictures with ids from `first` to `last`."""
        found: dict[int, dict[int, Stored]] = {}
        sql = "SELECT own_column, picture, value FROM own_value WHERE picture BETWEEN ? AND ?"
        for column, picture, value in self._database.rows(sql, (first, last)):
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
        """The columns of these names, in whatever case; those that there are not are added, inside a transaction."""
        known = self.by_lower()
        for name, kind in kinds.items():
            if name.lower() not in known:
                self._database.execute("INSERT INTO own_column (name, kind) VALUES (?, ?)", (name, kind.value))
        known = self.by_lower()
        return {name: known[name.lower()] for name in kinds}

    def drop(self, id_: int) -> None:
        """Remove a column with all its values, inside a transaction."""
        self._database.execute("DELETE FROM own_column WHERE id = ?", (id_,))

    def set_values(self, values: Iterable[tuple[int, Mapping[int, Stored | None]]]) -> None:
        """Set values of pictures by column id, inside a transaction; None removes one."""
        each = [(picture, column, value) for picture, own in values for column, value in own.items()]
        gone = ((picture, column) for picture, column, value in each if value is None)
        self._database.many("DELETE FROM own_value WHERE picture = ? AND own_column = ?", gone)
        there = (row for row in each if row[2] is not None)
        self._database.many("INSERT OR REPLACE INTO own_value VALUES (?, ?, ?)", there)
