"""transhash duplicates: groups of near-identical pictures, with the one to keep."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from transhash.cli.libraries import find_library, open_library
from transhash.cli.options import JsonOption, LibraryOption
from transhash.cli.output import DONE, PARTLY, print_json, say, shown
from transhash.cli.terminal import stages
from transhash.errors import TransHashError

if TYPE_CHECKING:
    from transhash.library.results import Duplicates

EXAMPLES = """\
  transhash duplicates
  transhash duplicates photos/2024 --max-distance 16
  transhash duplicates --sheet copies.jpg          # look at them
  transhash duplicates --csv > copies.csv
"""

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
    sheet: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the groups on one page: a .jpg or .png file.")
    ] = None,
) -> None:
    """Find copies of the same picture, and which one to keep.

    Copies have the same bytes, or are the same picture resized, saved again, a little cropped, brighter or darker.
    Similar pictures are not copies, nor are mirrored ones. Nothing is deleted. Each line is a path, marked "keep" (the
    most pixels, then the largest file, then the oldest) or "same"; a blank line ends a group.

    Pictures are compared when their codes differ in at most --max-distance bits. A greater distance finds more copies
    and takes longer; --max-distance 64 compares all pictures of a 64-bit library.
    """
    from transhash.cli.sheet import Sheet, check_name

    if sheet:
        check_name(sheet)
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
    if sheet and report.groups:
        page = Sheet()
        for group in report.groups:
            page.add_group(group.keep, group.same)
        page.save(sheet)
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
