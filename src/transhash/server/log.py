"""What a server writes down: errors, with the id that the answer carries and at a bounded rate; and, where that is
asked for, a JSON line for each request."""

from __future__ import annotations

import json
import logging
import time
from datetime import UTC, datetime
from io import FileIO

from starlette.types import Scope

from transhash.errors import TransHashError
from transhash.server.faults import Fault
from transhash.server.settings import Settings

SECONDS = 10.0  # in which the same error is written once
KINDS = 100  # of errors that are remembered

logger = logging.getLogger("transhash.server")


class Log:
    """The log of one server."""

    def __init__(self, settings: Settings) -> None:
        """Raises `TransHashError` when the file cannot be written."""
        self._last: dict[str, tuple[float, int]] = {}  # when an error was written, and how many were not since
        self._file: FileIO | None = None
        self._torn = False  # its last line is not whole: there was no room
        if settings.access_log is not None:
            try:
                self._file = settings.access_log.open("ab", buffering=0)
            except OSError as error:
                raise TransHashError(
                    settings.access_log, f"cannot be written ({error.strerror})", "name another --access-log"
                ) from error

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()

    def failed(self, request_id: str, error: BaseException) -> None:
        """Why a request failed: a sentence for what a person can mend, else with a traceback."""
        known = isinstance(error, TransHashError)
        kind = f"{type(error).__name__}: {error}"
        now = time.monotonic()
        last, missed = self._last.pop(kind, (-SECONDS, 0))
        if now - last < SECONDS:
            self._last[kind] = last, missed + 1
            return
        while len(self._last) >= KINDS:
            del self._last[next(iter(self._last))]
        self._last[kind] = now, 0
        more = f" (and {missed:,} times in between)" if missed else ""
        logger.error("request %s: %s%s", request_id, error if known else kind, more, exc_info=None if known else error)

    def fault(self, request_id: str, fault: Fault) -> None:
        """An answer that tells of a failure of the server's own."""
        if fault.status >= 500 and fault.code not in ("late", "starting", "stopping"):
            self.failed(request_id, fault.__cause__ or fault)

    def request(  # noqa: PLR0917
        self, request_id: str, address: str, token: str | None, scope: Scope, status: int, size: int, seconds: float
    ) -> None:
        """A request that was answered. What was searched for (the query of its address) is not written."""
        if self._file is None:
            return
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "id": request_id,
            "address": address,
            "token": token,
            "method": scope["method"],
            "path": scope["path"],
            "status": status,
            "bytes": size,
            "ms": round(seconds * 1000, 2),
        }
        content = b"\n" * self._torn + json.dumps(line).encode() + b"\n"
        try:
            self._torn = self._file.write(content) < len(content)
        except OSError as error:  # a full disk is no reason to answer nobody
            self.failed(request_id, error)
