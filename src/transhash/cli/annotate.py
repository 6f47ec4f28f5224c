"""transhash annotate: columns of the user's own for the pictures of a library."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from transhash.cli.common import (
    DONE,
    NOTHING,
    PARTLY,
    JsonOption,
    LibraryOption,
    find_library,
    open_library,
    print_json,
    say,
    shown,
)


def annotate(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="CSV or Parquet.", show_default=False)] = None,
    *,
    library: LibraryOption = None,
    key: Annotated[str, typer.Option(metavar="COLUMN", help="The column that names the picture.")] = "path",
    drop: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="Remove a column of your own; may be repeated.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Add your own columns to pictures, for --where and for hits.

    FILE has a row for each picture, and names it by its path (absolute, or relative to the folder that contains the
    library or to FILE's), or by its name when no other picture has that. Texts, numbers, dates (2024-05-01) and true
    and false are recognised. What is imported again is replaced; an empty value removes.

    The library is the one named by --library, else the nearest .transhash at or above the current folder, else the one
    in TRANSHASH_LIBRARY, else the nearest .transhash at or above FILE.
    """
    if file is None and not drop:
        raise typer.BadParameter("give a FILE, or a column to --drop")
    place = find_library(library, [Path.cwd()], [file.parent] if file else [])
    with open_library(place) as opened:
        for column in drop or []:
            opened.drop_column(column)
            say(f"column {column} removed")
        if file is None:
            raise typer.Exit(DONE)
        report = opened.annotate(file, key=key)
    if as_json:
        print_json(asdict(report))
    else:
        columns = ", ".join(f"{shown(name)} ({kind})" for name, kind in report.columns.items()) or "no columns"
        print(f"{report.matched} of {report.rows} rows matched: {columns}")
        for name in report.left_out:
            say(f"column {name} left out: every picture has that of itself; rename it to keep it")
        for picture in report.unmatched:
            say(f"{picture}: no picture of the library, or several of this name; give its path")
        if (more := report.rows - report.matched - len(report.unmatched)) > 0:
            say(f"and {more} more that did not match")
    raise typer.Exit(DONE if report.matched == report.rows else PARTLY if report.matched else NOTHING)
