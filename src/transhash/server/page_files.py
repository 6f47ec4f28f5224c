"""The page's own files, held in memory: they are few, small, and the first thing that everybody asks for."""

from __future__ import annotations

import hashlib
import mimetypes
from pathlib import Path
from typing import NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from transhash.server.answers import is_held

PAGE = Path(__file__).with_name("page")
_NOT_KEPT = {"Cache-Control": "no-cache"}  # asked for again each time, sent again only when it has changed


class _File(NamedTuple):
    content: bytes
    type: str
    mark: str

    @classmethod
    def of(cls, name: str, content: bytes) -> _File:
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        if name.endswith(".js"):
            kind = "text/javascript"  # on some Windows machines the registry has another one
        return cls(content, kind, f'"{hashlib.sha256(content).hexdigest()[:16]}"')

    def answer(self, request: Request) -> Response:
        headers = {"ETag": self.mark, **_NOT_KEPT}
        if is_held(self.mark, request.headers.get("if-none-match", "")):
            return Response(status_code=304, headers=headers)
        return Response(self.content, 200, headers, self.type)


def page_routes() -> list[BaseRoute]:
    """The routes of the page and of its files."""
    assets = {each.name: _File.of(each.name, each.read_bytes()) for each in sorted((PAGE / "assets").iterdir())}
    # all scripts at once, instead of first those that the first one names, then those that these name
    named = "".join(f'<link rel="modulepreload" href="assets/{name}">\n' for name in assets if name.endswith(".js"))
    whole = (PAGE / "index.html").read_bytes().replace(b"</head>", named.encode() + b"</head>", 1)
    index = _File.of("index.html", whole)

    async def page(request: Request) -> Response:
        return index.answer(request)

    async def asset(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in assets:
            raise HTTPException(404)
        return assets[name].answer(request)

    return [Route("/", page), Route("/assets/{name}", asset)]
