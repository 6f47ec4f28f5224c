"""The application: the API, the page's files, and the gate before them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from transhash import __version__
from transhash.codes import pack
from transhash.errors import TransHashError
from transhash.library import LiveLibrary
from transhash.server import api, faults
from transhash.server.faults import Fault
from transhash.server.metrics import Metrics
from transhash.server.security import API, Gate
from transhash.server.service import Service
from transhash.server.settings import Settings

PAGE = Path(__file__).with_name("page")


def create_app(live: LiveLibrary, settings: Settings) -> ASGIApp:
    """The server of a library, as an ASGI application; the library stays the caller's to close."""
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        _warm(live)
        app.state.service = service = Service(live, settings, metrics)
        try:
            yield
        finally:
            service.close()

    app = FastAPI(
        title="transhash",
        version=__version__,
        summary="Pictures by likeness.",
        openapi_url=f"{API}/openapi.json",
        docs_url=None,  # they load scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.include_router(api.router)
    app.add_exception_handler(Fault, _fault)
    app.add_exception_handler(TransHashError, _error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return FileResponse(PAGE / "index.html", headers={"Cache-Control": "no-cache"})

    app.mount("/assets", _Assets(directory=PAGE / "assets"))
    return Gate(app, settings, metrics)


class _Assets(StaticFiles):
    """The page's files: looked for again each time, sent again only when they have changed."""

    def file_response(self, *arguments: Any, **named: Any) -> Response:
        response = super().file_response(*arguments, **named)
        response.headers["Cache-Control"] = "no-cache"
        return response


def _warm(live: LiveLibrary) -> None:
    """Start the network, and compile what is compiled on first use, before anybody waits for it."""
    size = live.model.image_size
    values = live.model.read(np.zeros((8, size, size, 3), np.uint8))
    index = live.index
    for queries in (1, 8):
        for relaxed in (None, values[:queries]):
            for ids in (None, index.ids[: len(index) // 2]):
                index.search(pack(values[:queries]), 10, ids=ids, values=relaxed)


async def _fault(_: Request, fault: Exception) -> Response:
    assert isinstance(fault, Fault)
    return fault.answer()


async def _error(_: Request, error: Exception) -> Response:
    assert isinstance(error, TransHashError)
    return faults.of(error).answer()


async def _invalid(_: Request, error: Exception) -> Response:
    """Which value is wrong, and what it should be; not what it was."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = [str(part) for part in first["loc"] if isinstance(part, str | int)]
    names = [part for part in place if part.isdecimal() or part in _KNOWN]
    if first["type"] == "json_invalid":
        return Fault(422, "not JSON", "send a JSON object").answer()
    return Fault(422, f"{'.'.join(names) or 'a value'} cannot be used", _expected(first)).answer()


_KNOWN = {"body", "query", "path", "k", "offset", "max_distance", "min_probability", "where", "histogram", "codes"}
_KNOWN |= {"values", "ids", "id", "before", "limit", "again", "v", "rows", "key", "dates"}


def _expected(error: Any) -> str:
    context = {name: limit for name, limit in error.get("ctx", {}).items() if isinstance(limit, int | float)}
    limits = ", ".join(f"{name} {limit}" for name, limit in context.items())
    return f"see the API's description ({error['type']}{': ' if limits else ''}{limits})"


async def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    reasons = {404: ("nothing here", "see the API's description"), 405: ("not a method of this address", "use another")}
    reason, remedy = reasons.get(error.status_code, ("the request cannot be understood", "see the API's description"))
    fault = Fault(error.status_code, reason, remedy)
    fault.headers.update(error.headers or {})
    return fault.answer()
