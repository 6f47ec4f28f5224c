"""transhash import: an exported library, brought into a new one or one of the same model."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from transhash.cli.common import (
    DONE,
    JsonOption,
    LibraryOption,
    ModelOption,
    find_library,
    model_at,
    print_json,
    shown,
)
from transhash.cli.progress import bar


def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file of `transhash export`.", show_default=False)],
    *,
    library: LibraryOption = None,
    model: ModelOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take an exported library into a library of the same model; nothing is decoded.

    Pictures take the place of those of the same path. Relative paths count from the folder that contains the library:
    import where the pictures are. A library that does not exist is made.

    The library is the one named by --library, else the nearest .transhash at or above the current folder, else the one
    in TRANSHASH_LIBRARY, else a new one, .transhash in the current folder.
    """
    from transhash.library import Library
    from transhash.library.exchange.parquet import head
    from transhash.library.library import FOLDER

    place = find_library(library, [Path.cwd()]) or Path(FOLDER)
    if not Library.exists(place) and place.name != FOLDER and place.is_dir() and any(place.iterdir()):
        place /= FOLDER  # a folder of other things contains its library
    with bar("importing", None) as advance:
        used = None if model is None else model_at(model, head(file).bits)
        opened, report = Library.import_(file, place, used, progress=lambda rows: advance(rows, ""))
    with opened:
        if as_json:
            print_json({"library": opened.path, "pictures": len(opened), **asdict(report)})
        else:
            parts = f"{report.added} added" + (f", {report.replaced} replaced" if report.replaced else "")
            print(f"{len(opened)} pictures in {shown(opened.path)}: {parts}")
    raise typer.Exit(DONE)
