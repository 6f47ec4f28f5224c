"""A library for agents: tools of the Model Context Protocol, by its official SDK. They read, and change nothing.

server = tools(library)
server.run("stdio")
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Annotated, Any, TypeAlias

import numpy as np
from mcp.server.mcpserver import Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import Field

from transhash import __version__
from transhash.errors import ImageError, TransHashError
from transhash.library import Library, Mixture, Queries, Words
from transhash.library.files.thumbnails import Thumbnails
from transhash.library.searchable import Hit, One, Picture
from transhash.model import reads
from transhash.plain import unicode

MOST = 100  # hits of one answer
SHOWN = 8  # of them with a small copy
READS = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
WHERE = "Only pictures that pass this filter, such as: width >= 800 and taken >= '2020'."

Most: TypeAlias = Annotated[int, Field(ge=1, le=MOST, description="Hits, at most.")]
Shown: TypeAlias = Annotated[int, Field(ge=0, le=SHOWN, description="How many of them to show as small pictures.")]
Where: TypeAlias = Annotated[str | None, Field(description=WHERE)]
Answer: TypeAlias = "list[str | Image]"


def tools(library: Library) -> MCPServer[object]:
    """The tools of a library, which stays the caller's to close: to be run, or connected to by a client in tests."""
    server: MCPServer[object] = MCPServer(
        "transhash",
        version=__version__,
        instructions="Finds pictures of one library by likeness. Paths in answers are files on this machine.",
        log_level="ERROR",
    )
    thumbnails = Thumbnails(library.path)

    def answered(query: One | Queries, k: int, where: str | None, shown: int, without: int | None = None) -> Answer:
        try:
            found: Any = library.search(query, k + (without is not None), where=where or None)
        except TransHashError as error:
            raise ToolError(unicode(str(error))) from error
        hits: list[Hit] = found[0] if isinstance(query, Queries) else found
        hits = [hit for hit in hits if hit.id != without][:k]
        pictures = [shown_of(thumbnails, hit.picture) for hit in hits[:shown]]
        return [_json([_told(hit) for hit in hits]), *filter(None, pictures)]

    @server.tool(annotations=READS, structured_output=False)
    def library_facts() -> str:
        """Facts of the library: how many pictures, its model, own columns for filters, what can be searched with."""
        info = library.info()
        asked = [kind for kind in reads(library.model) if kind != "vectors"]  # no tool takes these
        facts = {"pictures": info.pictures, "model": info.model, "bits": info.bits, "columns": info.columns}
        return _json({"library": str(info.path), **facts, "search_by": asked})

    @server.tool(annotations=READS, structured_output=False)
    def search_by_picture(
        path: Annotated[str | None, Field(description="A picture's file on this machine, or")] = None,
        content: Annotated[str | None, Field(description="the bytes of such a file in base64.")] = None,
        k: Most = 10,
        where: Where = None,
        shown: Shown = 4,
    ) -> Answer:
        """The pictures most like one, nearest first: JSON, then small copies of the first ones."""
        if (path is None) == (content is None):
            raise ToolError("give path or content, one of them")
        try:
            sent = base64.b64decode(content or "", validate=True)
        except ValueError as error:
            raise ToolError("content is not base64") from error
        return answered(path or sent, k, where, shown)

    @server.tool(annotations=READS, structured_output=False)
    def search_by_words(
        *,
        words: Annotated[str, Field(min_length=1, description="What hits show, such as: red car.")],
        without: Annotated[Sequence[str], Field(description="What hits do not show, such as: snow.")] = (),
        like: Annotated[Sequence[int], Field(description="Ids of pictures that hits are to be like as well.")] = (),
        k: Most = 10,
        where: Where = None,
        shown: Shown = 4,
    ) -> Answer:
        """The pictures that words describe; for libraries whose facts say that they can be searched by words."""
        others = [each.path for each in known(like).values()]
        mixed = Mixture([Words(words), *others], minus=[Words(each) for each in without])
        return answered(mixed if others or without else Words(words), k, where, shown)

    @server.tool(annotations=READS, structured_output=False)
    def more_like(
        id: Annotated[int, Field(ge=0, description="Of a picture, as hits have it.")],
        k: Most = 10,
        where: Where = None,
        shown: Shown = 4,
    ) -> Answer:
        """The other pictures most like one of the library."""
        known([id])
        kept = library.searching.embeddings([id]).get(id) if library.searching.by_embeddings else None
        embeddings = None if kept is None else np.frombuffer(kept, np.int8)[None]
        return answered(Queries(library.codes().reconstruct([id]), None, embeddings), k, where, shown, id)

    @server.tool(annotations=READS, structured_output=False)
    def duplicates(
        max_distance: Annotated[int, Field(ge=0, le=32, description="Bits in which codes may differ.")] = 8,
        limit: Annotated[int, Field(ge=1, le=MOST, description="Groups, at most.")] = 20,
    ) -> str:
        """Groups of pictures that are copies of one another, each with the one to keep. Takes long in large ones."""
        try:
            groups = library.duplicates(max_distance).groups
        except TransHashError as error:
            raise ToolError(unicode(str(error))) from error
        told = [
            {
                "keep": {"id": each.keep.id, "path": str(each.keep.path)},
                "copies": [
                    {"id": one.id, "path": str(one.path), "kind": one.kind, "why": one.why} for one in each.same
                ],
            }
            for each in groups[:limit]
        ]
        return _json({"total": len(groups), "groups": told})

    def known(ids: Sequence[int]) -> dict[int, Picture]:
        found = library.pictures(ids)
        if missing := set(ids) - set(found):
            raise ToolError(f"no picture of the id {min(missing)}; search again: it may have been removed")
        return found

    return server


def shown_of(thumbnails: Thumbnails, picture: Picture) -> Image | None:
    """A small copy of a picture; None where its file cannot be used."""
    try:
        return Image(data=thumbnails.get(picture).content, format="jpeg")
    except ImageError:
        return None


def _json(told: Any) -> str:
    """In JSON; a name that is not UTF-8 would end the connection."""
    return unicode(json.dumps(told, ensure_ascii=False))


def _told(hit: Hit) -> dict[str, Any]:
    told = hit.picture.to_dict()
    names = ("id", "width", "height", "taken", "columns")
    return {"path": hit.picture.address, "distance": hit.distance, "probability": hit.probability} | {
        n: told[n] for n in names
    }
