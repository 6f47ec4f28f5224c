"""transhash import: an exported library, or vectors of one's own, brought into a library."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from transhash.cli.libraries import find_library, model_at, named_encoder, open_library, remember
from transhash.cli.options import JsonOption, LibraryOption, ModelOption
from transhash.cli.output import DONE, called, counted, print_json, say, shown
from transhash.cli.terminal import stages

if TYPE_CHECKING:
    from transhash.library import Library
    from transhash.library.exchange.vector_files import VectorFile

EXAMPLES = """\
  transhash import all.parquet
  transhash import all.parquet --library other/library
  transhash import vectors.npy --ids ids.txt --columns more.csv --library vectors/library
"""

LOOKED_AT = 100  # first pictures whose files are looked for


def import_(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="A file of `transhash export`, or vectors: .npy, .parquet.", show_default=False
        ),
    ],
    *,
    ids: Annotated[
        str | None,
        typer.Option("--ids", metavar="IDS", help="Ids of vectors: a file with a line for each, or a column of FILE."),
    ] = None,
    columns: Annotated[
        Path | None, typer.Option("--columns", metavar="FILE", help="CSV or Parquet with a row for each vector.")
    ] = None,
    vectors: Annotated[
        str | None, typer.Option("--vectors", metavar="COLUMN", help="The column of vectors in a Parquet file.")
    ] = None,
    pictures: Annotated[
        str | None, typer.Option("--pictures", metavar="COLUMN", help="The column with paths of the pictures.")
    ] = None,
    library: LibraryOption = None,
    model: ModelOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add an exported library, or your own vectors, to a library.

    No picture is decoded. A picture replaces the one with the same path, a vector the one with the same id. Vectors are
    an array (N, F) of NumPy, or a column of lists in a Parquet file, whose other columns come along. With
    --pictures, searches and the page show the picture of each row. With --model, the one that they come from, the
    library can be searched with pictures and, if it reads them, words. Relative paths start at the folder that contains
    the library: import where the pictures are. A library that does not exist is made, by default .transhash in the
    current folder.
    """
    from transhash.library import Library
    from transhash.library.exchange.parquet import head, holds_vectors
    from transhash.library.exchange.vector_files import read_vectors
    from transhash.library.opening import FOLDER

    place = find_library(library, [Path.cwd()], guess=False) or Path(FOLDER)
    if not Library.exists(place) and place.name != FOLDER and place.is_dir() and any(place.iterdir()):
        place /= FOLDER  # a folder of other things contains its library
    if ids or columns or vectors or pictures or holds_vectors(file):
        _take(place, read_vectors(file, vectors, ids, columns, pictures), model, as_json=as_json, paths=bool(pictures))
        raise typer.Exit(DONE)
    with stages() as progress:
        used = None if model is None else model_at(model, head(file).bits)
        opened, report = Library.import_(file, place, used, progress=progress)
    with opened:
        remember(opened.path)
        what = called(opened.catalogue.facts().model)
        if as_json:
            print_json({"library": opened.path, "pictures": len(opened), **asdict(report)})
        else:
            parts = f"{report.added:,} added" + (f", {report.replaced:,} replaced" if report.replaced else "")
            print(f"{counted(len(opened), what)} in {shown(opened.path)}: {parts}")
        if what == "picture":
            _say_what_is_not_there(opened)
    raise typer.Exit(DONE)


def _say_what_is_not_there(library: Library) -> None:
    """Say when most of the first files are not where the library looks for them."""
    first = library.pictures(library.passing()[:LOOKED_AT].tolist()).values()
    missing = [picture.path for picture in first if not picture.path.exists()]
    if 2 * len(missing) > len(first):
        base = shown(library.path.parent)
        say(
            f"{missing[0]}: no such file, nor {len(missing) - 1:,} more of the first {len(first):,}; relative paths "
            f"start at the folder that contains the library ({base}): import where the pictures are, with --library LIB"
        )


def _take(place: Path, found: VectorFile, model: str | None, *, as_json: bool, paths: bool) -> None:
    """Put vectors into a library, which is made when there is none; `model`: what they come from, if that is known.

    `paths`: the ids are those of pictures.
    """
    from transhash.library import Library
    from transhash.library.opening import exists

    vectors, ids, _, columns, left_out = found
    for name in left_out:
        say(f"column {name} left out: no column of a library can have such values, or its name")
    with stages(len(vectors)) as progress:
        before = 0
        if exists(place):
            with open_library(place, model) as library:
                if before := len(library):
                    library.vectors.add(vectors, ids, columns, progress=progress)
        if not before:  # also where an import was interrupted before its first page
            used = None if model is None else named_encoder(model)
            Library.create(
                place, used, exist_ok=True, vectors=vectors, ids=ids, columns=columns, progress=progress
            ).close()
    with open_library(place) as library:
        added = len(library) - before
        if as_json:
            told = {"library": library.path, "pictures": len(library), "added": added}
            print_json({**told, "replaced": len(vectors) - added})
        else:
            parts = f"{added:,} added" + (f", {len(vectors) - added:,} replaced" if added < len(vectors) else "")
            print(f"{counted(len(library), 'vector')} in {shown(library.path)}: {parts}")
        if paths:
            _say_what_is_not_there(library)
