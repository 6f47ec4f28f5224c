"""What a catalogue knows of every picture, codes included, but for users' own columns (`columns`, in this folder).

Folders and names are stored bytes (`transhash.library.files.paths`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from transhash.library.catalogue.cells import is_coded, is_count, is_fault, is_folder, is_kept, is_name
from transhash.library.catalogue.database import PAGE, Database
from transhash.library.catalogue.embeddings import Embeddings
from transhash.library.catalogue.records import Coded, File, Indexed, Known, Origin, Placed, Twin

_INDEXED = (
    "SELECT picture.id, folder.path, name, size, mtime_ns, digest, width, height, code, taken FROM picture"
    " JOIN folder ON folder.id = picture.folder WHERE code IS NOT NULL AND vanished IS NULL"
)
_EVER = 2**63 - 1  # no revision comes after it
ORDERS = {
    "taken": "taken",
    "modified": "mtime_ns",
    "name": "lower(CAST(name AS TEXT))",
    "path": "folder.path || '/' || name",
    "bytes": "size",
    "pixels": "width * height",
}


class Pictures:
    """The rows of pictures, folders and faults. Whatever writes is called inside `Catalogue.writing`."""

    def __init__(self, database: Database, embeddings: Embeddings) -> None:
        self._database = database
        self._embeddings = embeddings
        self.begin(0)

    def begin(self, number: int) -> None:
        """A transaction has begun that makes the revision of this number."""
        self._changing = number
        self._embeddings.begin()
        self._folder_ids: dict[bytes, int] = {}  # for one transaction: another process may prune after it
        self._fault_ids: dict[tuple[str, str], int] = {}

    def known(self, folder: bytes) -> Iterator[Known]:
        """The files known of a folder, by name; pages of the present moment, so that writes may go on meanwhile."""
        name = b""
        while rows := self._database.rows(
            "SELECT name, picture.id, size, mtime_ns, digest, vanished IS NOT NULL, reason, remedy,"
            " embedding.picture IS NOT NULL FROM picture LEFT JOIN fault ON fault.id = picture.fault"
            " LEFT JOIN embedding ON embedding.picture = picture.id"
            " WHERE folder = (SELECT id FROM folder WHERE path = ?) AND name > ? ORDER BY name LIMIT ?",
            (folder, name, PAGE),
        ):
            for row in rows:
                if not (is_name(row[0]) and is_count(row[2]) and is_fault(row[6], row[7]) and isinstance(row[3], int)):
                    raise self._database.damaged()
                yield Known._make(row)
            if len(rows) < PAGE:
                return
            name = rows[-1][0]

    def twins(self, digest: bytes) -> list[Twin]:
        """Some pictures with this content, the first that were found, vanished ones before others."""
        rows = self._database.rows(
            "SELECT picture.id, folder.path, name, width, height, code, reason, remedy, taken, kept,"
            " COALESCE((SELECT base FROM hash_layers), fingerprint), fingerprint,"
            " size, mtime_ns, vanished IS NOT NULL FROM"
            # in the order of the index: of files that are all equal there may be any number
            " (SELECT * FROM picture WHERE digest = ? ORDER BY id LIMIT 64) AS picture"
            " JOIN folder ON folder.id = picture.folder LEFT JOIN fault ON fault.id = picture.fault"
            " LEFT JOIN embedding ON embedding.picture = picture.id CROSS JOIN library"
            " ORDER BY vanished IS NULL, picture.id",
            (digest,),
        )
        if not all(is_folder(row[1]) and is_name(row[2]) and is_coded(*row[3:9]) and is_kept(row[9]) for row in rows):
            raise self._database.damaged()
        return [Twin(row[0], row[1], row[2], Coded._make((*row[3:10], Origin(*row[10:12]))), *row[12:]) for row in rows]

    def codes(self, width: int) -> Iterator[list[tuple[int, bytes]]]:
        """(id, code) of every picture that search can find, in pages; codes have `width` bytes."""
        for rows in self._database.pages("SELECT id, code FROM picture WHERE code IS NOT NULL AND vanished IS NULL"):
            if not all(_is_code(row, width) for row in rows):
                raise self._database.damaged()
            yield rows

    def in_order(self, by: str) -> list[int]:
        """The ids of every picture that search can find, by a key of `ORDERS`, with - before it downwards.

        Those that have no such value come last, equal ones by their ids.
        """
        down = " DESC" if by.startswith("-") else ""
        key = ORDERS[by.removeprefix("-")]
        rows = self._database.rows(
            "SELECT picture.id FROM picture JOIN folder ON folder.id = picture.folder"
            f" WHERE code IS NOT NULL AND vanished IS NULL ORDER BY {key} IS NULL, {key}{down}, picture.id{down}"
        )
        return [id_ for (id_,) in rows]

    def changes(self, width: int, number: int) -> Iterator[list[tuple[int, bytes | None]]]:
        """(id, code) of what may have another code than at a revision, in pages; None: search cannot find it (now)."""
        for rows in self._database.pages(
            "SELECT id, CASE WHEN vanished IS NULL THEN code END FROM picture WHERE changed > ?"
            " UNION ALL SELECT picture, NULL FROM forgotten WHERE changed > ?",
            (number, number),
        ):
            if not all(_is_code(row, width) or row[1] is None for row in rows):
                raise self._database.damaged()
            yield rows

    def changed(self, number: int) -> int:
        """How many rows `changes` gives."""
        sql = "SELECT COUNT(*) FROM {} WHERE changed > ?"
        return sum(self._database.rows(sql.format(table), (number,))[0][0] for table in ("picture", "forgotten"))

    def contents(
        self, ranges: Iterable[tuple[bytes, bytes]] | None = None
    ) -> Iterator[list[tuple[int, bytes, int, int, int, int, int | None]]]:
        """(id, digest, size, mtime_ns, width, height, taken) of every picture that search can find, in pages.

        With half-open ranges of folders only what is in these.
        """
        sql = (
            "SELECT picture.id, digest, size, mtime_ns, width, height, taken FROM picture"
            " WHERE code IS NOT NULL AND vanished IS NULL"
        )
        within = " AND folder IN (SELECT id FROM folder WHERE path >= ? AND path < ?)"
        queries: list[tuple[str, tuple[bytes, ...]]] = [(sql, ())]
        if ranges is not None:
            queries = [(sql + within, bounds) for bounds in ranges]
        for query, parameters in queries:
            yield from self._database.pages(query, parameters)

    def placed(self, ids: Iterable[int]) -> dict[int, Placed]:
        """Where pictures are, by id, in order; those that are not known any more are left out."""
        sql = (
            "SELECT folder.path, name, width, height FROM picture JOIN folder ON folder.id = picture.folder"
            " WHERE picture.id = ?"
        )
        placed = {id_: Placed(*row) for id_ in dict.fromkeys(ids) for row in self._database.rows(sql, (id_,))}
        for folder, name, width, height in placed.values():
            if not (is_folder(folder) and is_name(name) and is_count(width) and is_count(height)):
                raise self._database.damaged()
        return placed

    def described(self, ids: Iterable[int]) -> dict[int, Indexed]:
        """All that is known of pictures, by id; those that search cannot find, or not any more, are left out."""
        rows = self._database.chosen(f"{_INDEXED} AND picture.id IN ({{}})", ids)
        return {each.id: each for each in self._sound(rows)}

    def have_changed(self, ids: Iterable[int], number: int) -> bool:
        """Whether the code of any of some pictures may be another than at a revision, or search finds it or not."""
        return any(self._database.chosen(f"SELECT 1 FROM picture WHERE changed > {number:d} AND id IN ({{}})", ids))

    def known_digests(self, digests: Iterable[str]) -> set[str]:
        """Those of some digests (hex) that a row has, of whatever kind, vanished ones included."""
        rows = self._database.chosen("SELECT digest FROM picture WHERE digest IN ({})", map(bytes.fromhex, digests))
        return {digest.hex() for (digest,) in rows}

    def counts(self, searchable: int | None = None) -> tuple[int, int, int]:
        """Pictures that search can find, files with a fault, vanished pictures.

        With the first of them known, indexes tell the others: otherwise all rows are read.
        """
        if searchable is not None:
            every, gone, vanished = self._database.rows(
                "SELECT (SELECT COUNT(*) FROM picture),"
                " (SELECT COUNT(*) FROM picture WHERE vanished IS NOT NULL),"
                " (SELECT COUNT(*) FROM picture WHERE vanished IS NOT NULL AND code IS NOT NULL)"
            )[0]
            return searchable, every - gone - searchable, vanished
        rows = self._database.rows(
            "SELECT COALESCE(SUM(code IS NOT NULL AND vanished IS NULL), 0),"
            " COALESCE(SUM(code IS NULL AND vanished IS NULL), 0),"
            " COALESCE(SUM(code IS NOT NULL AND vanished IS NOT NULL), 0) FROM picture"
        )
        return rows[0][0], rows[0][1], rows[0][2]

    def vanished(self, when: int) -> int:
        """How many pictures were found missing in the run that began at `when`."""
        sql = "SELECT COUNT(*) FROM picture WHERE vanished = ? AND code IS NOT NULL"
        return int(self._database.rows(sql, (when,))[0][0])

    def indexed(self) -> Iterator[list[Indexed]]:
        """Every picture that search can find, by id, in pages; of one moment inside `reading`."""
        last = -1
        while rows := self._database.rows(f"{_INDEXED} AND picture.id > ? ORDER BY picture.id LIMIT ?", (last, PAGE)):
            yield list(self._sound(rows))
            last = rows[-1][0]

    def _sound(self, rows: Iterable[Any]) -> Iterator[Indexed]:
        """Rows of `_INDEXED`; raises `LibraryError` for one that no indexing run writes."""
        for row in rows:
            _, folder, name, size, mtime_ns, digest, width, height, code, taken = row
            numbers = is_count(size) and is_count(width) and is_count(height)
            times = isinstance(mtime_ns, int) and (taken is None or isinstance(taken, int))
            contents = isinstance(digest, bytes) and isinstance(code, bytes)
            if not (numbers and times and contents and is_folder(folder) and is_name(name)):
                raise self._database.damaged()
            yield Indexed._make(row)

    def at(self, folder: bytes, name: bytes) -> int | None:
        """The id of the picture at a stored path."""
        rows = self._database.rows(
            "SELECT id FROM picture WHERE folder = (SELECT id FROM folder WHERE path = ?) AND name = ?", (folder, name)
        )
        return rows[0][0] if rows else None

    def index_names(self) -> None:
        """Prepare for `named`: a table of this connection's, which SQLite keeps on disk when it is large."""
        self._database.execute("DROP TABLE IF EXISTS temp.named")
        self._database.execute("CREATE TEMP TABLE named (name BLOB PRIMARY KEY, picture INTEGER) WITHOUT ROWID")
        self._database.execute(
            "INSERT INTO temp.named SELECT name, CASE WHEN COUNT(*) = 1 THEN MIN(id) END FROM main.picture"
            " WHERE vanished IS NULL GROUP BY name"
        )

    def named(self, name: bytes) -> int | None:
        """The id of the only picture of this name; None when there are none or several."""
        rows = self._database.rows("SELECT picture FROM temp.named WHERE name = ?", (name,))
        return rows[0][0] if rows else None

    # Writing

    def put(self, file: File, coded: Coded) -> None:
        """Insert a picture, or replace what is known of its path; the id stays."""
        self.put_all([(file, coded)])

    def put_all(self, pictures: Iterable[tuple[File, Coded]]) -> list[int]:
        """The same of several, no two of one path; their ids. Raises `LibraryError` as `Embeddings.current` does."""
        rows, kept = [], []
        names: dict[int, list[bytes]] = {}
        for file, coded in self._embeddings.current(pictures):
            folder = self._folder_id(file.folder)
            fault = None if coded.reason is None else self._fault_id(coded.reason, coded.remedy or "")
            rows.append((folder, *file[1:], *coded[:3], fault, coded.taken, self._changing))
            kept.append(coded.embedding)
            names.setdefault(folder, []).append(file.name)
        self._database.many(
            "INSERT INTO picture (folder, name, size, mtime_ns, digest, width, height, code, fault, taken, changed)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (folder, name) DO UPDATE SET size = excluded.size,"
            " mtime_ns = excluded.mtime_ns, digest = excluded.digest, width = excluded.width,"
            " height = excluded.height, code = excluded.code, fault = excluded.fault, taken = excluded.taken,"
            " vanished = NULL, changed = excluded.changed",
            rows,
        )
        found: dict[tuple[int, bytes], int] = {}
        for folder, some in names.items():
            these = f"SELECT name, id FROM picture WHERE folder = {folder:d} AND name IN ({{}})"
            found |= {(folder, name): id_ for name, id_ in self._database.chosen(these, some)}
        own = [(found[row[:2]], each) for row, each in zip(rows, kept, strict=True)]
        self._embeddings.put(own)
        return [id_ for id_, _ in own]

    def recode(self, codes: Iterable[tuple[int, bytes]]) -> None:
        """Pictures, by id, have other codes."""
        rows = ((code, self._changing, id_) for id_, code in codes)
        self._database.many("UPDATE picture SET code = ?, changed = ? WHERE id = ?", rows)

    def touch(self, id_: int, file: File) -> None:
        """The same content has a new time of change; nothing is done where it is another one by now."""
        sql = "UPDATE picture SET size = ?, mtime_ns = ? WHERE id = ? AND digest = ?"
        self._database.execute(sql, (file.size, file.mtime_ns, id_, file.digest))

    def restore(self, id_: int) -> None:
        """A vanished picture is back."""
        self._database.execute("UPDATE picture SET vanished = NULL, changed = ? WHERE id = ?", (self._changing, id_))

    def move(self, id_: int, file: File, when: int) -> None:
        """A picture has a new path. One that was there vanishes, and is kept under a name that no picture has.

        A row of the same content, which another process wrote for that path meanwhile, gives way. Nothing is done where
        another process has changed or deleted the picture meanwhile: the next run finds out what the file is.
        """
        if not self._database.rows("SELECT 1 FROM picture WHERE id = ? AND digest = ?", (id_, file.digest)):
            return
        folder = self._folder_id(file.folder)
        self._delete("folder = ? AND name = ? AND id <> ? AND digest = ?", folder, file.name, id_, file.digest)
        there = self._database.rows(
            "SELECT id FROM picture WHERE folder = ? AND name = ? AND id <> ?", (folder, file.name, id_)
        )
        for (other,) in there:
            self._database.execute(
                "UPDATE picture SET name = ?, vanished = COALESCE(vanished, ?), changed = ? WHERE id = ?",
                (b"%b~%d" % (file.name, other), when, self._changing, other),
            )
        self._database.execute(
            "UPDATE picture SET folder = ?, name = ?, size = ?, mtime_ns = ?, vanished = NULL, changed = ?"
            " WHERE id = ?",
            (folder, file.name, file.size, file.mtime_ns, self._changing, id_),
        )

    def vanish(self, folder: bytes, name: bytes, when: int, since: int = _EVER) -> None:
        """A picture is no longer there; nothing is said of one that was written after revision `since`."""
        self._vanish("AND name = ?", when, since, folder, name)

    def vanish_folder(self, folder: bytes, when: int, since: int = _EVER) -> None:
        """None of a folder's pictures is there any longer; `since` as for `vanish`."""
        self._vanish("", when, since, folder)

    def forget(self, id_: int) -> None:
        """Delete what is known of a picture."""
        self._delete("id = ?", id_)

    def prune(self, folder: bytes) -> int:
        """Delete the vanished pictures of a folder, and the folder when nothing is left; returns how many."""
        deleted = self._delete("vanished IS NOT NULL AND folder = (SELECT id FROM folder WHERE path = ?)", folder)
        sql = "DELETE FROM folder WHERE path = ? AND NOT EXISTS (SELECT 1 FROM picture WHERE folder = folder.id)"
        self._database.execute(sql, (folder,))
        return deleted

    def _vanish(self, further: str, *parameters: int | bytes) -> None:
        self._database.execute(
            "UPDATE picture SET changed = ?, vanished = ? WHERE vanished IS NULL AND changed <= ?"
            f" AND folder = (SELECT id FROM folder WHERE path = ?) {further}",
            (self._changing, *parameters),
        )

    def _delete(self, which: str, *parameters: int | bytes) -> int:
        """Delete pictures, and remember that they were there; returns how many."""
        self._database.execute(
            f"INSERT OR REPLACE INTO forgotten SELECT id, ? FROM picture WHERE {which}", (self._changing, *parameters)
        )
        return self._database.execute(f"DELETE FROM picture WHERE {which}", parameters).rowcount

    def _folder_id(self, path: bytes) -> int:
        if path not in self._folder_ids:
            self._database.execute("INSERT OR IGNORE INTO folder (path) VALUES (?)", (path,))
            self._folder_ids[path] = self._database.rows("SELECT id FROM folder WHERE path = ?", (path,))[0][0]
        return self._folder_ids[path]

    def _fault_id(self, reason: str, remedy: str) -> int:
        key = (reason, remedy)
        if key not in self._fault_ids:
            self._database.execute("INSERT OR IGNORE INTO fault (reason, remedy) VALUES (?, ?)", key)
            this = "SELECT id FROM fault WHERE reason = ? AND remedy = ?"
            self._fault_ids[key] = self._database.rows(this, key)[0][0]
        return self._fault_ids[key]


def _is_code(row: tuple[Any, Any], width: int) -> bool:
    return is_count(row[0]) and isinstance(row[1], bytes) and len(row[1]) == width
