"""transhash import: an exported library, brought into a new one or one of the same model."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from transhash.cli.libraries import find_library, model_at, remember
from transhash.cli.options import JsonOption, LibraryOption, ModelOption
from transhash.cli.output import DONE, print_json, shown
from transhash.cli.terminal import stages

EXAMPLES = """\
  transhash import all.parquet
  transhash import all.parquet --library other/library
"""


def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file of `transhash export`.", show_default=False)],
    *,
    library: LibraryOption = None,
    model: ModelOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add an exported library to a library of the same model.

    No picture is decoded. A picture replaces the one with the same path. Relative paths start at the folder that
    contains the library: import where the pictures are. A library that does not exist is made, by default .transhash
    in the current folder.
    """
    from transhash.library import Library
    from transhash.library.exchange.parquet import head
    from transhash.library.opening import FOLDER

    place = find_library(library, [Path.cwd()], guess=False) or Path(FOLDER)
    if not Library.exists(place) and place.name != FOLDER and place.is_dir() and any(place.iterdir()):
        place /= FOLDER  # a folder of other things contains its library
    with stages() as progress:
        used = None if model is None else model_at(model, head(file).bits)
        opened, report = Library.import_(file, place, used, progress=progress)
    with opened:
        remember(opened.path)
        if as_json:
            print_json({"library": opened.path, "pictures": len(opened), **asdict(report)})
        else:
            parts = f"{report.added} added" + (f", {report.replaced} replaced" if report.replaced else "")
            print(f"{len(opened)} pictures in {shown(opened.path)}: {parts}")
    raise typer.Exit(DONE)
