"""Sessions, and how the server is."""

from __future__ import annotations

from fastapi import Request, Response

from transhash.server import schemas
from transhash.server.routes.common import Anything, api_router
from transhash.server.tokens import Tokens

router = api_router()


@router.post("/session", status_code=204, summary="A cookie for the page")
async def begin_session(request: Request, response: Response) -> None:
    """Where the server asks for tokens: what the page needs to show pictures, kept from its scripts."""
    tokens: Tokens = request.app.state.tokens
    if cookie := tokens.begin(request.scope):
        response.raw_headers.append((b"set-cookie", cookie.encode()))


@router.delete("/session", status_code=204, summary="Log out")
async def end_session(request: Request, response: Response) -> None:
    """The cookie is worth nothing any longer."""
    tokens: Tokens = request.app.state.tokens
    if cookie := tokens.end(request.scope):
        response.raw_headers.append((b"set-cookie", cookie.encode()))


@router.get("/health", summary="Whether it runs")
async def health() -> schemas.State:
    """The server runs."""
    return schemas.State(status="ok")


@router.get("/ready", summary="Whether it can serve")
async def ready(served: Anything) -> schemas.State:
    """The library can be opened and read now; 503 when it cannot."""
    await served.check()
    return schemas.State(status="ready")


@router.get(
    "/metrics",
    summary="Counters for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(served: Anything) -> Response:
    """Requests, times, pictures encoded, queries searched."""
    return Response(served.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
