"""transhash annotate: columns of the user's own for the pictures of a library."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from transhash.cli.libraries import find_library, open_library
from transhash.cli.options import JsonOption, LibraryOption
from transhash.cli.output import DONE, NOTHING, PARTLY, print_json, say, shown
from transhash.errors import TransHashError

EXAMPLES = """\
  transhash annotate labels.csv                    # columns: path,label,rating
  transhash search cat.jpg --where "label = 'tabby' and rating >= 4"
  transhash annotate --drop rating
"""


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
    """Add your own columns to pictures, for filters and results.

    FILE has a row for each picture. The column `path` (or --key) names the picture: an absolute path, a path relative
    to the folder that contains the library or to FILE's folder, or a file name that only one picture has. Numbers,
    dates (2024-05-01), true and false are recognised; everything else is text. A row that is imported again replaces
    the old values; an empty value removes them.
    """
    from transhash.library.exchange.annotation import drop as remove

    if file is None and not drop:
        raise typer.BadParameter("give a FILE, or a column to --drop")
    place = find_library(library, [Path.cwd()], [file.parent] if file else [], last=False)
    with open_library(place) as opened:
        if drop:
            remove(opened.catalogue, drop)
        for column in dict.fromkeys(drop or []):
            say(f"column {column} removed")
        if file is None:
            raise typer.Exit(DONE)
        try:
            report = opened.annotate(file, key=key)
        except TransHashError as error:
            if not drop:
                raise
            say(str(error))
            raise typer.Exit(PARTLY) from error
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
