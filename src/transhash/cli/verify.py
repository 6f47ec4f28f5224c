"""transhash verify: check a library from end to end."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from transhash.cli.libraries import find_library, open_library
from transhash.cli.options import JsonOption, LibraryOption, ModelOption
from transhash.cli.output import DONE, PARTLY, counted, print_json, say, shown
from transhash.cli.terminal import stages
from transhash.errors import LibraryError

EXAMPLES = """\
  transhash verify
  transhash verify --deep
"""


def verify(
    *,
    library: LibraryOption = None,
    model: ModelOption = None,
    deep: Annotated[bool, typer.Option("--deep", help="Read all files again, and encode some of them.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Check that a library is whole, and fits its pictures.

    Checks the catalogue, the files that are made from it (codes, embeddings), and the model. Such a file that does not
    fit the catalogue is made again, and so are codes that their embeddings do not give; nothing else is changed. With
    --deep every picture file is read and compared with what was indexed, and some are encoded again. Exit code 1 when
    there are problems; each is named with its remedy.
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
        path = opened.path
        with stages() as progress:
            result = opened.verify(deep=deep, progress=progress)
    if as_json:
        print_json({"library": path, **asdict(result)})
    else:
        for mended in result.mended:
            say(mended)
        for problem in result.problems:
            print(shown(f"{problem.what}; {problem.remedy}"))
        if not result.problems:
            looked = f", {counted(result.files, 'file')} read, {result.encoded:,} encoded again" if deep else ""
            print(f"{shown(path)}: {counted(result.pictures, 'picture')}, all is well{looked}")
    raise typer.Exit(PARTLY if result.problems else DONE)
