"""What a picture's file says of itself, and what lies next to it: camera, date, place; sidecar files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from transhash.errors import ImageError
from transhash.images import described
from transhash.images.kinds import RAW_SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Mapping

# files that belong to a picture of the same name; the RAW file of a JPEG is no picture of the library, and stays
BESIDE = frozenset({".xmp", ".aae", ".thm", ".json", ".mov", ".mp4"}) | RAW_SUFFIXES
_PLACE = 0x8825  # EXIF: the directory of the place
_EXPOSURE, _DATE = 0x8769, 0x9003  # EXIF: the directory of the exposure, and in it its date
_MAKER, _MODEL = 0x010F, 0x0110  # EXIF: of the camera


class Metadata(NamedTuple):
    """What a picture's file says of itself."""

    format: str = ""  # as Pillow names it
    camera: str = ""  # maker and model
    taken: str = ""  # by the camera's clock, as EXIF writes it: 2024:05:01 10:00:00
    is_placed: bool = False
    place: tuple[float, float] | None = None  # degrees, north and east, where they can be read

    @property
    def names(self) -> tuple[str, ...]:
        """What of it would be lost with the file."""
        return tuple(
            name for name, known in (("the camera's date", self.taken), ("the place", self.is_placed)) if known
        )


NOTHING = Metadata()


def metadata(path: str | os.PathLike[str]) -> Metadata:
    """What a picture's file says of itself; nothing where it cannot be read."""
    try:
        with described(path) as (form, exif):
            maker, model = (_text(exif.get(tag)) for tag in (_MAKER, _MODEL))
            camera = model if model.lower().startswith(maker.lower()) else f"{maker} {model}".strip()
            taken, place = _text(exif.get_ifd(_EXPOSURE).get(_DATE)), exif.get_ifd(_PLACE)
            return Metadata(form, camera, taken, bool(place), _degrees(place))
    except ImageError:
        return NOTHING


class Folders:
    """What lies next to pictures; each folder is read once."""

    def __init__(self) -> None:
        self._belonging: dict[str, dict[str, list[str]]] = {}  # by folder and by stem, in small letters

    def beside(self, path: Path) -> list[str]:
        """The names of files that belong to a picture: IMG_1.xmp and IMG_1.jpg.xmp to IMG_1.jpg."""
        folder = str(path.parent)
        if folder not in self._belonging:
            self._belonging[folder] = _belonging(folder)
        stems = {path.stem.lower(), path.name.lower()}
        return sorted(name for stem in stems for name in self._belonging[folder].get(stem, []) if name != path.name)

    def only_here(self, path: Path, kept: Path) -> tuple[str, ...]:
        """What belongs to one picture and the kept one has not: its date, its place, files beside it."""
        there = metadata(kept).names
        found = [name for name in metadata(path).names if name not in there]
        endings = {os.path.splitext(name.lower())[1] for name in self.beside(kept)}
        return (*found, *(name for name in self.beside(path) if os.path.splitext(name.lower())[1] not in endings))


def _belonging(folder: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    try:
        names = os.listdir(folder)
    except OSError:
        return found
    for name in names:
        stem, ending = os.path.splitext(name.lower())
        if ending in BESIDE:
            found.setdefault(stem, []).append(name)
    return found


def _degrees(place: Mapping[int, object]) -> tuple[float, float] | None:
    """Degrees north and east of the directory of a place: (letter, (degrees, minutes, seconds)), twice."""
    found = []
    for letter, figures in ((1, 2), (3, 4)):
        try:
            degrees, minutes, seconds = (float(each) for each in place[figures])  # type: ignore[attr-defined]
        except (KeyError, TypeError, ValueError, ZeroDivisionError):
            return None
        size = degrees + minutes / 60 + seconds / 3600
        if not size <= 180:
            return None
        found.append(-size if _text(place.get(letter)).upper() in {"S", "W"} else size)
    return found[0], found[1]


def _text(value: object) -> str:
    """A text of EXIF as one line that can be shown."""
    text = value if isinstance(value, str) else ""
    return "".join(each for each in text if each.isprintable()).strip()[:80]
