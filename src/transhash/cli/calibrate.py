"""transhash calibrate: probabilities that hold in one library."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from transhash.cli.libraries import find_library, open_library
from transhash.cli.options import JsonOption, LibraryOption, ModelOption
from transhash.cli.output import counted, print_json, say, shown

EXAMPLES = """\
  transhash calibrate folder        # pictures in one folder are of one kind
  transhash annotate labels.csv     # columns: path,label
  transhash calibrate label
  transhash calibrate --forget
"""


def calibrate(
    by: Annotated[
        str | None,
        typer.Argument(metavar="COLUMN", help="A column of your own, or: folder.", show_default=False),
    ] = None,
    *,
    library: LibraryOption = None,
    model: ModelOption = None,
    forget: Annotated[bool, typer.Option("--forget", help="Give the model's own probabilities again.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make probabilities those of your own kinds of pictures.

    The probabilities of search are those of an average collection. Yours may have finer kinds, or broader ones. Where
    COLUMN is the same for pictures of one kind, a probability becomes that of having the same value. Some hundred
    pictures with a value are enough; up to 2,000 are compared. The order of hits stays as it is.

    When codes are fitted again, probabilities are, too. `transhash info` shows the column.
    """
    if (by is None) != forget:
        raise typer.BadParameter("give a COLUMN, or --forget")
    with open_library(find_library(library, [Path.cwd()], last=False), model) as opened:
        report = opened.calibrate(by)
    if report is None:
        say("probabilities are the model's again")
    elif as_json:
        print_json(asdict(report))
    else:
        compared = f"{counted(report.pictures, 'picture')} with {counted(report.values, 'value')} of {shown(report.by)}"
        before = "" if report.error_before is None else f", the model's by {100 * report.error_before:.1f}"
        print(f"calibrated on {compared}: on average off by {100 * report.error:.1f} points{before}")
