"""transhash duplicates: groups of near-identical pictures, with the one to keep."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from transhash.cli.common import (
    DONE,
    PARTLY,
    JsonOption,
    LibraryOption,
    find_library,
    open_library,
    print_json,
    say,
    shown,
)
from transhash.cli.progress import stages
from transhash.errors import TransHashError

if TYPE_CHECKING:
    from transhash.library.results import Duplicates

COLUMNS = ("group", "mark", "path", "width", "height", "bytes", "distance", "identical")


def duplicates(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="DIR", help="Only pictures below this folder.", show_default=False),
    ] = None,
    *,
    max_distance: Annotated[
        int, typer.Option(min=0, metavar="BITS", help="How many bits may differ in the codes of pictures to compare.")
    ] = 8,
    library: LibraryOption = None,
    as_json: JsonOption = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, one picture a line.")] = False,
) -> None:
    """Find near-identical pictures of a library: the one to keep and its copies. Nothing is ever deleted.

    Copies are pictures with equal bytes, or the same picture saved anew: resized, recompressed, a little cropped,
    brighter or darker. Pictures that are merely similar are no copies, nor are mirrored ones. One path a line, marked
    "keep" (the most pixels, then the largest file, then the oldest) or "same"; a blank line between groups.

    Pictures are compared when their codes are near. A greater --max-distance finds more copies and takes longer, with
    no less precision: as many bits as a code has compares all pictures.

    The library is the one named by --library, else the nearest .transhash at or above DIR or the current folder, else
    the one in TRANSHASH_LIBRARY.
    """
    if as_json and as_csv:
        raise TransHashError("--json and --csv are two forms of one output; give one of them")
    with open_library(find_library(library, [folder or Path.cwd()])) as opened:
        try:
            with stages() as advance:
                report = opened.duplicates(
                    max_distance,
                    folders=None if folder is None else [folder],
                    progress=lambda what, done, total: advance(what, done, total, ""),
                )
        except KeyboardInterrupt:
            say("interrupted: nothing was changed; run the same command again")
            raise typer.Exit(PARTLY) from None
    if as_csv:
        _print_csv(report.groups)
    for number, group in enumerate(report.groups):
        if as_json:
            print_json(asdict(group))
        elif not as_csv:
            _print(group, first=number == 0)
    for skipped in report.skipped:
        say(f"{skipped.path}: skipped: {skipped.reason}; {skipped.remedy}")
    copies = [copy for group in report.groups for copy in group.same]
    size = sum(copy.bytes for copy in copies)
    say(f"{len(report.groups)} groups with {len(copies)} copies of what is kept, {size / 1e6:,.1f} MB")
    raise typer.Exit(PARTLY if report.skipped else DONE)


def _print(group: Duplicates, *, first: bool) -> None:
    if not first:
        print()
    print(f"keep  {shown(group.keep.path)}")
    for copy in group.same:
        print(f"same  {shown(copy.path)}")


def _print_csv(groups: list[Duplicates]) -> None:
    import csv
    import sys

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(COLUMNS)
    for number, group in enumerate(groups, 1):
        for mark, copies in (("keep", [group.keep]), ("same", group.same)):
            for copy in copies:
                values = asdict(copy)
                writer.writerow([number, mark, *(values[column] for column in COLUMNS[2:])])
