"""What is skipped below a folder that is encoded: what `transhash index` skips, on a disk or in an object store."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from transhash.bulk.files import GO_ON, Place, reason
from transhash.errors import DataError
from transhash.images.ignore import DEFAULTS, IGNORE_FILE, Ignore, around


def left(root: Place, paths: Iterable[str]) -> Iterator[str]:
    """The paths below a folder, of all that there are, that no `.transhashignore` names, nor `DEFAULTS`.

    Raises `DataError` for such a file that cannot be read.
    """
    paths = list(paths)
    name = f"/{os.fsdecode(IGNORE_FILE)}"
    lists = {path.removesuffix(name) for path in paths if path.endswith(name)}
    known: dict[str, Ignore | None] = {}
    top = root.path.rstrip("/")

    def inside(folder: str) -> Ignore | None:
        """The patterns that hold in a folder; None where it is skipped itself."""
        if folder not in known:
            above = _above(root, top) if folder == top else inside(folder.rpartition("/")[0])
            if above is not None and folder != top and (os.fsencode(folder), True) in above:
                above = None
            if above is not None and folder in lists:
                above = Ignore(os.fsencode(folder), _read(root, folder + name), above)
            known[folder] = above
        return known[folder]

    for path in paths:
        patterns = inside(path.rpartition("/")[0])
        if patterns is not None and not (patterns.concerns_files and (os.fsencode(path), False) in patterns):
            yield path


def _above(root: Place, top: str) -> Ignore:
    try:
        return around(os.fsencode(top)) if root.is_local else Ignore(b"", DEFAULTS, None)
    except OSError as error:
        raise DataError(root.url, f"what to skip cannot be read ({reason(error)})", GO_ON) from error


def _read(root: Place, path: str) -> bytes:
    try:
        found: bytes = root.files.cat_file(path)
    except Exception as error:  # of a network, perhaps, and each file system has errors of its own
        raise DataError(path, f"cannot be read ({reason(error)})", GO_ON) from error
    return found
