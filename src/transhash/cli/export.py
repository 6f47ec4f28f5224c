"""transhash export: a library as one Parquet file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from transhash.cli.common import (
    DONE,
    JsonOption,
    LibraryOption,
    Place,
    find_library,
    open_library,
    place,
    print_json,
    shown,
)
from transhash.cli.progress import bar

NAME = "library.parquet"  # in a folder


def export(
    *,
    to: Annotated[
        Place,
        typer.Option(
            "--to",
            metavar="FILE",
            parser=place,
            help=f"A .parquet file, a folder for {NAME}, or milvus://HOST:PORT/COLLECTION.",
        ),
    ],
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace a collection of another model or with other columns.")
    ] = False,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a library to a Parquet file, for `transhash import` and other programs, or to a collection in Milvus.

    The file holds every picture's path (relative to the folder that contains the library), code, size in pixels and
    bytes, times, digest and your own columns, and the model's name and fingerprint. The pictures themselves are not
    copied. A collection holds the same and is searched with --library; given again, the command brings it up to date.
    Its address may name USER:PASSWORD@ and ?index=ivf&nlist=1024 (BIN_IVF_FLAT; by default BIN_FLAT, which is exact).

    The library is the one named by --library, else the nearest .transhash at or above the current folder, else the one
    in TRANSHASH_LIBRARY.
    """
    if isinstance(to, Path) and to.is_dir():
        to /= NAME
    elif isinstance(to, Path) and to.suffix.lower() != ".parquet":
        raise typer.BadParameter(f"{to} is neither a folder nor called .parquet", param_hint="--to")
    with open_library(find_library(library, [Path.cwd()])) as opened, bar("exporting", len(opened)) as advance:
        count = opened.export(to, replace=replace, progress=lambda rows: advance(rows, ""))
    if as_json:
        print_json({"file": to, "pictures": count})
    else:
        print(f"{count} pictures in {shown(to)}")
    raise typer.Exit(DONE)
