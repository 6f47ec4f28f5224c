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
from transhash.cli.queries import queries
from transhash.errors import TransHashError

if TYPE_CHECKING:
    from transhash.library import Hit


def search(
    context: typer.Context,
    images: Annotated[
        list[str] | None,
        typer.Argument(metavar="IMAGE", help="Pictures; - is one from standard input.", show_default=False),
    ] = None,
    *,
    clipboard: Annotated[
        bool, typer.Option("--clipboard", help="Search for the picture, or the picture's file, in the clipboard.")
    ] = False,
    k: Annotated[int, typer.Option("-k", min=1, help="How many hits a picture, at most.")] = 10,
    max_distance: Annotated[
        int | None, typer.Option(min=0, metavar="BITS", help="How many bits may differ, at most.")
    ] = None,
    min_probability: Annotated[
        float | None,
        typer.Option(min=0, max=1, metavar="P", help="How probable it must be that a hit is relevant, from 0 to 1."),
    ] = None,
    where: Annotated[
        str | None,
        typer.Option(metavar="FILTER", help="Only pictures that pass, such as \"width >= 800 and taken < '2020'\"."),
    ] = None,
    sheet: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the pictures and their hits on one page (JPEG, PNG, …).")
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Show them in the terminal, if it can.")] = False,
    library: LibraryOption = None,
    model: ModelOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find the most similar pictures of a library, nearest first.

    Printed are the distance, the probability of relevance if the model was calibrated, and the path.

    The library is the one named by --library, else the nearest .transhash at or above the current folder, else the one
    in TRANSHASH_LIBRARY, else the nearest .transhash at or above a given picture.

    A FILTER compares path, folder, name, width, height, size (2MB), taken, modified ('2024', '2024-05-01', UTC) and
    columns of your own (`transhash annotate`): = != < <= > >=, like (* for anything), in (...), is null; and, or, not.
    """
    import numpy as np

    from transhash.cli import terminal
    from transhash.cli.sheet import Sheet, check_name

    if not images and not clipboard:
        raise typer.BadParameter("name a picture, or - for standard input, or --clipboard", context, param_hint="IMAGE")
    if show and as_json:
        raise TransHashError("--show and --json do not go together; use --sheet FILE for a file beside the JSON")
    if sheet:
        check_name(sheet)
    wanted = queries(images or [], clipboard=clipboard)
    page = Sheet() if sheet or show else None
    failed = 0
    place = find_library(
        library, [Path.cwd()], (query.folder for query in wanted if query.folder), elsewhere=("milvus",)
    )
    with open_library(place, model) as opened:
        for batch in opened.model.stream(wanted, source=lambda query: query.source):
            values = [encoded.values for encoded in batch if encoded.values is not None]
            hits_of_each = opened.search_values(
                np.stack(values) if values else np.empty((0, opened.model.bits), np.float32),
                k,
                max_distance=max_distance,
                min_probability=min_probability,
                where=where,
            )
            found = iter(hits_of_each)
            for encoded in batch:
                if encoded.error:
                    failed += 1
                    say(f"{encoded.item.called}: {encoded.error.reason}; {encoded.error.remedy}")
                    continue
                hits = next(found)
                if as_json:
                    print_json({"query": encoded.item.name, "hits": [asdict(hit) for hit in hits]})
                else:
                    _print(encoded.item.called, hits, heading=len(wanted) > 1)
                if page:
                    page.add(encoded.item.name, encoded.item.source, hits)
    if page and failed < len(wanted):
        if sheet:
            page.save(sheet)
        if show:
            terminal.show(page.draw())
    raise typer.Exit(DONE if not failed else PARTLY if failed < len(wanted) else NOTHING)


def _print(query: str, hits: list[Hit], *, heading: bool) -> None:
    if heading:
        print(f"{shown(query)}:")
    for hit in hits:
        probability = "" if hit.probability is None else f"{hit.probability:5.0%}  "
        print(f"{hit.distance:4d}  {probability}{shown(hit.path)}")
    if not hits:
        say(f"{query}: nothing found; allow a greater distance or less probability, or index more pictures")
