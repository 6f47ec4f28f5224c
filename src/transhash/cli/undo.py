"""transhash undo: bring back what `transhash apply` removed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from transhash.cli.output import DONE, NOTHING, PARTLY, counted, say

EXAMPLES = """\
  transhash undo plan.jsonl.log
"""


def undo(
    log: Annotated[Path, typer.Argument(metavar="LOG", help="The log that `transhash apply` wrote.")],
) -> None:
    """Bring back the files that `transhash apply` removed.

    A file comes back only where nothing is in its place. Deleted files cannot come back. Running it again is safe.
    A library that was indexed meanwhile knows the files again after the next `transhash index`.
    """
    from transhash.library.duplicates.undoing import undo_log

    done = undo_log(log)
    for skipped in done.skipped:
        say(f"{skipped.path}: not brought back: {skipped.reason}; {skipped.remedy}")
    say(f"{counted(done.back, 'file')} brought back, {counted(done.there, 'was', 'were')} there already")
    if done.back:
        folders, them = ("its folder", "it") if done.back == 1 else ("their folders", "them")
        say(f"run `transhash index` on {folders}: a library that was indexed meanwhile does not know {them}")
    raise typer.Exit(DONE if not done.skipped else PARTLY if done.back or done.there else NOTHING)
