"""transhash search: the pictures most like given ones."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from transhash.cli.common import (
    DONE,
    NOTHING,
    PARTLY,
    JsonOption,
    LibraryOption,
    ModelOption,
    find_library,
    open_library,
    print_json,
    say,
    shown,
)

if TYPE_CHECKING:
    from transhash.library import Hit


def search(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE", help="Pictures.", show_default=False)],
    *,
    k: Annotated[int, typer.Option("-k", min=1, help="How many hits a picture, at most.")] = 10,
    max_distance: Annotated[
        int | None, typer.Option(min=0, metavar="BITS", help="How many bits may differ, at most.")
    ] = None,
    where: Annotated[
        str | None,
        typer.Option(metavar="FILTER", help="Only pictures that pass, such as \"width >= 800 and taken < '2020'\"."),
    ] = None,
    library: LibraryOption = None,
    model: ModelOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find the most similar pictures of a library: distance and path, nearest first.

    The library is the one named by --library, else the nearest .transhash at or above the current folder, else the one
    in TRANSHASH_LIBRARY, else the nearest .transhash at or above a given picture.

    A FILTER compares path, folder, name, width, height, size (2MB), taken, modified ('2024', '2024-05-01', UTC) and
    columns of your own (`transhash annotate`): = != < <= > >=, like (* for anything), in (...), is null; and, or, not.
    """
    import numpy as np

    failed = 0
    place = find_library(library, [Path.cwd()], (image.parent for image in images))
    with open_library(place, model) as opened:
        for batch in opened.model.stream(images):
            values = [encoded.values for encoded in batch if encoded.values is not None]
            found = iter(
                opened.search_values(np.stack(values), k, max_distance=max_distance, where=where) if values else []
            )
            for encoded in batch:
                if encoded.error:
                    failed += 1
                    say(str(encoded.error))
                elif as_json:
                    print_json({"query": encoded.item, "hits": [asdict(hit) for hit in next(found)]})
                else:
                    _print(encoded.item, next(found), heading=len(images) > 1)
    raise typer.Exit(DONE if not failed else PARTLY if failed < len(images) else NOTHING)


def _print(query: Path, hits: list[Hit], *, heading: bool) -> None:
    if heading:
        print(f"{shown(query)}:")
    for hit in hits:
        print(f"{hit.distance:4d}  {shown(hit.path)}")
    if not hits:
        say(f"{query}: nothing found; allow a greater --max-distance, or index more pictures")
