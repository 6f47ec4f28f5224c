"""Verdicts: pairs of pictures that somebody has said are no duplicates, kept with the library by their contents."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from transhash.errors import LibraryError
from transhash.system import in_turn, replacing

FILE = "not-duplicates.txt"
_LINE = re.compile(r"([0-9a-f]{32}) ([0-9a-f]{32})")


class Verdicts:
    """The verdicts of one library: a text file, two digests a line."""

    def __init__(self, library: Path) -> None:
        """`library` is the folder of the library."""
        self.path = library / FILE

    def pairs(self) -> frozenset[tuple[str, str]]:
        """The pairs of digests, the lesser first; raises `LibraryError` for a file that is damaged."""
        return read_verdicts(self.path) if self.path.exists() else frozenset()

    def add(self, pairs: Iterable[tuple[str, str]]) -> int:
        """Remember pairs of digests, in whatever order: how many are new.

        Raises `LibraryError` when it cannot, and for a pair of equal ones: a verdict is on two contents.
        """
        known = self.pairs()
        new = {(min(pair), max(pair)) for pair in pairs}
        if any(one == other for one, other in new):
            remedy = "keep both: `--kinds same-pixels,copy` does not list files with equal bytes"
            raise LibraryError("", "both files have the same bytes, and a verdict is on two contents", remedy)
        if new <= known:
            return 0
        with self._in_turn():
            known = self.pairs()
            write_verdicts(self.path, known | new)
        return len(new - known)

    def remove(self, pair: tuple[str, str]) -> bool:
        """Forget a pair of digests; returns whether it was known, and raises `LibraryError` when it cannot."""
        gone = {(min(pair), max(pair))}
        if not gone & self.pairs():
            return False
        with self._in_turn():
            known = self.pairs()
            write_verdicts(self.path, known - gone)
        return bool(gone & known)

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        """Around a change: another process, or another thread, may be changing the file."""
        with _cannot_be_written(self.path), in_turn(self.path):
            yield


def read_verdicts(path: Path) -> frozenset[tuple[str, str]]:
    """The pairs of different digests in a file; raises `LibraryError` when there is none or a line is no pair."""
    try:
        lines = path.read_text("ascii").splitlines()
    except (OSError, ValueError) as error:
        raise LibraryError(path, f"no verdicts can be read here ({error})", "check the path") from None
    found = set()
    for number, line in enumerate(lines, 1):
        match = _LINE.fullmatch(line)
        if not match:
            raise LibraryError(f"{path}, line {number}", "not two digests", "remove that line")
        one, other = sorted(match.groups())
        if one != other:  # earlier versions noted equal files, which says nothing
            found.add((one, other))
    return frozenset(found)


def write_verdicts(path: Path, pairs: Iterable[tuple[str, str]]) -> None:
    """Write pairs of digests; raises `LibraryError` when the file cannot be written."""
    with _cannot_be_written(path), replacing(path) as file:
        file.writelines(f"{one} {other}\n".encode() for one, other in sorted(pairs))


@contextmanager
def _cannot_be_written(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        raise LibraryError(path, f"verdicts cannot be written ({error})", "check its permissions") from error
