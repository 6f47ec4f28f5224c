"""transhash duplicates: groups of near-identical pictures, with the one to keep."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from transhash.cli.libraries import find_library, open_library
from transhash.cli.options import JsonOption, LibraryOption
from transhash.cli.output import DONE, PARTLY, counted, print_json, say, say_skipped, shown, sized
from transhash.cli.terminal import stages
from transhash.errors import TransHashError

if TYPE_CHECKING:
    from transhash.library import Library
    from transhash.library.duplicates.contents import Contents
    from transhash.library.results import Duplicates, DuplicatesReport

EXAMPLES = """\
  transhash duplicates
  transhash duplicates photos/2024 --kinds +edit --keep oldest
  transhash duplicates --sheet copies.jpg          # look at them
  transhash duplicates --plan plan.jsonl           # then: transhash apply plan.jsonl --to trash
"""

COLUMNS = ("group", "mark", "path", "width", "height", "bytes", "distance", "identical", "kind", "why")
WIDTH = 13  # columns of what is said of a picture before its path
DEFAULT_KINDS = "same-file,same-pixels,copy"


def duplicates(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(metavar="DIR", help="Only pictures below these folders.", show_default=False),
    ] = None,
    *,
    kinds: Annotated[
        str,
        typer.Option(
            metavar="KINDS",
            help="Of same-file, same-pixels, copy, edit, burst, unsure, raw+jpeg; or all. It replaces the default; "
            "+edit adds to it.",
        ),
    ] = DEFAULT_KINDS,
    keep: Annotated[
        str,
        typer.Option(metavar="RULES", help="Which to keep: best, largest, oldest, newest, path:GLOB; or several."),
    ] = "best",
    reference: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="List only copies of the pictures below this folder.", show_default=False),
    ] = None,
    within: Annotated[
        str | None,
        typer.Option(metavar="folder", help="Compare only pictures of the same folder.", show_default=False),
    ] = None,
    max_distance: Annotated[
        int, typer.Option(min=0, metavar="BITS", help="How many bits may differ in the codes of pictures to compare.")
    ] = 8,
    library: LibraryOption = None,
    plan: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write what would be removed, for `transhash apply`.", show_default=False),
    ] = None,
    not_duplicates: Annotated[
        tuple[Path, Path] | None,
        typer.Option(metavar="A B", help="Remember that these two files are no duplicates.", show_default=False),
    ] = None,
    verdicts: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Exchange what was remembered with a file.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, one picture a line.")] = False,
    sheet: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the groups on one page: a .jpg, .png or .webp file.")
    ] = None,
) -> None:
    """Find copies of the same picture, and which one to keep.

    A copy is the same picture saved again, resized, slightly cropped, marked, or in other light. With --kinds +edit
    also edits (mirrored, turned, grey, a part of it, something laid over it), with +burst also bursts (the next
    exposure of one scene). Nothing is deleted. Each line is a path, marked "keep" or with what it is; a blank line ends
    a group. On a terminal the line below says why. Elsewhere --json and --csv do.

    In a library whose codes are fitted, the pictures with the nearest embeddings are compared. In others, those whose
    codes differ in at most --max-distance bits. With --max-distance 64 all pictures of any 64-bit library are looked
    at, which finds more copies and takes longer.
    """
    from transhash.cli.sheet import check_name
    from transhash.library.duplicates.asking import contents_now

    if sheet:
        check_name(sheet)
    if as_json and as_csv:
        raise TransHashError("", "--json and --csv are two forms of one output", "give one of them")
    if within not in {None, "folder"}:
        raise TransHashError(f"--within {within}", "not a place to look in", "give `--within folder`")
    writes = bool(plan or verdicts or not_duplicates)
    with open_library(find_library(library, [*(folders or []), Path.cwd()], last=not writes)) as opened:
        if verdicts:
            _exchange(opened, verdicts)
        if not_duplicates:
            _remember(opened, *not_duplicates)
            raise typer.Exit(DONE)
        try:
            before = contents_now(opened) if plan else None  # what changes from here on is not what was compared
            with stages() as progress:
                report = opened.duplicates(
                    max_distance,
                    folders=folders or None,
                    kinds=kinds.split(","),
                    keep=keep.split(","),
                    reference=reference or [],
                    within=within is not None,
                    progress=progress,
                )
        except KeyboardInterrupt:
            say("interrupted: nothing was changed; run the same command again")
            raise typer.Exit(PARTLY) from None
        if plan and before:
            _write_plan(before, report, plan, folders, reference)
    if as_csv:
        _print_csv(report.groups)
    else:
        for number, group in enumerate(report.groups):
            print_json(asdict(group)) if as_json else _print(group, first=number == 0)
    is_drawn = _draw(report.groups, sheet) if sheet and report.groups else True
    _say_what_was_found(report)
    raise typer.Exit(PARTLY if report.skipped or not is_drawn else DONE)


def _draw(groups: list[Duplicates], file: Path) -> bool:
    """Draw groups on one page; returns whether there is a page, and says why not."""
    from transhash.cli.sheet import Sheet

    page = Sheet()
    for group in groups:
        page.add_group(group.keep, group.same)
    try:
        page.save(file)
    except TransHashError as error:
        say(str(error))
        return False
    if left := page.left("group", "groups"):
        say(left)
    return True


def _say_what_was_found(report: DuplicatesReport) -> None:
    from transhash.library.duplicates.raw import NO_ID

    say_skipped(report.skipped)
    groups = [group for group in report.groups if group.keep.id != NO_ID]
    copies = [copy for group in groups for copy in group.same]
    size = sum(copy.bytes for copy in copies)
    found = f"{counted(len(groups), 'group')} with {counted(len(copies), 'copy', 'copies')} of what is kept"
    say(f"{found}, which take {sized(size)}" if groups else _none(report))
    if len(groups) < len(report.groups):
        say(f"{len(report.groups) - len(groups)} RAW files with pictures of their names, which no plan removes")
    if report.others:
        found = ", ".join(f"{count} of kind {kind}" for kind, count in report.others.items())
        say(f"not shown: pairs of other kinds, {found}; show them with --kinds all")


def _none(report: DuplicatesReport) -> str:
    if not report.skipped:
        return "no duplicates"
    if not report.seen:
        return "nothing was compared: no file of the pictures to compare could be read"
    return f"no duplicates among the pictures that could be read: {report.seen:,}"


def _write_plan(
    contents: Contents, report: DuplicatesReport, path: Path, folders: list[Path] | None, reference: list[Path] | None
) -> None:
    from transhash.library.duplicates.plan import write_plan
    from transhash.library.duplicates.planning import plan_of

    digests = contents.digests_of(copy.id for group in report.groups for copy in (group.keep, *group.same))
    real = None if not folders else [os.path.realpath(folder) for folder in folders]
    plan = plan_of(report, digests, real, [os.path.realpath(folder) for folder in reference or []])
    write_plan(path, plan)
    freed = sum(action.frees for action in plan.removals)
    removals = counted(len(plan.removals), "file")
    say(f"{path}: a plan to remove {removals}, {sized(freed)}; `transhash apply` does it")


def _remember(opened: Library, one: Path, other: Path) -> None:
    from transhash.library.digests import file_digest
    from transhash.library.duplicates.verdicts import Verdicts

    try:
        pair = file_digest(one).hex(), file_digest(other).hex()
    except OSError as error:
        raise TransHashError(error.filename, f"cannot be read ({error.strerror})", "check the path") from error
    new = Verdicts(opened.path).add([pair])
    say("remembered: these two are no duplicates" if new else "these two were known to be no duplicates")


def _exchange(opened: Library, file: Path) -> None:
    from transhash.library.duplicates.verdicts import Verdicts, read_verdicts, write_verdicts

    own = Verdicts(opened.path)
    new = own.add(read_verdicts(file)) if file.exists() else 0
    write_verdicts(file, own.pairs())
    say(f"{file}: {new} pairs that are no duplicates taken in, {len(own.pairs())} written")


def _print(group: Duplicates, *, first: bool) -> None:
    if not first:
        print()
    for mark, path, why in (
        ("keep", group.keep.path, group.why),
        *((copy.kind, copy.path, copy.why) for copy in group.same),
    ):
        print(f"{mark:<{WIDTH}}{shown(path)}")
        if why and sys.stdout.isatty():
            print(f"{'':<{WIDTH}}{why}")


def _print_csv(groups: list[Duplicates]) -> None:
    import csv

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(COLUMNS)
    for number, group in enumerate(groups, 1):
        for mark, copies in (("keep", [group.keep]), ("same", group.same)):
            for copy in copies:
                values = asdict(copy)
                writer.writerow([number, mark, *(values[column] for column in COLUMNS[2:])])
