"""Errors as answers: a status and one JSON object, which says what is wrong and never repeats what was sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from transhash.errors import FilterError, HammingIndexError, ImageError, LibraryError, TransHashError, UncalibratedError

RETRY_SECONDS = 1


class Fault(Exception):  # noqa: N818 - an answer
    """An answer that is no success: what is wrong, and the remedy."""

    def __init__(self, status: int, reason: str, remedy: str, *, retry: int | None = None) -> None:
        super().__init__(f"{reason}; {remedy}")
        self.status = status
        self.reason = reason
        self.remedy = remedy
        self.headers = {"Retry-After": str(retry)} if retry else {}
        if status == 401:
            self.headers["WWW-Authenticate"] = "Bearer"

    def body(self) -> dict[str, Any]:
        """The object."""
        return {"reason": self.reason, "remedy": self.remedy}

    def answer(self) -> Response:
        """The answer."""
        return json_response(self.body(), self.status, self.headers)


def busy(what: str) -> Fault:
    """Too much is asked at once."""
    return Fault(429, f"too many {what} at once", "try again in a moment", retry=RETRY_SECONDS)


def late() -> Fault:
    """The time is up."""
    return Fault(503, "it took too long", "try again when the server is less busy", retry=RETRY_SECONDS)


def unknown_picture() -> Fault:
    """An id of no picture."""
    return Fault(404, "no picture of this id", "search again: it may have been removed")


def of(error: TransHashError) -> Fault:
    """An error of the package as an answer. Paths of the server's stay here."""
    if isinstance(error, FilterError):
        return Fault(422, f"the filter cannot be understood at character {error.position}", f"write {error.expected}")
    if isinstance(error, ImageError):
        return Fault(422, error.reason, error.remedy)
    if isinstance(error, HammingIndexError):
        return Fault(422, "a code that is not in the index, or does not fit it", "use codes of this library's model")
    if isinstance(error, UncalibratedError):
        return Fault(422, "the model tells no probabilities", "give a distance instead")
    if isinstance(error, LibraryError):
        return Fault(503, "the library cannot be used", "see the server's log", retry=RETRY_SECONDS)
    return Fault(422, "a value that cannot be used", "see the API's description")


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """JSON, with texts of any characters: file names that are not UTF-8 lose what is not."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Response(text.encode("utf-8", "replace"), status, headers, "application/json")
