"""The files that were skipped, each with its reason and remedy, as a file."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from transhash.errors import LibraryError
from transhash.system import replacing

if TYPE_CHECKING:
    from transhash.library import Skipped

COLUMNS = ("path", "reason", "remedy")


def check_report(path: Path) -> None:
    """Raise `LibraryError` when no report could be written there, before work is done for one."""
    if path.is_dir():
        raise LibraryError(path, "a folder", "name a file for the report")
    if not os.access(path.absolute().parent, os.W_OK):
        raise LibraryError(path, "no report can be written there", "name a file in a folder that may be written")


def write_report(path: Path, skipped: Iterable[Skipped]) -> None:
    """Write JSON lines if the name ends in .jsonl, else CSV; a name that is not UTF-8 is written as it is on disk."""
    rows = [dict(zip(COLUMNS, (os.fspath(one.path), one.reason, one.remedy), strict=True)) for one in skipped]
    text = io.StringIO(newline="")
    if path.suffix.lower() == ".jsonl":
        text.writelines(json.dumps(row) + "\n" for row in rows)
    else:
        table = csv.DictWriter(text, COLUMNS)
        table.writeheader()
        table.writerows(rows)
    try:
        with replacing(path) as file:
            file.write(text.getvalue().encode(errors="surrogateescape"))
    except (OSError, ValueError) as error:
        raise LibraryError(path, f"the report cannot be written ({error})", "name another file") from error
