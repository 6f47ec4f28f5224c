"""Searches for duplicates: they may take long, so that one runs at a time, beside the server, and is asked about."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from transhash.errors import TransHashError
from transhash.server import schemas
from transhash.server.faults import Fault

if TYPE_CHECKING:
    from transhash.library import LiveLibrary
    from transhash.search import HammingIndex

KEPT = 4  # results


@dataclass
class Run:
    """A search for duplicates: under way, or done."""

    version: int
    index: HammingIndex  # of the library that was looked through
    stage: str = "looking for candidates"
    done: int = 0
    total: int = 0
    groups: list[schemas.Group] | None = None
    skipped: int = 0
    error: TransHashError | None = None
    thread: threading.Thread | None = field(default=None, repr=False)


class _StoppedError(Exception):
    """The server is asked to stop."""


class DuplicateSearches:
    """The last searches, by distance."""

    def __init__(self, live: LiveLibrary) -> None:
        self._live = live
        self._runs: dict[int, Run] = {}
        self._lock = threading.Lock()
        self._stop = False

    def get(self, max_distance: int, *, again: bool = False) -> Run:
        """The search for a distance, begun if there is none (or with `again` a new one); raises a `Fault` when busy."""
        with self._lock:
            index = self._live.index
            # what was found in another library, which was in this place before, is of other pictures
            self._runs = {distance: run for distance, run in self._runs.items() if run.index is index}
            run = self._runs.get(max_distance)
            if run and run.error:
                del self._runs[max_distance]
            elif run and not (again and run.groups is not None):
                return run
            if any(each.groups is None and each.error is None for each in self._runs.values()):
                raise Fault(
                    429, "busy", "another search for duplicates is under way", "try again when it is done", retry=5
                )
            self._runs.pop(max_distance, None)
            while len(self._runs) >= KEPT:
                del self._runs[next(iter(self._runs))]
            run = self._runs[max_distance] = Run(self._live.version, index)
            run.thread = threading.Thread(target=self._run, args=(run, max_distance), daemon=True)
            run.thread.start()
            return run

    def close(self, seconds: float) -> None:
        """Stop what is under way."""
        self._stop = True
        for run in self._runs.values():
            if run.thread:
                run.thread.join(seconds)

    def _run(self, run: Run, max_distance: int) -> None:
        def progress(stage: str, done: int, total: int, _: str, /) -> None:
            if self._stop:
                raise _StoppedError
            run.stage, run.done, run.total = stage, done, total

        try:
            library = self._live.here()
            report = library.duplicates(max_distance, progress=progress)
            copies = [copy for group in report.groups for copy in (group.keep, *group.same)]
            pictures = {id_: each.to_dict() for id_, each in library.pictures({copy.id for copy in copies}).items()}
            groups = []
            for group in report.groups:
                members = [
                    schemas.Copy(**pictures[copy.id], distance=copy.distance, identical=copy.identical)
                    for copy in (group.keep, *group.same)
                    if copy.id in pictures
                ]
                if len(members) > 1:
                    groups.append(schemas.Group(keep=members[0], same=members[1:]))
            run.skipped = len(report.skipped)
            run.groups = groups
        except TransHashError as error:
            run.error = error
        except _StoppedError:
            pass
        finally:
            if run.groups is None and run.error is None:  # whatever it was, nobody waits for it any longer
                run.error = TransHashError("", "the search for duplicates was interrupted", "ask for it again")
