"""Errors as answers: a status and one JSON object, which says what is wrong and never repeats what was sent."""

from __future__ import annotations

import errno

from starlette.requests import Request
from starlette.responses import Response

from transhash.errors import FilterError, HammingIndexError, ImageError, LibraryError, TransHashError, UncalibratedError
from transhash.server import schemas

RETRY_SECONDS = 1
ID = "transhash.id"  # of a request, in its scope


class Fault(Exception):  # noqa: N818 - an answer
    """An answer that is no success: what is wrong, and the remedy.

    `code` is one of a few words for programs; `retry` is in seconds.
    """

    def __init__(
        self, status: int, code: str, reason: str, remedy: str, *, retry: int | None = None, position: int | None = None
    ) -> None:
        super().__init__(f"{reason}; {remedy}")
        self.status = status
        self.code = code
        self.reason = reason
        self.remedy = remedy
        self.position = position
        self.headers = {"Retry-After": str(retry)} if retry else {}
        if status == 401:
            self.headers["WWW-Authenticate"] = "Bearer"

    def body(self, request_id: str) -> schemas.Fault:
        """What the answer says."""
        return schemas.Fault(
            code=self.code,
            reason=self.reason,
            remedy=self.remedy,
            position=self.position,
            request_id=request_id,
        )

    def answer(self, request_id: str) -> Response:
        """The answer."""
        return answer(self.body(request_id), self.status, self.headers)


def answer(body: schemas.Body, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """An answer of another status than the usual one."""
    return Response(body.model_dump_json(exclude_none=True), status, headers, "application/json")


def request_id(request: Request) -> str:
    """What a request is called in the log."""
    return str(request.scope.get(ID, ""))


def busy(what: str) -> Fault:
    """Too much is asked at once."""
    return Fault(429, "busy", f"too many {what} at once", "try again in a moment", retry=RETRY_SECONDS)


def late() -> Fault:
    """The time is up."""
    return Fault(503, "late", "it took too long", "try again when the server is less busy", retry=RETRY_SECONDS)


def starting() -> Fault:
    """The server answers, but the first searches wait."""
    remedy = "try again in a moment"
    return Fault(503, "starting", "the first searches are being prepared", remedy, retry=RETRY_SECONDS)


def interrupted() -> Fault:
    """A search for duplicates that failed, or that the end of the server stopped."""
    reason = "the search for duplicates was interrupted"
    return Fault(503, "interrupted", reason, "ask for it again", retry=RETRY_SECONDS)


def stopping() -> Fault:
    """The server was asked to end."""
    return Fault(503, "stopping", "the server stops", "try again when it runs again", retry=5)


def internal() -> Fault:
    """A mistake in this program."""
    return Fault(500, "internal", "the server failed", "its log says why, under this request_id")


def slow_filter() -> Fault:
    """A filter that takes longer than it may; to ask the same again would take as long again."""
    return Fault(422, "slow-filter", "the filter takes too long", "use fewer patterns, or ones that begin with letters")


def lacking(what: str) -> Fault:
    """Something that a collection on another machine has not."""
    return Fault(404, "lacking", f"a collection has no {what}", "serve the library that was exported to it")


def unchangeable() -> Fault:
    """A change of a collection on another machine."""
    return Fault(403, "read-only", "a collection is only read here", "change the library, and export it again")


def check_depth(queries: int, ranked: int, most: int) -> None:
    """Raise a `Fault` for queries that together ask for more than `most` places of rankings."""
    if queries * ranked > most:
        remedy = f"ask for at most {most:,} hits in all, those left out by the offset among them"
        raise Fault(422, "too-deep", "too far down the ranking, or too many at once", remedy)


def other_codes(fingerprint: str) -> Fault:
    """Codes that do not come from the model of what is served."""
    remedy = f"encode with the library's own model, of fingerprint {fingerprint[:12]}"
    return Fault(422, "fingerprint", "these codes come from another model", remedy)


def unknown_picture() -> Fault:
    """An id of no picture."""
    return Fault(404, "no-picture", "no picture of this id", "search again: it may have been removed")


def check_library(meant: str | None, creation: str) -> None:
    """Raise a `Fault` where a request names another library than this one, whose ids are of other pictures."""
    if meant is not None and meant != creation:
        raise Fault(412, "another-library", "another library is here", "load the page again, and choose again")


def read_only() -> Fault:
    """A change that this server or this token may not make."""
    return Fault(403, "read-only", "this server only reads", "start it with --writable")


def replaced() -> Fault:
    """A collection was exported again while something was sent that was encoded for the one before."""
    reason = "another export took the place of the collection"
    return Fault(503, "replaced", reason, "send it again", retry=RETRY_SECONDS)


def library(error: LibraryError | None = None) -> Fault:
    """The library cannot be used; the log says more, under the request's id."""
    if error is not None and _is_full(error):
        reason, remedy = "the disk is full", "make room on the server's drive and try again; nothing was changed"
        return Fault(503, "disk-full", reason, remedy, retry=RETRY_SECONDS)
    remedy = "the server's log says why, under this request_id"
    return Fault(503, "library", "the library cannot be used", remedy, retry=RETRY_SECONDS)


def _is_full(error: LibraryError) -> bool:
    cause = error.__cause__
    is_of_system = isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT)
    return error.code == "disk-full" or is_of_system


def of(error: TransHashError) -> Fault:
    """An error of the package as an answer. Paths of the server's stay here."""
    if isinstance(error, FilterError):
        reason, remedy = f"the filter cannot be understood at character {error.position}", f"write {error.expected}"
        return Fault(422, "filter", reason, remedy, position=error.position)
    if isinstance(error, ImageError):
        return Fault(422, "picture", error.reason, error.remedy)
    if isinstance(error, HammingIndexError):
        reason = "a code that is not in the index, or does not fit it"
        return Fault(422, "code", reason, "use codes of this library's model")
    if isinstance(error, UncalibratedError):
        reason = "neither the model nor the library is calibrated for this"
        return Fault(422, "uncalibrated", reason, "give a distance instead of a probability")
    if isinstance(error, LibraryError):
        return library(error)
    return Fault(422, "value", "a value that cannot be used", "see the API's description")
