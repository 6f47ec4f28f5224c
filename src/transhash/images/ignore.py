"""`.transhashignore`: which files and folders are passed over, in the words of git's `.gitignore`.

One pattern a line; of several that match, the last decides, and the file in a deeper folder before one above it.

    # a comment
    *.png           any file or folder of such a name, here or below
    drafts/         folders only
    /scans          only here, not below; so is any pattern with a slash inside: a/b
    a/**/b          any number of folders between; **/b and a/** likewise
    !keep.png       not passed over after all; not even looked for inside a folder that is passed over
    \\#1.jpg         a backslash takes a character as it is

Folders that drives and network storage keep for themselves (`DEFAULTS`) are passed over unless a pattern takes them in
again: !@eaDir/
"""

from __future__ import annotations

import os
import re
from functools import lru_cache
from typing import BinaryIO

IGNORE_FILE = b".transhashignore"
DEFAULTS = b"""
# Synology: thumbnails, bin, snapshots; QNAP: bin, snapshots, thumbnails
@eaDir/
\\#recycle/
\\#snapshot/
@tmp/
@Recycle/
@Recently-Snapshot/
# Windows and Unix: bins, and what a repair has found
$RECYCLE.BIN/
$Recycle.Bin/
RECYCLER/
System Volume Information/
lost+found/
# archives made on a Mac
__MACOSX/
"""
_MAX_BYTES = 1 << 20  # what is longer is no list that someone wrote

_CLASSES = {  # of ASCII, as git has them
    "alnum": r"0-9A-Za-z",
    "alpha": r"A-Za-z",
    "blank": r" \t",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": r"0-9",
    "graph": r"!-~",
    "lower": r"a-z",
    "print": r" -~",
    "punct": r"!-/:-@\[-`{-~",
    "space": r" \t\n\r\f\v",
    "upper": r"A-Z",
    "xdigit": r"0-9A-Fa-f",
}
_NEVER = "(?!)"
_ANY_FOLDERS = None  # what a component `**` becomes


class Ignore:
    """The patterns that hold in a folder: its own, and then those of the folders above."""

    def __init__(self, folder: bytes, lines: bytes, above: Ignore | None) -> None:
        """`lines`: the content of the folder's file."""
        self._start = len(os.path.join(folder, b""))
        self._patterns = [p for line in lines.removeprefix(b"\xef\xbb\xbf").split(b"\n") if (p := _Pattern.read(line))]
        self._patterns.reverse()  # the last decides
        self._above = above
        self.concerns_files: bool = any(not pattern.folders_only for pattern in self._patterns) or (
            above is not None and above.concerns_files
        )

    def __contains__(self, found: tuple[bytes, bool]) -> bool:
        """Whether something below the folder, by its path and whether it is a folder, is passed over."""
        path, is_folder = found
        relative = path[self._start :].decode("latin-1").split(os.sep)
        for pattern in self._patterns:
            if pattern.matches(relative, is_folder):
                return not pattern.keeps
        return self._above is not None and found in self._above


def inside(folder: bytes, above: Ignore | None) -> Ignore:
    """What holds in a folder with an ignore file; raises `OSError` when that cannot be read."""
    try:
        with open(os.path.join(folder, IGNORE_FILE), "rb") as file:
            return listed(folder, file, above)
    except FileNotFoundError:  # which would say that the folder is gone, with its pictures
        raise OSError(f"{os.fsdecode(IGNORE_FILE)} has vanished, or is a link to nothing") from None


def listed(folder: bytes, file: BinaryIO, above: Ignore | None) -> Ignore:
    """What holds in a folder whose ignore file is open; raises `OSError` when that is no list that someone wrote."""
    lines = file.read(_MAX_BYTES + 1)
    if len(lines) > _MAX_BYTES:
        raise OSError(f"{os.fsdecode(IGNORE_FILE)} is longer than 1 MB")
    return Ignore(folder, lines, above)


def around(folder: bytes) -> Ignore:
    """What `DEFAULTS` and the folders above an absolute folder, up to the root, say about what is below it."""
    above: list[bytes] = []
    while (parent := os.path.dirname(folder)) != folder:
        above.append(folder := parent)
    found = Ignore(os.sep.encode(), DEFAULTS, None)
    for folder in reversed(above):
        file = os.path.join(folder, IGNORE_FILE)
        if os.path.isfile(file) or os.path.islink(file):
            found = inside(folder, found)
    return found


class _Pattern:
    """One line, in components; a component is matched as Latin-1, one character for each byte."""

    def __init__(self, text: str) -> None:
        self.keeps = text.startswith("!")
        text = text.removeprefix("!")
        self.folders_only = text.endswith("/")
        text = text.removesuffix("/")
        self._anywhere = "/" not in text
        components = _ESCAPED_SLASH.sub(r"\1/", text.removeprefix("/")).split("/")
        self._components = [
            _ANY_FOLDERS if part == "**" and not self._anywhere else _component(part) for part in components
        ]

    @staticmethod
    def read(line: bytes) -> _Pattern | None:
        """The pattern of a line, if there is one on it."""
        text = line.removesuffix(b"\r").decode("latin-1")
        while text.endswith(" ") and _is_plain_end(text):
            text = text[:-1]
        return None if text.startswith("#") or text in ("", "/", "!", "!/") else _Pattern(text)

    def matches(self, relative: list[str], is_folder: bool) -> bool:
        if self.folders_only and not is_folder:
            return False
        if self._anywhere:
            relative = relative[-1:]
        # The positions in the path at which the components so far may end: no backtracking, however many `**`.
        ends = {0}
        for position, component in enumerate(self._components):
            if component is not _ANY_FOLDERS:
                ends = {end + 1 for end in ends if end < len(relative) and component.fullmatch(relative[end])}
            elif ends:
                least = 1 if position == len(self._components) - 1 else 0  # `a/**` is not `a` itself
                ends = set(range(min(ends) + least, len(relative) + 1))
        return len(relative) in ends


def _is_plain_end(text: str) -> bool:
    """Whether the last character has no backslash that counts before it."""
    before = text[:-1]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 0


@lru_cache(1024)
def _component(glob: str) -> re.Pattern[str]:
    """A name's pattern. Between stars the first match is taken for good, so that no name takes long."""
    parts, position = [""], 0
    while position < len(glob):
        letter = glob[position]
        position += 1
        if letter == "*":
            parts.append("")
        elif letter == "?":
            parts[-1] += "."
        elif letter == "[":
            found, position = _bracket(glob, position)
            parts[-1] += found
        elif letter == "\\":
            parts[-1] += re.escape(glob[position]) if position < len(glob) else _NEVER
            position += 1
        else:
            parts[-1] += re.escape(letter)
    first, *middle, last = parts if len(parts) > 1 else (parts[0], None)
    if last is None:
        return re.compile(first, re.DOTALL)
    return re.compile(first + "".join(f"(?>.*?{part})" for part in middle if part) + ".*" + last, re.DOTALL)


def _bracket(glob: str, position: int) -> tuple[str, int]:
    """The characters of `[…]`, from behind the bracket, and the position behind its end; as git reads it."""
    match = _BRACKET.match(glob, position)
    if not match:
        return _NEVER, len(glob)
    allowed = ""
    for item in _ITEM.finditer(match["items"]):
        if item["named"] is not None:
            if item["named"] not in _CLASSES:
                return _NEVER, match.end()
            allowed += _CLASSES[item["named"]]
        else:
            low = item["low"][-1]
            high = item["high"][-1] if item["high"] else low
            if low <= high:
                allowed += f"{re.escape(low)}-{re.escape(high)}"
    inverse = "^" if match["inverse"] else ""
    if not allowed:
        return ("." if inverse else _NEVER), match.end()
    return f"[{inverse}{allowed}]", match.end()


_ESCAPED_SLASH = re.compile(r"((?<!\\)(?:\\\\)*)\\/")
_BRACKET = re.compile(r"(?P<inverse>[!^]?+)(?P<items>\]?+(?:\[:[a-z]*:\]|\\.|[^\\\]])*)\]", re.DOTALL)
_ITEM = re.compile(r"\[:(?P<named>[a-z]*):\]|(?P<low>\\.|[^\\])(?:-(?P<high>\\.|[^\\\]]))?", re.DOTALL)
