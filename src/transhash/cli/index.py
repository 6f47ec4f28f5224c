"""transhash index: bring a library up to date with folders of pictures."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from transhash.cli.common import (
    DONE,
    NOTHING,
    PARTLY,
    JsonOption,
    LibraryOption,
    ModelOption,
    find_library,
    open_library,
    print_json,
    say,
    shown,
)
from transhash.cli.progress import bar, on_terminal
from transhash.errors import LibraryError

if TYPE_CHECKING:
    from transhash.library import IndexReport, Library

EXAMPLES = 5  # skipped files named for each reason


def index(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR", help="Folders of pictures.", show_default=False)],
    *,
    library: LibraryOption = None,
    model: ModelOption = None,
    prune: Annotated[bool, typer.Option("--prune", help="Forget pictures whose files have vanished.")] = False,
    retry: Annotated[bool, typer.Option("--retry", help="Look again at files that could not be used.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Index the pictures below folders, or bring the index up to date.

    The library is the one named by --library, else the nearest .transhash at or above the folder, else the one in
    TRANSHASH_LIBRARY, else a new one, DIR/.transhash. What is done is not done again: run it as often as you like, and
    after Ctrl-C to go on. Hidden files and folders are passed over; links to folders are not followed.

    A file .transhashignore in a folder names what is passed over there and below, one pattern a line, as in .gitignore:
    *.png by name, drafts/ folders only, /scans only here, a/**/b at any depth, !keep.png not after all, # a comment.
    """
    from transhash.library import count_pictures

    with _opened(folders, library, model) as opened:
        total = count_pictures(folders) if on_terminal() else None
        try:
            with bar("indexing", total) as advance:
                report = opened.index(
                    folders,
                    prune=prune,
                    retry=retry,
                    progress=lambda so_far: advance(so_far.seen, _count(len(so_far.skipped), "skipped")),
                )
        except KeyboardInterrupt:
            say(f"interrupted: {len(opened)} pictures are in {shown(opened.path)}; run the same command again to go on")
            raise typer.Exit(PARTLY) from None
        if not (report.seen or report.removed or report.pruned):
            raise _no_pictures(folders)
        if as_json:
            print_json({"library": opened.path, "pictures": len(opened), **asdict(report)})
        else:
            _print(report, opened)
    raise typer.Exit(_exit_code(report))


def _opened(folders: list[Path], named: Path | None, model: str | None) -> Library:
    """The library to index into, made when there is none and there is something to put into it."""
    from transhash.library import Library, count_pictures
    from transhash.library.database import UnmadeError
    from transhash.library.library import FOLDER
    from transhash.model import load

    place = find_library(named, folders)
    if place is None:
        if len(folders) > 1:
            raise LibraryError("several folders need a library that is named; name it with --library LIB")
        place = folders[0] / FOLDER
    if Library.exists(place):
        with suppress(UnmadeError):
            return open_library(place, model)
    if not count_pictures(folders):
        raise _no_pictures(folders)
    if place.name != FOLDER and place.is_dir() and any(place.iterdir()):
        place /= FOLDER  # a folder of other things contains its library
    return Library.create(place, load(model), exist_ok=True)


def _no_pictures(folders: list[Path]) -> LibraryError:
    names = ", ".join(map(str, folders))
    return LibraryError(f"{names}: no pictures here (.jpg, .png and the like); name a folder that has some")


def _print(report: IndexReport, opened: Library) -> None:
    counts = ("added", "updated", "moved", "removed", "pruned", "unchanged")
    parts = [_count(getattr(report, name), name) for name in counts] + [_count(len(report.skipped), "skipped")]
    print(f"{len(opened)} pictures in {shown(opened.path)}: {', '.join(filter(None, parts))}")
    groups = defaultdict(list)
    for skipped in report.skipped:
        groups[skipped.reason].append(skipped)
    for reason, group in groups.items():
        for skipped in group[:EXAMPLES]:
            say(f"{skipped.path}: skipped: {reason}; {skipped.remedy}")
        if len(group) > EXAMPLES:
            say(f"and {len(group) - EXAMPLES} more for the same reason ({reason}); --json names them all")
    if report.skipped and not report.usable:
        say(f"none of the {len(report.skipped)} files could be used")


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number else ""


def _exit_code(report: IndexReport) -> int:
    if not report.skipped:
        return DONE
    return PARTLY if report.usable else NOTHING
