"""What is not there: deleted, or away with its drive.

Where a drive was mounted and is not now, an empty folder is left, or none.
"""

from __future__ import annotations

import errno
import os


def is_gone(path: bytes) -> bool:
    """Whether there is surely nothing at a path: one that cannot be looked at is not gone."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError as error:
        return error.errno == errno.ENAMETOOLONG  # the name of a picture that gave way to another
    return False


def emptied(folder: bytes, root: bytes) -> bytes | None:
    """The nearest folder that is there, of `folder` and those above it up to `root`, if it is empty; else None.

    Both are absolute, `folder` is at or below `root`.
    """
    while True:
        try:
            with os.scandir(folder) as entries:
                return folder if next(entries, None) is None else None
        except (FileNotFoundError, NotADirectoryError):
            if folder == root:
                return None
            folder = os.path.dirname(folder)
        except OSError:
            return None
