"""Options that several verbs have, each explained once (`transhash help options`)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from transhash.cli.libraries import Address, address

LibraryOption = Annotated[
    Address,
    typer.Option(
        "--library",
        "-l",
        metavar="LIB",
        parser=address,
        help="The library to use (`transhash help library`).",
        show_default=False,
    ),
]
ModelOption = Annotated[
    str | None,
    typer.Option("--model", "-m", metavar="MODEL", help="A model: its name (`transhash models`) or its folder."),
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
