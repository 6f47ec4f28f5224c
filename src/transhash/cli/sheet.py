"""Sheets: pictures with what was found for them, such as hits and their distances, drawn on one page."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from transhash.cli.output import counted
from transhash.errors import ImageError, TransHashError
from transhash.system import replacing
from transhash.threads import spread

if TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont

    from transhash.images import Source
    from transhash.library.results import Copy
    from transhash.library.searchable import Hit

_Wanted: TypeAlias = "tuple[Source, str, str]"  # a picture, its title, its name

FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP"}

TILE = 160  # pixels a side that a picture may take
CAPTION = 34  # below it: two lines
GAP = 10
LINE = TILE + CAPTION + GAP
COLUMNS = 10  # hits side by side; more of them make further lines
HIGHEST = 30_000  # pixels: what every viewer opens
TEXT = 12
FONTS = ("DejaVuSans.ttf", "Arial Unicode.ttf", "arial.ttf", "LiberationSans-Regular.ttf", "NotoSans-Regular.ttf")
PILLOWS = "Aileron"  # its own font
BACKGROUND, INK, FAINT, FRAME, EMPTY = "#ffffff", "#202020", "#707070", "#1f6feb", "#ececec"


class Sheet:
    """A page that grows by a query at a time; small copies are all that it keeps of pictures."""

    def __init__(self) -> None:
        self._rows: list[tuple[_Tile, list[_Tile]]] = []
        self.left_out = 0  # queries or groups that the page has no room for

    def add(self, name: str, query: Source, hits: Iterable[Hit], same: Collection[int] = ()) -> None:
        """Add a query and its hits; `same` has the ids of hits that are the same picture.

        A picture that cannot be read gets an empty tile that says why. What would make the page too high is left out.
        """
        self._add(
            (query, "query", os.path.basename(name)), [(hit.path, _title(hit, same), hit.path.name) for hit in hits]
        )

    def add_group(self, keep: Copy, copies: Iterable[Copy]) -> None:
        """Add a picture and its copies, with their sizes; as `add`."""
        self._add(
            (keep.path, f"keep  {keep.width} x {keep.height}", keep.path.name),
            [(copy.path, f"same  {copy.width} x {copy.height}", copy.path.name) for copy in copies],
        )

    def _add(self, first: _Wanted, others: list[_Wanted]) -> None:
        if self._height() + _lines(others) * LINE > HIGHEST:
            self.left_out += 1
            return
        tiles = spread(lambda each: _Tile(*each), [first, *others])
        self._rows.append((tiles[0], tiles[1:]))

    def left(self, one: str, several: str) -> str:
        """A sentence on what was left out, such as a "group" of "groups"; empty when everything is on the page."""
        if not self.left_out:
            return ""
        more = f"{self.left_out:,} more {'does' if self.left_out == 1 else 'do'} not fit on one page"
        return f"the sheet has {counted(len(self._rows), one, several)}, {more}; ask for fewer pictures"

    def draw(self) -> Image.Image:
        """The page; raises `TransHashError` when there was no room for anything."""
        from PIL import Image, ImageDraw

        if self.left_out and not self._rows:
            raise TransHashError("", f"the sheet would be more than {HIGHEST:,} pixels high", "ask for fewer pictures")
        columns = 1 + min(COLUMNS, max((len(hits) for _, hits in self._rows), default=0))
        page = Image.new("RGB", (columns * (TILE + GAP) + 2 * GAP, self._height()), BACKGROUND)
        pen = ImageDraw.Draw(page)
        top = GAP
        for query, hits in self._rows:
            query.draw(page, pen, GAP, top, framed=True)
            for number, hit in enumerate(hits):
                line, column = divmod(number, COLUMNS)
                hit.draw(page, pen, 2 * GAP + (1 + column) * (TILE + GAP), top + line * LINE)
            top += _lines(hits) * LINE
        return page

    def save(self, path: str | os.PathLike[str]) -> None:
        """Draw the page into a file of the format that its name asks for; raises `TransHashError` when it cannot be."""
        path, kind = Path(path), check_name(path)
        try:
            with replacing(path) as file:
                self.draw().save(file, kind, quality=90)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise TransHashError(path, f"the sheet cannot be written ({reason})", "choose another place") from error

    def _height(self) -> int:
        return GAP + sum(_lines(hits) for _, hits in self._rows) * LINE


def _title(hit: Hit, same: Collection[int]) -> str:
    return "the same picture" if hit.id in same else f"{hit.distance} bit{'' if hit.distance == 1 else 's'}"


def check_name(path: str | os.PathLike[str]) -> str:
    """The format that a file's name asks for; raises `TransHashError` when no sheet can be drawn in it."""
    kind = FORMATS.get(Path(path).suffix.lower())
    if kind is None:
        raise TransHashError(
            path, "no sheet can be drawn in this format", "name a file that ends in .jpg, .png or .webp"
        )
    return kind


class _Tile:
    """A picture made small, its proportions kept, or the reason why there is none; with two lines below."""

    def __init__(self, source: Source, title: str, name: str) -> None:
        from transhash.images import open_shown

        self._title, self._name = title, name
        self._image: Image.Image | None = None
        self._reason = ""
        try:
            image = open_shown(source, min_side=TILE)
            scale = TILE / max(image.size)
            size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
            self._image = image.resize(size, reducing_gap=3.0)
        except ImageError as error:
            self._reason = error.reason

    def draw(self, page: Image.Image, pen: ImageDraw.ImageDraw, left: int, top: int, *, framed: bool = False) -> None:
        if self._image:
            x, y = left + (TILE - self._image.width) // 2, top + (TILE - self._image.height) // 2
            page.paste(self._image, (x, y))
            if framed:
                pen.rectangle((x - 3, y - 3, x + self._image.width + 2, y + self._image.height + 2), None, FRAME, 3)
        else:
            pen.rectangle((left, top, left + TILE - 1, top + TILE - 1), EMPTY)
            reason = fitting(pen, self._reason, TILE - 2 * GAP)
            pen.text((left + TILE / 2, top + TILE / 2), reason, FAINT, font(), anchor="mm")
        pen.text((left, top + TILE + 4), self._title, INK, font())
        pen.text((left, top + TILE + 18), fitting(pen, self._name, TILE), FAINT, font())


def _lines(hits: Sequence[object]) -> int:
    return max(1, -(-len(hits) // COLUMNS))


@cache
def font() -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    """What captions are written in: a font of the system, or Pillow's, which has the letters of ASCII alone."""
    from PIL import ImageFont

    for name in FONTS:
        with suppress(OSError):
            return ImageFont.truetype(name, TEXT)
    return ImageFont.load_default(TEXT)


def _written(text: str) -> str:
    """A text with nothing that the font would draw as a box: without accents, and with ? for other letters."""
    from PIL import ImageFont

    if isinstance(own := font(), ImageFont.FreeTypeFont) and own.getname()[0] != PILLOWS:
        return text
    plain = "".join(each for each in unicodedata.normalize("NFKD", text) if not unicodedata.combining(each))
    return "".join(each if each.isascii() or each == "…" else "?" for each in plain)


def fitting(pen: ImageDraw.ImageDraw, text: str, width: int) -> str:
    """A text on one line, its middle left out where it is too long."""
    text = _written(" ".join(os.fsencode(text).decode(errors="replace").split()))
    kept = text
    for length in range(min(len(text), 80), 0, -1):
        if len(kept) <= 80 and pen.textlength(kept, font()) <= width:
            break
        kept = f"{text[: length // 2]}…{text[len(text) - length // 2 :]}"
    return kept
