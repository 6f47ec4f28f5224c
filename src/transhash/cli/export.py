"""transhash export: a library as one Parquet file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from transhash.cli.libraries import Address, address, find_library, open_library
from transhash.cli.options import JsonOption, LibraryOption
from transhash.cli.output import DONE, called, counted, print_json, shown
from transhash.cli.terminal import stages

EXAMPLES = """\
  transhash export --to all.parquet
  transhash export --to codes.parquet --no-vectors
  transhash export --to milvus://localhost:19530/photos
"""

NAME = "library.parquet"  # in a folder


def export(
    *,
    to: Annotated[
        Address,
        typer.Option(
            "--to",
            metavar="FILE",
            parser=address,
            help=f"A .parquet file, a folder for {NAME}, or milvus://HOST:PORT/COLLECTION.",
        ),
    ],
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace a collection of another model or with other columns.")
    ] = False,
    vectors: Annotated[
        bool | None,
        typer.Option("--vectors/--no-vectors", help="With or without embeddings, a byte a value.", show_default=False),
    ] = None,
    library: LibraryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a library to a Parquet file, or to Milvus.

    The file has each picture's path (relative to the folder that contains the library), code, size, times, digest and
    your own columns; the pictures themselves are not copied. `transhash import` and other programs read it. Embeddings
    come along where there are any: without them (--no-vectors) the file is smaller, and `transhash index` has to encode
    the pictures again after an import.

    A Milvus collection has the same, and is searched with --library; the same command brings it up to date. Its address
    may have USER:PASSWORD@ and ?index=ivf&nlist=1024 (BIN_IVF_FLAT; by default BIN_FLAT, which is exact).
    """
    from transhash.remote.opening import is_milvus

    if isinstance(to, Path) and to.is_dir():
        to /= NAME
    elif isinstance(to, Path) and to.suffix.lower() != ".parquet":
        raise typer.BadParameter(f"{to} is neither a folder nor called .parquet", param_hint="--to")
    with open_library(find_library(library, [Path.cwd()], last=False)) as opened, stages() as progress:
        what = called(opened.catalogue.facts().model)
        if is_milvus(to):
            if vectors:
                raise typer.BadParameter("a collection in Milvus holds codes", param_hint="--vectors")
            from transhash.remote.milvus import send

            count = send(opened, to, progress, replace=replace)
        elif isinstance(to, Path):
            count = opened.export(to, vectors=vectors is not False, progress=progress)
        else:
            raise typer.BadParameter(f"{to}: neither a file nor milvus://HOST:PORT/COLLECTION", param_hint="--to")
    if as_json:
        print_json({"file": to, "pictures": count})
    else:
        print(f"{counted(count, what)} in {shown(to)}")
    raise typer.Exit(DONE)
