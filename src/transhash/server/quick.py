"""Searches by id without the framework's layers, which take longer than the search itself.

What is anything but plain (a filter, a value that is out of bounds, a name that is twice in the address) goes on to the
application, which knows all of the API, and tells what is wrong.
"""

from __future__ import annotations

import re
import time
from functools import lru_cache
from types import SimpleNamespace

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from transhash.codes import MOST_BITS
from transhash.errors import TransHashError
from transhash.server import faults
from transhash.server.found import results
from transhash.server.queries import Options, Query
from transhash.server.security import API
from transhash.server.settings import MOST_HITS, MOST_RANKED

ROUTE = SimpleNamespace(path=f"{API}/pictures/{{id}}/similar")  # as the counters name it
_PATH = re.compile(rf"{API}/pictures/([0-9]{{1,18}})/similar")
LONGEST = 64  # bytes of what is kept
_BOUNDS = {b"k": (1, MOST_HITS), b"offset": (0, MOST_RANKED), b"max_distance": (0, MOST_BITS)}


class Quick:
    """The application, behind its own quick way for searches by id."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let the application do it; raises a `Fault`."""
        asked = asked_plainly(scope) if scope["type"] == "http" and scope["method"] == "GET" else None
        if asked is None:
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        scope["route"] = ROUTE
        try:
            found = await self._app.state.service.search([asked])
        except TransHashError as error:
            raise faults.of(error) from error
        body = results(found, (time.perf_counter() - began) * 1000)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def asked_plainly(scope: Scope) -> Query | None:
    """What a request asks for, if that is a search by id with numbers that are within their bounds."""
    named = _PATH.fullmatch(scope["path"])
    if named is None:
        return None
    query = scope["query_string"]
    options = _options(query) if len(query) <= LONGEST else None
    return None if options is None else Query(options, id=int(named[1]))


@lru_cache(maxsize=256)
def _options(query: bytes) -> Options | None:
    values: dict[bytes, int] = {}
    for part in query.split(b"&") if query else ():
        name, _, text = part.partition(b"=")
        least, most = _BOUNDS.get(name, (1, 0))
        if name in values or not text.isdigit() or len(text) > 6 or not least <= int(text) <= most:
            return None
        values[name] = int(text)
    k, offset = values.get(b"k", Options.k), values.get(b"offset", Options.offset)
    return Options(k, offset, values.get(b"max_distance"))
