"""What a catalogue knows of folders; all of them are stored bytes (`transhash.library.files.paths`)."""

from __future__ import annotations

from collections.abc import Iterable

from transhash.library.catalogue.cells import is_folder
from transhash.library.catalogue.database import Database

Ranges = Iterable[tuple[bytes, bytes]]  # half-open


class Folders:
    """The folders of pictures."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def within(self, ranges: Ranges) -> set[bytes]:
        """The known folders within ranges."""
        sql = "SELECT path FROM folder WHERE path >= ? AND path < ?"
        return set(self._sound([path for bounds in ranges for (path,) in self._database.rows(sql, bounds)]))

    def first(self, limit: int) -> list[bytes]:
        """The first known folders, by path."""
        return self._sound(
            [path for (path,) in self._database.rows("SELECT path FROM folder ORDER BY path LIMIT ?", (limit,))]
        )

    def have_pictures(self, ranges: Ranges, *, vanished: bool) -> bool:
        """Whether any picture, of whatever kind, is known in folders within ranges; `vanished` ones count if asked."""
        sql = "SELECT 1 FROM picture WHERE folder IN (SELECT id FROM folder WHERE path >= ? AND path < ?)"
        sql += "" if vanished else " AND vanished IS NULL"
        return any(self._database.rows(f"{sql} LIMIT 1", bounds) for bounds in ranges)

    def _sound(self, paths: list[bytes]) -> list[bytes]:
        if not all(map(is_folder, paths)):
            raise self._database.damaged()
        return paths
