"""What a picture's metadata says: which way up it is, and when it was taken."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

from transhash.images.faults import READER_ERRORS

if TYPE_CHECKING:
    from PIL.Image import Exif, Image

_ORIENTATION, _CHANGED, _EXIF, _XMP = 0x0112, 0x0132, 0x8769, 700
_TAKEN, _DIGITIZED = 0x9003, 0x9004

_XMP_DATES = tuple(
    re.compile(name + rb"(?:\s*=\s*[\"']|>)\s*([^\"'<]{8,40})[\"'<]")
    for name in (rb"DateTimeOriginal", rb"DateTimeDigitized", rb"DateCreated", rb"CreateDate")
)
_DATE = re.compile(
    r"(?P<year>\d{4})[:\-/.](?P<month>\d{1,2})[:\-/.](?P<day>\d{1,2})"
    r"(?:(?:T|\s+|$)(?:(?P<hour>\d{1,2})[:.](?P<minute>\d{1,2})(?:[:.](?P<second>\d{1,2}))?\s*(?P<half>[AaPp])?)?|$)"
)
_COMPACT = re.compile(r"(\d{4})(\d\d)(\d\d)(?:[T ]?(\d\d)(\d\d)(\d\d)?)?")
_FIRST_YEAR = 1826  # of the oldest photograph there is

# Where clocks begin that nobody has set, or what a program writes that knows no date.
_UNSET = frozenset({datetime(1904, 1, 1), datetime(1970, 1, 1), datetime(1980, 1, 1), datetime(1899, 12, 30)})


def exif_of(image: Image) -> Exif:
    """A picture's EXIF data, empty when it is damaged."""
    from PIL.Image import Exif

    with suppress(*READER_ERRORS):
        return image.getexif()
    return Exif()


def orientation(exif: Exif) -> int:
    """EXIF orientation, 1 to 8; 1 (upright) when there is none."""
    value = exif.get(_ORIENTATION, 1)
    return int(value) if value in range(1, 9) else 1  # some write it as a fraction


def taken(exif: Exif, info: Mapping[str | tuple[int, int], object]) -> datetime | None:
    """When a picture was taken, by the camera's clock, without a time zone; None when nothing says so.

    The first that is a date: EXIF's DateTimeOriginal, DateTimeDigitized and DateTime, XMP, and what PNG has. `info` is
    that of Pillow's image.
    """
    return next((date for text in _texts(exif, info) if (date := parsed(text))), None)


def parsed(text: str) -> datetime | None:
    """A date as cameras and programs write it; None for one that is none, or that says that it was not known."""
    text = text.strip("\0 \t\r\n")
    numbers: tuple[str | None, ...]
    if match := _DATE.match(text):
        numbers, half = match.groups()[:6], match["half"]
    elif match := _COMPACT.match(text):
        numbers, half = match.groups(), None
    else:
        from email.utils import parsedate  # brings the network's modules along

        if not (words := parsedate(text)):  # Wed, 01 May 2024 12:30:45 +0200
            return None
        numbers, half = tuple(map(str, words[:6])), None
    try:
        year, month, day, hour, minute, second = (int(number or 0) for number in numbers)
        if half and 1 <= hour <= 12:
            hour = hour % 12 + 12 * (half in "Pp")
        date = datetime(year, month, day, hour, minute, min(second, 59))
    except (ValueError, OverflowError):
        return None
    return None if year < _FIRST_YEAR or date in _UNSET else date


def _texts(exif: Exif, info: Mapping[str | tuple[int, int], object]) -> Iterator[str]:
    if len(exif):
        with suppress(*READER_ERRORS):
            inner = exif.get_ifd(_EXIF)
            yield from (_text(inner.get(_TAKEN)), _text(inner.get(_DIGITIZED)))
        yield _text(exif.get(_CHANGED))
    packet = info.get("xmp") or info.get("XML:com.adobe.xmp") or exif.get(_XMP) or b""
    packet = packet.encode() if isinstance(packet, str) else packet
    if isinstance(packet, bytes):
        yield from (_text(date) for pattern in _XMP_DATES for date in pattern.findall(packet))
    yield _text(info.get("Creation Time"))


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("ascii", "ignore")
    return value if isinstance(value, str) else ""
