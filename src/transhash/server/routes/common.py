"""What the parts of the API have in common: parameters, and the answers that are no success."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from fastapi import Depends, Path, Query, Request

from transhash.server import schemas
from transhash.server.service import Service

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


def service(request: Request) -> Service:
    """The service of this application."""
    found: Service = request.app.state.service
    return found


Served: TypeAlias = Annotated[Service, Depends(service)]


def filter_of(
    where: Annotated[
        str | None, Query(max_length=schemas.MOST_TEXT, description="A filter, such as width >= 800.")
    ] = None,
) -> str | None:
    """A filter; an empty one is none."""
    return where if where and where.strip() else None


Where: TypeAlias = Annotated[str | None, Depends(filter_of)]
