"""A library for a program that runs for long: current while other processes write, and found again when it was away."""

from __future__ import annotations

import logging
import os
import threading
import time
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TYPE_CHECKING

from transhash.errors import LibraryError
from transhash.library.library import Library
from transhash.library.opening import file_of
from transhash.library.searching import Snapshot
from transhash.model.embedder import Embedder
from transhash.model.encoder import is_hash_model

if TYPE_CHECKING:
    from transhash.model import Encoder, HashModel
    from transhash.search import HammingIndex

INTERVAL = 0.25  # s between looks at the catalogue
PATIENCE = 1.0  # s that a search waits for a look: after a fit of a million pictures it takes several


@dataclass(frozen=True)
class Opened:
    """A library as it was found in its place, and at the last look."""

    creation: str  # of the catalogue
    file: tuple[int, int]  # device and number of the catalogue's file
    library: Library
    snapshot: Snapshot


class LiveLibrary:
    """One library for many threads, and a thread that follows it.

        with LiveLibrary("photos") as live:
            hits = live.here().search("query.jpg")  # in any thread

    `interval` is the time in seconds between looks for what other processes have written. When another library takes
    the place of this one, its ids are of other pictures: everything is opened again together, and until then `here`
    raises `LibraryError`.
    """

    def __init__(
        self, path: str | os.PathLike[str], model: Encoder | None = None, *, interval: float = INTERVAL
    ) -> None:
        """Open a library and begin to follow it; raises what `Library.open` does."""
        self._stop, self._wake = threading.Event(), threading.Event()
        self._interval = interval
        self._version = 0
        self._holds = False  # the embeddings, in memory
        self._held: Library | None = None  # whose embeddings are
        self._trouble: LibraryError | None = None
        with Library.open(path, model) as library:
            self.path = library.path
            served = _served(library)
        self._unfitted: HashModel | Embedder = getattr(served, "unfitted", served)
        self._opened = self._open()
        self._looking = threading.Lock()
        self._looked = threading.Condition()
        self._began: float | None = None  # when the look that is under way did
        self._thread = threading.Thread(target=self._follow, name="transhash-follow", daemon=True)
        self._thread.start()

    def __enter__(self) -> LiveLibrary:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.close()

    @property
    def index(self) -> HammingIndex:
        """The codes as they were at the last look."""
        return self._opened.snapshot.index

    @property
    def creation(self) -> str:
        """Names the library that was found at the last look: another one in its place has another name."""
        return self._opened.creation

    @property
    def model(self) -> HashModel | Embedder:
        """The model that the library's codes come from now; raises `LibraryError` where it gives codes alone."""
        return _served(self._opened.library)

    @property
    def version(self) -> int:
        """Another number after a look that found anything changed."""
        return self._version

    @property
    def trouble(self) -> LibraryError | None:
        """Why the last look for changes failed, or None if it did not."""
        return self._trouble

    def here(self) -> Library:
        """The library, for any thread; raises `LibraryError` while it is not in its place."""
        return self.now()[0]

    def now(self) -> tuple[Library, Snapshot]:
        """The library, and what it was at the last look; raises `LibraryError` as `here` does."""
        opened = self._opened
        if file_of(self.path) != opened.file or opened.library.creation != opened.creation:
            raise LibraryError(self.path, "it was moved or replaced and is opened again", "try again in a moment")
        return opened.library, opened.snapshot

    def refresh(self) -> None:
        """Look at the catalogue now, after this program has written to it, rather than at the next look."""
        with self._looking:
            library, before = self.now()
            self._began = time.monotonic()
            try:
                now = library.searching.snapshot()
            finally:
                self._began = None
            self._show(replace(self._opened, snapshot=now))
            if now.revision != before.revision:
                self._version += 1

    def later(self, than: Snapshot) -> Snapshot | None:
        """The library at a later moment than another; None where the look that finds it takes more than `PATIENCE`."""
        began = self._began
        until = PATIENCE if began is None else began + PATIENCE - time.monotonic()
        with self._looked:
            self._wake.set()
            self._looked.wait_for(lambda: self._opened.snapshot.revision != than.revision, max(0.0, until))
            now = self._opened.snapshot
        return now if now.searching is than.searching and now.revision != than.revision else None

    def hold_embeddings(self) -> None:
        """Hold the embeddings from now on, where they order hits: in memory where there is room, else mapped.

        Where their file is missing or old it is written first: a million takes seconds. Also those of a library that
        takes the place of this one. Raises `LibraryError` when they cannot be read.
        """
        try:
            self._held = self._holding(self._opened.library)
        finally:
            self._holds = True

    def _holding(self, library: Library) -> Library | None:
        """The library, when its embeddings are held."""
        if not library.searching.by_embeddings:
            return None
        library.searching.hold_embeddings()
        return library

    def close(self) -> None:
        """Follow no longer, and close the library."""
        self._stop.set()
        self._wake.set()
        self._thread.join()
        self._opened.library.close()

    def _open(self) -> Opened:
        """What is in the library's place now; raises `LibraryError`."""
        while True:
            file = file_of(self.path)
            library = Library.open(self.path, self._unfitted)
            try:
                opened = Opened(library.creation, file, library, library.searching.snapshot())
                if file == file_of(self.path):
                    return opened
            except BaseException:
                library.close()
                raise
            library.close()  # replaced in between

    def _follow(self) -> None:
        while True:
            self._wake.wait(self._interval)
            self._wake.clear()
            if self._stop.is_set():
                return
            try:
                library = self._opened.library
                if self._holds and library is not self._held:
                    self._held = self._holding(library)
                if self._trouble is None and self._is_in_place():
                    self.refresh()
                else:
                    opened = self._open()  # threads that are at work go on with what they have
                    with self._looking:
                        self._show(opened)
                        self._version += 1
                self._trouble = None
            except LibraryError as error:  # a drive that is away, a disk error: the next look may succeed
                self._trouble = error
            except Exception as error:  # whatever it is: the thread goes on, or nobody would see any change again
                self._trouble = self._unforeseen(error)

    def _unforeseen(self, error: Exception) -> LibraryError:
        """An error that no look should meet, for whoever asks what is wrong; logged unless it was the last one."""
        reason = f"the look for changes failed ({type(error).__name__}: {error})"
        trouble = LibraryError(self.path, reason, "see the log; the next look comes in a moment")
        if str(trouble) != str(self._trouble):
            logging.getLogger("transhash.library").error("%s", trouble, exc_info=error)
        trouble.__cause__ = error
        return trouble

    def _show(self, opened: Opened) -> None:
        with self._looked:
            self._opened = opened
            self._looked.notify_all()

    def _is_in_place(self) -> bool:
        opened = self._opened
        return file_of(self.path) == opened.file and opened.library.creation == opened.creation


def _served(library: Library) -> HashModel | Embedder:
    """The model of a library, which a server needs for more than codes."""
    model = library.model
    if not isinstance(model, Embedder) and not is_hash_model(model):
        reason = f"{model.name} gives codes alone, and a server asks for more"
        raise LibraryError(library.path, reason, "serve a library of a `HashModel`, or of an encoder with `dim`")
    return model
