"""The application: the API, the page's files, and the gate before them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp

from transhash import __version__
from transhash.errors import TransHashError
from transhash.library import LiveLibrary
from transhash.server import faults
from transhash.server.collection import Collection, CollectionService
from transhash.server.faults import Fault, request_id
from transhash.server.gate import Gate
from transhash.server.log import Log
from transhash.server.metrics import Metrics
from transhash.server.page_files import page_routes
from transhash.server.quick import Quick
from transhash.server.routes import collection_routers, routers
from transhash.server.security import API
from transhash.server.service import Service
from transhash.server.settings import Settings
from transhash.server.tokens import Tokens

SWEEP_SECONDS = 3600.0  # between looks for small copies of pictures that are gone


def create_app(served: LiveLibrary | Collection, settings: Settings) -> ASGIApp:
    """The server of a library or of a collection, as an ASGI application; that stays the caller's to close.

    Raises `TransHashError` when a file that the settings name cannot be used.
    """
    metrics, log = Metrics(), Log(settings)
    tokens = Tokens(settings, log)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service: Service | CollectionService
        if isinstance(served, LiveLibrary):
            service = Service(served, settings, metrics)
            service.prepare()
        else:
            service = CollectionService(served, settings, metrics)
        app.state.service = service
        sweeping = asyncio.create_task(_sweep(service, log))
        try:
            yield
        finally:
            sweeping.cancel()
            service.close()
            log.close()

    app = _Described(
        title="transhash",
        version=__version__,
        summary="Pictures by likeness.",
        servers=[{"url": settings.prefix}] if settings.prefix else None,
        openapi_url=f"{API}/openapi.json",
        docs_url=None,  # they load scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.state.tokens, app.state.log = tokens, log
    app.router.routes += page_routes()
    for router in routers if isinstance(served, LiveLibrary) else collection_routers:
        # as they are: to include a router makes each of its routes again, at the first request
        app.router.routes += router.routes
    app.add_exception_handler(Fault, _fault)
    app.add_exception_handler(TransHashError, _error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _internal)  # the gate logs it
    return Gate(Quick(app), settings, metrics, tokens, log)


class _Described(FastAPI):
    """Its description (OpenAPI) says how a client proves that it may ask: with a token, where the server has one."""

    def openapi(self) -> dict[str, Any]:
        described = super().openapi()
        described["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        described["security"] = [{"token": []}, {}]
        return described


async def _sweep(service: Service | CollectionService, log: Log) -> None:
    while True:
        with suppress(Fault):
            try:
                await service.sweep()
            except TransHashError as error:
                log.failed("none", error)
        await asyncio.sleep(SWEEP_SECONDS)


async def _fault(request: Request, fault: Exception) -> Response:
    assert isinstance(fault, Fault)
    request.app.state.log.fault(request_id(request), fault)
    return fault.answer(request_id(request))


async def _error(request: Request, error: Exception) -> Response:
    assert isinstance(error, TransHashError)
    fault = faults.of(error)
    if fault.status >= 500:
        request.app.state.log.failed(request_id(request), error)
    return fault.answer(request_id(request))


async def _internal(request: Request, _: Exception) -> Response:
    return faults.internal().answer(request_id(request))


async def _invalid(request: Request, error: Exception) -> Response:
    """Which value is wrong, and what it should be; not what it was."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = [str(part) for part in first["loc"] if isinstance(part, str | int)]
    names = [part for part in place if part.isdecimal() or part in _KNOWN]
    if first["type"] == "json_invalid":
        return Fault(422, "json", "not JSON", "send a JSON object").answer(request_id(request))
    reason = f"{'.'.join(names) or 'a value'} cannot be used"
    return Fault(422, "value", reason, _expected(first)).answer(request_id(request))


_KNOWN = {"body", "query", "path", "k", "offset", "max_distance", "min_probability", "where", "histogram", "codes"}
_KNOWN |= {"values", "ids", "id", "before", "limit", "again", "v", "rows", "key", "dates", "version"}
_KNOWN |= {"kinds", "keep", "one", "other", "decisions", "apart", "collapse"}
_KNOWN |= {"sort", "like", "unlike", "code", "embedding", "words", "vector", "vectors"}


def _expected(error: Any) -> str:
    context = {name: limit for name, limit in error.get("ctx", {}).items() if isinstance(limit, int | float)}
    limits = ", ".join(f"{name} {limit}" for name, limit in context.items())
    return f"see the API's description ({error['type']}{': ' if limits else ''}{limits})"


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    reasons = {
        404: ("address", "nothing here", "see the API's description"),
        405: ("method", "not a method of this address", "use another"),
    }
    unknown = ("request", "the request cannot be understood", "see the API's description")
    fault = Fault(error.status_code, *reasons.get(error.status_code, unknown))
    fault.headers.update(error.headers or {})
    return fault.answer(request_id(request))
