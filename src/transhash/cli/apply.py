"""transhash apply: do what a plan of duplicates says."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from transhash.cli.output import DONE, NOTHING, PARTLY, counted, say, sized
from transhash.cli.terminal import stages

if TYPE_CHECKING:
    from transhash.library.duplicates.applying import Applied

EXAMPLES = """\
  transhash apply plan.jsonl --to trash
  transhash apply plan.jsonl --to /mnt/removed
  transhash undo plan.jsonl.log                    # bring everything back
"""


def apply(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="What `transhash duplicates --plan` wrote.")],
    *,
    to: Annotated[
        str,
        typer.Option(metavar="WHERE", help="trash, a folder, hardlink or symlink (equal files only), or delete."),
    ],
    merge_metadata: Annotated[
        bool,
        typer.Option("--merge-metadata", help="Keep the date, place and sidecar files that only the removed file has."),
    ] = False,
    log: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The log to write; by default PLAN.log.", show_default=False),
    ] = None,
) -> None:
    """Remove the duplicates that a plan names, to the trash or a folder.

    Just before a file is removed, it and the file that is kept are checked. A file that is not as the plan says is
    skipped and named. `transhash undo` reads the log and brings files back, except deleted ones. Links are not
    followed, and nothing outside the plan's folders is touched.

    --merge-metadata copies sidecar files (.xmp, .aae, .mov and others) next to the file that is kept, and writes date
    and place into an .xmp file there. Files that are kept are not changed.
    """
    from transhash.library.duplicates.applying import apply_plan
    from transhash.library.duplicates.plan import read_plan
    from transhash.library.duplicates.undoing import log_for

    path = log or log_for(plan)
    with stages() as progress:
        done = apply_plan(read_plan(plan), to, path, merge_metadata=merge_metadata, progress=progress)
    for skipped in done.skipped:
        say(f"{skipped.path}: left alone: {skipped.reason}; {skipped.remedy}")
    _say_what_was_done(done, to, path)
    raise typer.Exit(DONE if not done.skipped else PARTLY if done.done else NOTHING)


def _say_what_was_done(done: Applied, to: str, log: Path) -> None:
    linked = to in {"hardlink", "symlink"}
    how = f"replaced by {'a link' if done.done == 1 else 'links'}" if linked else "removed"
    if not done.done:
        say(f"0 files {how}")
        return
    one = done.done == 1
    undo = f"to bring {'it' if one else 'them'} back: transhash undo {shlex.quote(os.fspath(log))}"
    back = f"{'a deleted file' if one else 'deleted files'} cannot come back" if to == "delete" else undo
    say(f"{counted(done.done, 'file')} {how}, {sized(done.freed)}; {back}")
    place, found = "its folder" if one else "their folders", "file" if one else "files"
    until = (
        f"a library takes the {'link for a changed' if one else 'links for changed'} {found}"
        if linked
        else f"a library still finds the removed {found}"
    )
    say(f"run `transhash index` on {place}: until then {until}")
