"""A library for a program that runs for long: used from any thread, and current while other processes write.

One thread follows the catalogue. Pictures that are new are seen by their ids and added to the codes in memory at once.
Changed, moved and vanished ones show only in a comparison of all codes, which is made when there was a change, and so
seldom that it takes a small share of the time.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from transhash.errors import LibraryError
from transhash.library.library import CATALOGUE, Library

if TYPE_CHECKING:
    from transhash.model import HashModel
    from transhash.search import HammingIndex

INTERVAL = 0.25  # s between looks at the catalogue
SHARE = 20  # a comparison of all codes is followed by a pause that many times as long
PAUSE = 1.0  # s, at least


@dataclass(frozen=True)
class Opened:
    """A library as it was found in its place, with the codes in memory that belong to it."""

    creation: str  # of the catalogue
    file: tuple[int, int]  # device and number of the catalogue's file
    index: HammingIndex
    revision: str


class LiveLibrary:
    """One library for many threads.

        with LiveLibrary("photos") as live:
            hits = live.here().search("query.jpg")  # in any thread

    `interval` is the time in seconds between looks for what other processes have written. When another library takes
    the place of this one, its ids are of other pictures: everything is opened again together, and until then `here`
    raises `LibraryError`.
    """

    def __init__(
        self, path: str | os.PathLike[str], model: HashModel | None = None, *, interval: float = INTERVAL
    ) -> None:
        """Open a library and begin to follow it; raises what `Library.open` does."""
        self._local = threading.local()
        self._stop = threading.Event()
        self._interval = interval
        self._version = 0
        self._updating = threading.Lock()
        self._trouble: LibraryError | None = None
        library = Library.open(path, model)
        try:
            self.path = library.path
            self.model = library.model
        finally:
            library.close()
        self._opened, library = self._open()
        library.close()
        self._thread = threading.Thread(target=self._follow, name="transhash-follow", daemon=True)
        self._thread.start()

    def __enter__(self) -> LiveLibrary:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.close()

    @property
    def index(self) -> HammingIndex:
        """The codes, as they were at the last look; only to be searched."""
        return self._opened.index

    @property
    def version(self) -> int:
        """Another number after a look that found anything changed."""
        return self._version

    @property
    def trouble(self) -> LibraryError | None:
        """Why the last look for changes failed, or None if it did not."""
        return self._trouble

    def here(self) -> Library:
        """The library for this thread; raises `LibraryError` while it is not in its place."""
        return self.now()[0]

    def now(self) -> tuple[Library, HammingIndex]:
        """The library for this thread and the codes of the same library; raises `LibraryError` as `here` does."""
        opened = self._opened
        if _file(self.path) != opened.file:
            raise LibraryError(f"{self.path}: it was moved or replaced and is opened again; try again in a moment")
        held: tuple[Opened, Library] | None = getattr(self._local, "held", None)
        if held is None or held[0] is not opened:
            self.leave()
            library = Library.open(self.path, self.model)
            if library.creation != opened.creation or _file(self.path) != opened.file:
                library.close()
                raise LibraryError(f"{self.path}: it was replaced and is opened again; try again in a moment")
            library._live = lambda: opened.index
            self._local.held = held = opened, library
        return held[1], opened.index

    def changed(self, ids: Iterable[int]) -> None:
        """Take note of pictures that this program has added, changed or removed, rather than at the next look."""
        wanted = set(ids)
        with self._updating:
            library, index = self.now()
            known = library.pictures(wanted)
            index.remove(sorted(wanted))
            if known:
                codes = np.frombuffer(b"".join(bytes.fromhex(each.code) for each in known.values()), np.uint8)
                index.add(codes.reshape(len(known), -1), list(known))
            self._version += 1

    def leave(self) -> None:
        """Close this thread's library: for threads that end before the program does."""
        held: tuple[Opened, Library] | None = self._local.__dict__.pop("held", None)
        if held is not None:
            held[1].close()

    def close(self) -> None:
        """Follow no longer, and close this thread's library; other threads `leave` before they end."""
        self._stop.set()
        self._thread.join()
        self.leave()

    def _open(self) -> tuple[Opened, Library]:
        """What is in the library's place now, and the library, for this thread; raises `LibraryError`."""
        while True:
            file = _file(self.path)
            library = Library.open(self.path, self.model)
            try:
                with library._catalogue.reading():
                    index, revision = library._current_index(), library._catalogue.revision()
                    opened = Opened(library.creation, file, index, revision)
            except BaseException:
                library.close()
                raise
            if file == _file(self.path):
                return opened, library
            library.close()  # replaced in between

    def _follow(self) -> None:
        follower: _Follower | None = None
        while not self._stop.wait(self._interval):
            try:
                if _file(self.path) != self._opened.file or (follower and follower.is_another()):
                    if follower:
                        follower.library.close()
                    opened, library = self._open()
                    follower = _Follower(library, opened)
                    with self._updating:
                        self._opened = opened
                        self._version += 1
                follower = follower or _Follower(Library.open(self.path, self.model), self._opened)
                with self._updating:
                    self._version += follower.look()
                self._trouble = None
            except LibraryError as error:  # a drive that is away, a disk error: the next look may succeed
                self._trouble = error
                if follower:
                    with suppress(LibraryError):
                        follower.library.close()
                follower = None
        if follower:
            follower.library.close()


def _file(path: Path) -> tuple[int, int]:
    """Which file the catalogue is; raises `LibraryError` when there is none."""
    try:
        status = os.stat(path / CATALOGUE)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise LibraryError(f"{path}: the library is not there ({reason}); check that its drive is connected") from error
    return status.st_dev, status.st_ino


class _Follower:
    """Brings an index up to date with a catalogue."""

    def __init__(self, library: Library, opened: Opened) -> None:
        self.library = library
        self._creation, self._index, revision = opened.creation, opened.index, opened.revision
        self._state: tuple[int, int] | None = None
        self._seen = revision  # of the catalogue, when new pictures were looked for
        self._compared = revision  # when all were compared
        self._last = int(self._index.ids[-1]) if len(self._index) else -1
        self._due = 0.0

    def is_another(self) -> bool:
        """Whether the file now holds another library, as after one was copied over it."""
        catalogue = self.library._catalogue
        return catalogue.state() != self._state and catalogue.creation() != self._creation

    def look(self) -> bool:
        """Bring the index up to date, as far as it is due; returns whether the catalogue has changed."""
        catalogue = self.library._catalogue
        state = catalogue.state()
        if state == self._state and self._seen == self._compared:
            return False
        compared = False
        with catalogue.reading():
            revision = catalogue.revision()
            if revision != self._compared and time.monotonic() >= self._due:
                began = time.monotonic()
                self._compare()
                took = time.monotonic() - began
                self._due = began + took + max(PAUSE, SHARE * took)
                self._seen = self._compared = revision
                compared = True
            elif revision != self._seen:
                ids, codes = self.library._codes_after(self._last)
                if len(ids):
                    self._last = int(ids.max())
                    new = ~np.isin(ids, self._index.ids)
                    self._index.add(codes[new], ids[new])
                self._seen = revision
        changed, self._state = state != self._state or compared, state
        return changed

    def _compare(self) -> None:
        ids, codes = self.library._codes()
        order = np.argsort(ids, kind="stable")
        ids, codes = ids[order], codes[order]
        known = self._index.ids
        both = np.isin(ids, known, assume_unique=True)
        changed = np.zeros(len(ids), np.bool_)
        changed[both] = (self._index.reconstruct(ids[both]) != codes[both]).any(axis=1)
        self._index.remove(np.concatenate([np.setdiff1d(known, ids, assume_unique=True), ids[changed]]))
        fresh = ~both | changed
        if fresh.any():
            self._index.add(codes[fresh], ids[fresh])
        self._last = max(self._last, int(ids[-1]) if len(ids) else -1)
