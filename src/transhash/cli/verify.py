"""transhash verify: check a library from end to end."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from transhash.cli.common import (
    DONE,
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
from transhash.cli.progress import bar
from transhash.errors import LibraryError


def verify(
    *,
    library: LibraryOption = None,
    model: ModelOption = None,
    deep: Annotated[bool, typer.Option("--deep", help="Read all files again, and encode some of them.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Check a library: the catalogue, the codes, the index file (built anew when it does not fit), the model.

    With --deep every file is compared with what was indexed, and a sample is encoded again. Exit code 0 when all is
    well, 1 when there are problems; each is named with its remedy. Nothing is changed but the index file.

    The library is the one named by --library, else the nearest .transhash at or above the current folder, else the one
    in TRANSHASH_LIBRARY.
    """
    from transhash.library import Library

    place = find_library(library, [Path.cwd()])
    try:
        checked = open_library(place, model)
    except LibraryError as error:
        if place is None or not Library.exists(place):
            raise
        say(str(error))  # a library that cannot even be opened
        raise typer.Exit(PARTLY) from error
    with checked as opened:
        path, total = opened.path, len(opened) if deep else None
        with bar("reading files" if deep else "checking", total) as advance:
            result = opened.verify(deep=deep, progress=lambda files: advance(files, ""))
    if as_json:
        print_json({"library": path, **asdict(result)})
    else:
        for mended in result.mended:
            say(mended)
        for problem in result.problems:
            print(shown(f"{problem.what}; {problem.remedy}"))
        if not result.problems:
            looked = f", {result.files:,} files read, {result.encoded:,} encoded again" if deep else ""
            print(f"{shown(path)}: {result.pictures:,} pictures, all is well{looked}")
    raise typer.Exit(PARTLY if result.problems else DONE)
