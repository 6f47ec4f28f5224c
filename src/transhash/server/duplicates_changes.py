"""Removing duplicates and bringing them back: it may take long, so one plan at a time goes on, and is asked about."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from transhash.errors import LibraryError
from transhash.server import faults
from transhash.server.duplicates import StoppedError
from transhash.server.duplicates_schemas import Applied
from transhash.server.faults import Fault
from transhash.server.workers import NAMED

if TYPE_CHECKING:
    from transhash.library import Library, LiveLibrary
    from transhash.progress import Progress

KEPT = 100  # plans whose outcome can be asked for

Work: TypeAlias = "Callable[[Library, Progress], Applied]"


@dataclass
class Change:
    """A plan that is being applied or undone, or was."""

    name: str
    stage: str
    done: int = 0
    total: int = 0  # files; 0 until any of them may have been touched
    outcome: Applied | None = None
    error: Exception | None = None
    thread: threading.Thread | None = field(default=None, repr=False)

    @property
    def over(self) -> bool:
        """Whether it is done, or has failed."""
        return self.outcome is not None or self.error is not None


class Changes:
    """The last changes."""

    def __init__(self, live: LiveLibrary) -> None:
        self._live = live
        self._all: dict[str, Change] = {}  # by the names of their plans, the latest last
        self._lock = threading.Lock()
        self._stop = False

    def begin(self, name: str, stage: str, work: Work) -> Change:
        """Begin to apply or to undo a plan; raises a `Fault` while another one is under way."""
        with self._lock:
            if any(not each.over for each in self._all.values()):
                reason = "other files are being removed or brought back"
                raise Fault(429, "busy", reason, "try again when that is done", retry=5)
            self._all.pop(name, None)
            while len(self._all) >= KEPT:
                del self._all[next(iter(self._all))]
            change = self._all[name] = Change(name, stage)
            change.thread = threading.Thread(name=f"{NAMED}changes", target=self._run, args=(change, work), daemon=True)
            change.thread.start()
            return change

    def get(self, name: str) -> Change:
        """What was begun; raises a `Fault` for a plan that nobody has begun since the server was started."""
        with self._lock:
            if name not in self._all:
                reason = "no plan of this name was begun since the server was started"
                raise Fault(404, "no-plan", reason, "undo it, to bring back what it may have removed")
            return self._all[name]

    def close(self, seconds: float) -> None:
        """Stop after the file under way; undoing brings back those before it, and the log tells of it if that fails."""
        self._stop = True
        for change in self._all.values():
            if change.thread:
                change.thread.join(seconds)

    def _run(self, change: Change, work: Work) -> None:
        def progress(_: str, done: int, total: int, __: str, /) -> None:
            change.done, change.total = done, total
            if self._stop:
                raise StoppedError

        try:
            outcome = work(self._live.here(), progress)
            with suppress(LibraryError):  # then the next look shows it
                self._live.refresh()
            change.outcome = outcome
        except StoppedError:
            change.error = faults.stopping()
        except Exception as error:  # whatever it is, whoever asks is told
            change.error = error
