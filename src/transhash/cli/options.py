"""Options that several verbs have, each explained once (`transhash help options`)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from transhash.cli.libraries import Address, address


def _library(help_: str) -> Any:
    return typer.Option("--library", "-l", metavar="LIB", parser=address, help=help_, show_default=False)


LibraryOption = Annotated[Address, _library("The library's folder (`transhash help library`).")]
CollectionOption = Annotated[Address, _library("The library: a folder or milvus://HOST:PORT/COLLECTION.")]
SearchableOption = Annotated[
    Address, _library("The library: a folder, http://HOST:PORT or milvus://HOST:PORT/COLLECTION.")
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="MODEL",
        help="A model: its name (`transhash models`), its folder, or OWNER/NAME on the hub.",
    ),
]
LocalModelOption = Annotated[
    str | None,
    typer.Option(
        "--model", "-m", metavar="MODEL", help="A model that gives codes: its name (`transhash models`), or its folder."
    ),
]
BitsOption = Annotated[
    int | None,
    typer.Option("--bits", metavar="N", help="Code length, for a model that has several.", show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]

DatasetOption = Annotated[
    str, typer.Option("--dataset", metavar="NAME", help="cifar10, …, or folder for your own (docs/protocols.md).")
]
DataOption = Annotated[Path, typer.Option("--data", metavar="PATH", help="Folder or file of the data set.")]
ProtocolOption = Annotated[
    str | None,
    typer.Option("--protocol", metavar="P", help="Which images are queries; the data set's own by default."),
]
SplitSeedOption = Annotated[int, typer.Option("--split-seed", metavar="N", help="Seed of the protocol's split.")]
