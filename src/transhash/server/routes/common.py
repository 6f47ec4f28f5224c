"""What the parts of the API have in common: parameters, and the answers that are no success."""

from __future__ import annotations

from typing import Annotated, Any, Protocol, TypeAlias

from fastapi import Depends, Path, Query, Request

from transhash.errors import ImageError
from transhash.server import schemas
from transhash.server.encoding import Relaxed
from transhash.server.metrics import Metrics
from transhash.server.searching import Query as Asked
from transhash.server.service import Service
from transhash.server.settings import Settings

FAULTS: dict[int | str, dict[str, Any]] = {
    status: {"model": schemas.Fault, "description": text}
    for status, text in {
        400: "The request is no proper one.",
        401: "No valid token.",
        403: "Not allowed: asked by another site, by a token that may only look, or switched off.",
        408: "The request did not arrive in time.",
        413: "Too large.",
        421: "Not a name of this server.",
        422: "A value or a picture that cannot be used.",
        429: "Too much at once.",
        503: "It took too long, or the library cannot be used.",
    }.items()
}
UNKNOWN: dict[int | str, dict[str, Any]] = {404: {"model": schemas.Fault, "description": "No picture of this id."}}
UNTYPED: dict[int | str, dict[str, Any]] = {415: {"model": schemas.Fault, "description": "Not a type that is read."}}

Id: TypeAlias = Annotated[int, Path(ge=0, le=schemas.LAST_ID, description="A picture's id.")]


def service(request: Request) -> Any:
    """The service of this application."""
    return request.app.state.service


class Searching(Protocol):
    """What is served, of whichever kind: it can be searched."""

    @property
    def bits(self) -> int:
        """Length of the codes."""

    @property
    def settings(self) -> Settings:
        """What the server may do, and its limits."""

    @property
    def metrics(self) -> Metrics:
        """The counters."""

    async def encode(self, pictures: list[bytes]) -> list[Relaxed | ImageError]:
        """Relaxed codes and embeddings of pictures, or what is wrong with them."""

    async def search(self, queries: list[Asked]) -> list[schemas.Found]:
        """The answers to queries, all with the same options; raises the first `Fault`."""

    async def check(self) -> None:
        """Read something, as somebody would who asks now; raises what is wrong with it."""


Served: TypeAlias = Annotated[Service, Depends(service)]
Anything: TypeAlias = Annotated[Searching, Depends(service)]


def filter_of(
    where: Annotated[
        str | None, Query(max_length=schemas.MOST_TEXT, description="A filter, such as width >= 800.")
    ] = None,
) -> str | None:
    """A filter; an empty one is none."""
    return where if where and where.strip() else None


Where: TypeAlias = Annotated[str | None, Depends(filter_of)]
