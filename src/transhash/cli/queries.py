"""What a search is for: pictures in files, from standard input, in the clipboard; words; vectors in a file."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from transhash.errors import ImageError, TransHashError

if TYPE_CHECKING:
    from transhash.images import Source
    from transhash.library.searchable import One

STANDARD_INPUT = "-"
CLIPBOARD = "clipboard"


class Query(NamedTuple):
    """A picture to search for, and what to call it."""

    name: str
    source: One

    @property
    def called(self) -> str:
        """The same for people."""
        return "standard input" if self.name == STANDARD_INPUT else self.name

    def as_words(self) -> Query:
        """The same, as words where it names no file."""
        from transhash.library.searchable import Words

        is_path = isinstance(self.source, Path) and not os.path.lexists(self.source) and "://" not in self.name
        return self._replace(source=Words(self.name)) if is_path else self

    @property
    def picture(self) -> Source:
        """What to show of it: the picture, or a white square for words and vectors."""
        from PIL import Image

        from transhash.library.ranking import is_picture

        return self.source if is_picture(self.source) else Image.new("RGB", (64, 64), "white")

    def unusable(self, error: ImageError) -> str:
        """Why there is no answer, and what to do, as a sentence; words and addresses are no pictures."""
        if isinstance(self.source, str | os.PathLike) and not os.path.lexists(self.source):
            if "://" in self.name or self.name.startswith(("http:/", "https:/")):
                return (
                    f"{self.called}: an address, not a file; download the picture, or send it: "
                    "curl -s ADDRESS | transhash search -"
                )
            if not Path(self.name).suffix and os.sep not in self.name:
                return (
                    f"{self.called}: no such file, and searches are by picture, not by words; name a picture that "
                    "looks like what you want, or make a library with a model that has a text tower: transhash index "
                    "DIR --model openai/clip-vit-base-patch32"
                )
        return f"{self.called}: {error.reason}; {error.remedy}"

    @property
    def folder(self) -> Path | None:
        """The folder it is in, for a file."""
        return Path(self.source).parent if isinstance(self.source, str | os.PathLike) else None


def queries(images: list[str], *, clipboard: bool) -> list[Query]:
    """The pictures named on the command line ("-" is standard input) and, when asked for, in the clipboard.

    Raises `TransHashError` when there is none where one was promised.
    """
    found = []
    for image in images:
        if image == STANDARD_INPUT:
            found.append(Query(STANDARD_INPUT, _standard_input()))
        elif image.lower().endswith(".npy"):
            from transhash.library.exchange.vector_files import read_npy

            rows = read_npy(Path(image), one=True).astype("float32")
            found += [Query(f"{image}[{row}]", vector) for row, vector in enumerate(rows)]
        else:
            path = Path(image)
            found.append(Query(image if "://" in image else str(path), path))
    if clipboard:
        found += _clipboard()
    return found


def _standard_input() -> bytes:
    from transhash.images import most_bytes

    if sys.stdin.isatty():
        raise TransHashError(
            "", "standard input is the keyboard", "send a picture into it, as in `cat cat.jpg | transhash search -`"
        )
    return sys.stdin.buffer.read(most_bytes() + 1)  # what is more is refused like a file of that size


def _clipboard() -> list[Query]:
    """A picture that was copied, or the files that were."""
    from PIL import Image, ImageGrab

    try:
        held = ImageGrab.grabclipboard()
    except (NotImplementedError, ImportError) as error:
        raise TransHashError(
            "",
            f"the clipboard cannot be reached ({error})",
            "on Linux install wl-clipboard (Wayland) or xclip (X11), or name a file",
        ) from error
    except (OSError, ValueError) as error:
        raise TransHashError(
            "", f"the clipboard cannot be read ({_first_line(error)})", "name a file instead"
        ) from error
    if isinstance(held, Image.Image):
        return [Query(CLIPBOARD, held)]
    files = [Query(str(Path(name)), Path(name)) for name in held or []]
    if not files:
        raise TransHashError("", "the clipboard holds no picture", "copy one, or a picture's file, and try again")
    return files


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
