"""Searches for duplicates: they may take long, so that one runs at a time, beside the server, and is asked about."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from transhash.errors import LibraryError, TransHashError
from transhash.library.duplicates import keep
from transhash.library.duplicates.kinds import Kind, kinds_of
from transhash.server import faults
from transhash.server.faults import Fault
from transhash.server.workers import NAMED

if TYPE_CHECKING:
    from transhash.library import LiveLibrary
    from transhash.library.results import DuplicatesReport

KEPT = 4  # results


class Wanted(NamedTuple):
    """What is asked of a search."""

    max_distance: int
    kinds: tuple[str, ...]
    keep: tuple[str, ...]

    @classmethod
    def of(cls, max_distance: int, kinds: str, rules: str) -> Wanted:
        """From lists with commas; raises a `Fault` for a kind or a rule that is none."""
        # RAW files are no pictures of the library, and cannot be shown
        shown = [kind for kind in Kind if kind is not Kind.RAW_JPEG]
        try:
            asked = tuple(str(kind) for kind in dict.fromkeys(kinds_of(kinds.split(","))) if kind in shown)
        except LibraryError:
            asked = ()
        if not asked:
            raise Fault(422, "value", "kinds cannot be used", f"give {', '.join(shown)}, or all")
        found = tuple(rules.split(","))
        try:
            keep.parse(found)
        except LibraryError as error:
            raise Fault(422, "value", "keep cannot be used", error.remedy) from None
        return cls(max_distance, asked, found)


@dataclass
class Run:
    """A search for duplicates: under way, or done."""

    version: int
    creation: str  # names the library that was looked through
    stage: str = "looking for candidates"
    done: int = 0
    total: int = 0
    digests: dict[int, str] = field(default_factory=dict)  # of the contents that were compared, hex, by id
    report: DuplicatesReport | None = None
    error: TransHashError | Fault | None = None
    thread: threading.Thread | None = field(default=None, repr=False)

    @property
    def over(self) -> bool:
        """Whether it is done, or has failed."""
        return self.report is not None or self.error is not None


class StoppedError(Exception):
    """The server is asked to stop."""


class DuplicateSearches:
    """The last searches."""

    def __init__(self, live: LiveLibrary) -> None:
        self._live = live
        self._runs: dict[Wanted, Run] = {}
        self._lock = threading.Lock()
        self._stop = False

    def get(self, wanted: Wanted, *, again: bool = False) -> Run:
        """The search, begun if there is none (or with `again` a new one); raises a `Fault` when busy."""
        with self._lock:
            creation = self._live.creation
            # the results of another library, which was in this place before, are of other pictures
            self._runs = {asked: run for asked, run in self._runs.items() if run.creation == creation}
            run = self._runs.get(wanted)
            if run and run.error:
                del self._runs[wanted]
            elif run and not (again and run.report is not None):
                return run
            if any(not each.over for each in self._runs.values()):
                raise Fault(
                    429, "busy", "another search for duplicates is under way", "try again when it is done", retry=5
                )
            self._runs.pop(wanted, None)
            while len(self._runs) >= KEPT:
                del self._runs[next(iter(self._runs))]
            run = self._runs[wanted] = Run(self._live.version, creation)
            run.thread = threading.Thread(name=f"{NAMED}duplicates", target=self._run, args=(run, wanted), daemon=True)
            run.thread.start()
            return run

    def compared(self, run: Run) -> dict[int, str]:
        """The digests of the contents in the groups of a search; of other pictures those of the other searches."""
        with self._lock:
            others = [each.digests for each in self._runs.values() if each.creation == run.creation]
        return {id_: digest for digests in (*others, run.digests) for id_, digest in digests.items()}

    def close(self, seconds: float) -> None:
        """Stop what is under way."""
        self._stop = True
        for run in self._runs.values():
            if run.thread:
                run.thread.join(seconds)

    def _run(self, run: Run, wanted: Wanted) -> None:
        from transhash.library.duplicates.asking import contents_now  # which imports Numba

        def progress(stage: str, done: int, total: int, _: str, /) -> None:
            if self._stop:
                raise StoppedError
            run.stage, run.done, run.total = stage, done, total

        try:
            library = self._live.here()
            before = contents_now(library)  # what changes from here on is not what was compared
            report = library.duplicates(wanted.max_distance, kinds=wanted.kinds, keep=wanted.keep, progress=progress)
            run.digests = before.digests_of(copy.id for group in report.groups for copy in (group.keep, *group.same))
            run.report = report
        except TransHashError as error:
            run.error = error
        except StoppedError:
            pass
        finally:
            if run.report is None and run.error is None:  # whatever it was, nobody waits for it any longer
                run.error = faults.interrupted()
