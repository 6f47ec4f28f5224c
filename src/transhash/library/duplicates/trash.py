"""The trash of the desktop: freedesktop.org's on Linux (specification 1.0), ~/.Trash on macOS."""

from __future__ import annotations

import os
import stat
import sys
from datetime import datetime
from urllib.parse import quote

from transhash.errors import LibraryError
from transhash.library.duplicates.moving import LONGEST, drive_of, numbered

NOTE = ".trashinfo"


class Trash:
    """Places in the trash; a file goes to the trash of its own drive, so that nothing is copied."""

    def __init__(self) -> None:
        """Raises `LibraryError` on systems whose trash is not known here."""
        if sys.platform == "win32":
            raise LibraryError("--to trash", "the trash of Windows is not known here", "name a folder instead")
        home = os.path.expanduser("~")
        data = os.environ.get("XDG_DATA_HOME") or os.path.join(home, ".local", "share")
        self._home = os.path.join(home, ".Trash") if sys.platform == "darwin" else os.path.join(data, "Trash")

    def place_for(self, path: str) -> tuple[str, str | None]:
        """Where a file will be, and the file that describes it there, if this trash has such; raises `OSError`."""
        if sys.platform == "darwin":
            return _free(self._home, os.path.basename(path), None), None
        trash = self._of(path)
        for name in ("files", "info"):
            os.makedirs(os.path.join(trash, name), mode=0o700, exist_ok=True)
        target = _free(os.path.join(trash, "files"), os.path.basename(path), os.path.join(trash, "info"))
        return target, os.path.join(trash, "info", os.path.basename(target) + NOTE)

    def describe(self, note: str, path: str) -> None:
        """Write where a file came from, as desktops read it to bring it back."""
        top = os.path.dirname(os.path.dirname(os.path.dirname(note)))
        is_home = os.path.dirname(os.path.dirname(note)) == self._home
        shown = path if is_home else os.path.relpath(path, top)
        now = datetime.now().strftime("%Y-%m-%dT%H:%M:%S")
        with open(note, "xb") as file:
            file.write(f"[Trash Info]\nPath={quote(os.fsencode(shown))}\nDeletionDate={now}\n".encode())
            file.flush()
            os.fsync(file.fileno())

    def _of(self, path: str) -> str:
        os.makedirs(self._home, mode=0o700, exist_ok=True)
        if os.stat(self._home).st_dev == os.lstat(path).st_dev:
            return self._home
        trash = os.path.join(drive_of(path), f".Trash-{os.getuid()}")
        try:
            os.mkdir(trash, 0o700)
        except FileExistsError:
            status = os.lstat(trash)
            if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
                raise OSError(f"{trash} is not a folder of yours") from None
        return trash


def _free(folder: str, name: str, info: str | None) -> str:
    """A path for a file of this name, or one that is like it: nothing is there, and what describes it has room."""
    number = 1
    while True:
        candidate = numbered(name, number, " {}", LONGEST - len(NOTE))
        used = os.path.lexists(os.path.join(folder, candidate))
        if not used and not (info and os.path.lexists(os.path.join(info, candidate + NOTE))):
            return os.path.join(folder, candidate)
        number += 1
