"""transhash export: a library as one Parquet file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from transhash.cli.common import DONE, JsonOption, LibraryOption, find_library, open_library, print_json, shown
from transhash.cli.progress import bar

NAME = "library.parquet"  # in a folder


def export(
    *,
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help=f"A .parquet file, or a folder for {NAME}.")],
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a library to a Parquet file, for `transhash import` and other programs.

    It holds every picture's path (relative to the folder that contains the library), code, size in pixels and bytes,
    times, digest and your own columns, and the model's name and fingerprint. The pictures themselves are not copied.

    The library is the one named by --library, else the nearest .transhash at or above the current folder, else the one
    in TRANSHASH_LIBRARY.
    """
    if to.is_dir():
        to /= NAME
    elif to.suffix.lower() != ".parquet":
        raise typer.BadParameter(f"{to} is neither a folder nor called .parquet", param_hint="--to")
    with open_library(find_library(library, [Path.cwd()])) as opened, bar("exporting", len(opened)) as advance:
        count = opened.export(to, progress=lambda rows: advance(rows, ""))
    if as_json:
        print_json({"file": to, "pictures": count})
    else:
        print(f"{count} pictures in {shown(to)}")
    raise typer.Exit(DONE)
