"""The SQLite file below the catalogue: opening, migrating, transactions, and errors as sentences."""

from __future__ import annotations

import os
import sqlite3
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple
from weakref import WeakSet

from transhash.errors import LibraryError, TransHashWarning
from transhash.library.catalogue.migrations import MIGRATIONS, READABLE

CATALOGUE = "catalogue.sqlite"  # the file's name, in the folder of a library
APPLICATION_ID = 0x54486C62  # "THlb", in the header of the file
LOCK_SECONDS = 30
SAID_AFTER = 2000  # milliseconds for which a writer has waited when it says so
JOURNAL = 64 << 20  # bytes of the file "-wal" that stay for the next writing: to fit codes writes every page at once
PAGE = 4096  # rows held at a time
ASKED = (1, 10, 50, 100, 200, 350, 500)  # keys in a query
ASKED_AT_ONCE = ASKED[-1]  # SQLite's limit on parameters was 999
STEPS_BETWEEN = 10_000  # of SQLite's machine, of which it does some 50 million a second

# What waits in the first of these files belongs to the damaged catalogue: SQLite would write it into the copy.
FROM_A_COPY = f"from a copy (remove {CATALOGUE}-wal and {CATALOGUE}-shm first)"
DAMAGED = ("the catalogue is damaged", f"restore it {FROM_A_COPY}, or remove the library and index the folders again")
_UNFINISHED = ("its last writing was interrupted and it may not be written here", "make a copy and open that")
_SENTENCES = {  # reason and remedy by the beginning of SQLite's error name
    "SQLITE_READONLY_CANTINIT": _UNFINISHED,
    "SQLITE_READONLY_RECOVERY": _UNFINISHED,
    "SQLITE_READONLY_ROLLBACK": _UNFINISHED,
    "SQLITE_BUSY": ("another process is writing to this library", "try again when it has finished"),
    "SQLITE_FULL": ("the disk is full", "make room and run again, everything saved so far is kept"),
    "SQLITE_CANTOPEN": ("cannot be opened", "check that the folder exists and may be written"),
    "SQLITE_READONLY": ("may not be written", "check the permissions, or make a library in another place"),
    "SQLITE_IOERR": (
        "reading or writing the disk failed",
        "check the drive and run again, everything saved so far is kept",
    ),
    "SQLITE_NOTADB": DAMAGED,
    "SQLITE_CORRUPT": DAMAGED,
}

_UNWRITABLE = ("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_IOERR", "SQLITE_FULL")  # and perhaps readable
FULL_BYTES = 1 << 20  # of free space, with which a failure to write means a full disk


def is_catalogue(path: bytes | str | os.PathLike[str]) -> bool:
    """Whether a file is the catalogue of a library, by its header."""
    with suppress(OSError), open(path, "rb") as file:
        return file.read(72)[68:] == APPLICATION_ID.to_bytes(4, "big")
    return False


class Facts(NamedTuple):
    """What a library was made with."""

    model: str
    fingerprint: str
    bits: int
    model_folder: bytes
    created: str  # ISO 8601, UTC


class NewLayers(NamedTuple):
    """Hash layers that a library is made with (`transhash.library.catalogue.embeddings`)."""

    base: str
    head: bytes
    pictures: int


class UnmadeError(LibraryError):
    """An empty catalogue: the library is being made just now, or its making was interrupted in the first moment."""


class BrokenOffError(LibraryError):
    """A query that was broken off: it took longer than it may, or nobody waits for its answer."""


class _Connection:
    """A connection to SQLite that is closed when the thread that uses it ends."""

    def __init__(self, sqlite: sqlite3.Connection) -> None:
        self.sqlite = sqlite


class Database:
    """An open file with the present schema. Any thread may use it: each has a connection of its own."""

    def __init__(self, path: Path, *, new: Facts | None = None, layers: NewLayers | None = None) -> None:
        """Open the file, or with `new` make it if there is none, and give it hash layers that codes come from.

        On media that may only be read it is opened for reading. Raises `LibraryError` when it is missing, damaged,
        something else, or written by a newer transhash, and `UnmadeError` when it is empty and `new` is not given.
        """
        self.path = path
        self._own = threading.local()
        self._all: WeakSet[_Connection] = WeakSet()
        self._is_closed = False
        try:
            self._open(["mode=rwc"] if new else ["mode=rw", "mode=ro"])
            self._migrate(new, layers)
            with suppress(LibraryError):  # in use just now: whoever opens it next will do it
                self.execute("PRAGMA journal_mode = WAL")
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file for all threads."""
        self._is_closed = True
        for each in list(self._all):
            each.sqlite.close()

    @property
    def _connection(self) -> sqlite3.Connection:
        """This thread's; raises `LibraryError` when the database was closed."""
        if self._is_closed:
            raise self._closed()
        own: _Connection | None = getattr(self._own, "connection", None)
        return (own or self._open(["mode=rw", "mode=ro"])).sqlite

    def _closed(self) -> LibraryError:
        return LibraryError(self.path, "the library was closed", "open it again")

    def _open(self, ways: list[str]) -> _Connection:
        with self._sentences():
            own = self._own.connection = _Connection(self._connect(ways))
        self._all.add(own)
        self.execute("PRAGMA trusted_schema = OFF")  # a library may come from anyone
        self.execute("PRAGMA foreign_keys = ON")
        self.execute("PRAGMA synchronous = FULL")  # what was reported as saved survives a power cut
        # Pages; digests are random, so that a batch touches many, and later batches the same ones again.
        self.execute("PRAGMA wal_autocheckpoint = 8192")
        self.execute(f"PRAGMA journal_size_limit = {JOURNAL}")
        return own

    def execute(self, sql: str, parameters: Iterable[str | bytes | float | None] = ()) -> sqlite3.Cursor:
        """Run one statement."""
        with self._sentences():
            return self._connection.execute(sql, tuple(parameters))

    def many(self, sql: str, rows: Iterable[tuple[str | bytes | float | None, ...]]) -> None:
        """Run one statement with each of some rows of parameters."""
        with self._sentences():
            self._connection.executemany(sql, rows)

    def rows(self, sql: str, parameters: Iterable[str | bytes | float | None] = ()) -> list[Any]:
        """All rows of a query."""
        with self._sentences():
            return self._connection.execute(sql, tuple(parameters)).fetchall()

    def pages(
        self, sql: str, parameters: Iterable[str | bytes | float | None] = (), size: int = PAGE
    ) -> Iterator[list[Any]]:
        """All rows of a query, so many at a time."""
        cursor = self.execute(sql, parameters)
        while True:
            with self._sentences():
                rows = cursor.fetchmany(size)
            if not rows:
                return
            yield rows

    def chosen(self, sql: str, keys: Iterable[int | bytes]) -> Iterator[Any]:
        """The rows of a query that has `IN ({})`, for any number of keys."""
        waiting = iter(keys)
        while some := list(islice(waiting, ASKED_AT_ONCE)):
            count = next(count for count in ASKED if count >= len(some))
            some += some[-1:] * (count - len(some))  # SQLite reads a statement that it knows in no time
            yield from self.rows(sql.format(", ".join("?" * count)), some)

    def written(self) -> int:
        """How many rows this thread has written since it opened the file."""
        return self._connection.total_changes

    def shrink(self) -> None:
        """Give the space of deleted rows back to the drive, when it is a quarter of the file, which is copied.

        Left for another time while others write, or where there is no room for the copy.
        """
        with suppress(LibraryError):
            if 4 * self._pragma("freelist_count") > self._pragma("page_count"):
                self.execute("VACUUM")
                self.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @contextmanager
    def transaction(self, kind: str) -> Iterator[None]:
        """All or nothing; `kind` is DEFERRED for reading one moment, IMMEDIATE for writing.

        PATIENT is for writing, too, as soon as others have finished, however long that takes.
        """
        if kind == "PATIENT":
            self._wait_to_write()
        else:
            self.execute(f"BEGIN {kind}")
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # SQLite ends it by itself when the disk is full
                self.execute("ROLLBACK")
            raise

    def _wait_to_write(self) -> None:
        """Begin to write as soon as others have finished, and warn once that they have not."""
        self.execute(f"PRAGMA busy_timeout = {SAID_AFTER:.0f}")  # short: Ctrl-C is heard in between
        try:
            while True:
                try:
                    self.execute("BEGIN IMMEDIATE")
                    return
                except LibraryError as error:
                    if not getattr(error.__cause__, "sqlite_errorname", "").startswith("SQLITE_BUSY"):
                        raise
                    said = f"{self.path}: {error.reason}; waiting until it has finished"
                    warnings.warn(TransHashWarning(said), stacklevel=2)  # which Python shows once
        finally:
            self.execute(f"PRAGMA busy_timeout = {1000 * LOCK_SECONDS:.0f}")

    @contextmanager
    def stoppable(self, stop: Callable[[], bool]) -> Iterator[None]:
        """Queries inside are broken off when `stop` says so, which is asked many times a second: `BrokenOffError`."""
        self._connection.set_progress_handler(stop, STEPS_BETWEEN)
        try:
            yield
        finally:
            self._connection.set_progress_handler(None, 0)

    def _connect(self, ways: list[str]) -> sqlite3.Connection:
        """Open the file in the first of several ways that permissions allow."""
        if not any(_size(f"{self.path}{waiting}") for waiting in ("-wal", "-journal")):
            # SQLite would make files beside it even for reading, which a full disk or a read-only one does not take;
            # without them, it has to know that nobody writes.
            ways = [*ways, "mode=ro&immutable=1"] if ways[0] != "mode=rwc" else ways
        for way in ways:
            uri = f"{self.path.absolute().as_uri()}?{way}"
            connection = sqlite3.connect(
                uri, uri=True, timeout=LOCK_SECONDS, isolation_level=None, check_same_thread=False
            )  # another thread may close it
            try:
                connection.execute("PRAGMA schema_version").fetchall()
                return connection
            except BaseException as error:
                connection.close()
                name = getattr(error, "sqlite_errorname", "")
                if way is ways[-1] or not name.startswith(_UNWRITABLE):
                    raise
        raise AssertionError("there is no way")

    def _migrate(self, new: Facts | None, layers: NewLayers | None) -> None:
        with self.transaction("DEFERRED"):  # one moment: another process may be making the file
            version, application = self._pragma("user_version"), self._pragma("application_id")
            empty = not self._pragma("schema_version")
        self._check_version(version)
        if application == APPLICATION_ID and version >= READABLE:
            self._refuse_programs()
            return
        if empty and not application and not new:
            raise UnmadeError(self.path, "this library is not made yet", "run `transhash index`, again if need be")
        if application != APPLICATION_ID and not (new and empty):
            raise LibraryError(self.path, "not the catalogue of a library", "name another place for it")
        with self.transaction("IMMEDIATE"):
            if not self.migrate() and new:  # no other process has been here while we waited
                self.execute("INSERT INTO library VALUES (?, ?, ?, ?, ?, randomblob(8), randomblob(16))", new)
                self.execute("INSERT INTO revision SELECT 1, revision FROM library")
                self.many("INSERT INTO hash_layers VALUES (?, ?, ?)", [layers] if layers else [])
            self.execute(f"PRAGMA application_id = {APPLICATION_ID}")

    def migrate(self) -> int:
        """Bring the file to the present format, inside a transaction for writing; returns the format that it had."""
        version = self._pragma("user_version")
        self._check_version(version)
        if version < len(MIGRATIONS):
            for statement in (each for step in MIGRATIONS[version:] for each in step.split(";\n")):
                self.execute(statement)
            self.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        return version

    def _check_version(self, version: int) -> None:
        if version > len(MIGRATIONS):
            raise LibraryError(self.path, "written by a newer transhash", "update transhash to use this library")

    def _refuse_programs(self) -> None:
        """Ours has no views and triggers: they would run statements that came with the file."""
        if self.rows("SELECT name FROM sqlite_schema WHERE type IN ('view', 'trigger') LIMIT 1"):
            raise self.damaged()

    def _pragma(self, name: str) -> int:
        value: int = self.rows(f"PRAGMA {name}")[0][0]
        return value

    @contextmanager
    def _sentences(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, UnicodeDecodeError) as error:  # the latter from a damaged schema
            name = getattr(error, "sqlite_errorname", "")
            if name.startswith(("SQLITE_READONLY", "SQLITE_IOERR")) and _is_full(self.path):
                name = "SQLITE_FULL"
            if name == "SQLITE_INTERRUPT":
                raise BrokenOffError(self.path, "a query was interrupted", "ask for less at once") from error
            for beginning, (reason, remedy) in _SENTENCES.items():
                if name.startswith(beginning):
                    code = "disk-full" if beginning == "SQLITE_FULL" else None
                    raise LibraryError(self.path, reason, remedy, code=code) from error
            if self._is_closed:  # by another thread, while this one asks
                raise self._closed() from error
            if isinstance(error, sqlite3.ProgrammingError | sqlite3.InterfaceError):
                raise
            raise self.damaged() from error  # tables, types or texts that no catalogue has

    def damaged(self) -> LibraryError:
        """The error for content that no sound catalogue has."""
        return LibraryError(self.path, *DAMAGED)


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError:
        return 0


def _is_full(path: Path) -> bool:
    from shutil import disk_usage

    try:
        return disk_usage(path.parent).free < FULL_BYTES
    except OSError:
        return False
