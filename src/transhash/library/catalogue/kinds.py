"""What is known of a picture as columns: those that every picture has, and users' own, their kinds and their values."""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import TypeAlias

import numpy as np

Value: TypeAlias = "str | int | float | bool | datetime"  # of a user's own column; dates are in no time zone
Stored: TypeAlias = "str | int | float"  # booleans are 0 and 1, dates seconds since 1970


class Kind(StrEnum):
    """What values a column has."""

    PATH = "path"
    TEXT = "text"
    NUMBER = "number"
    BYTES = "size in bytes"
    DATE = "date"
    BOOLEAN = "boolean"


BUILT_IN = {
    "path": Kind.PATH,
    "folder": Kind.PATH,
    "name": Kind.PATH,
    "width": Kind.NUMBER,
    "height": Kind.NUMBER,
    "size": Kind.BYTES,
    "taken": Kind.DATE,
    "modified": Kind.DATE,
}
RESERVED = {*BUILT_IN, "path_bytes", "code", "digest"}  # the columns that `transhash export` writes of itself
MAX_NAME = 200  # characters
YEARS = (-62_135_596_800, 253_402_300_800)  # seconds since 1970: from the year 1 to 9999

_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:[ T](\d\d):(\d\d)(?::(\d\d))?)?)?)?")
_INTEGER = re.compile(r"-?(0|[1-9]\d*)")
_REAL = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?")
_EPOCH = datetime(1970, 1, 1)
_MISSING = {"NAType", "NaTType"}  # pandas.NA; pandas.NaT, which is a datetime by its class and can be no date


class UnfitError(ValueError):
    """A value that a column of some kind cannot hold; the message says what is expected."""


def seconds(moment: datetime) -> int:
    """Seconds since 1970 of a moment in no time zone (one in a time zone counts as UTC).

    Raises `UnfitError` for one before the year 1 or after 9999 in UTC.
    """
    try:
        moment = moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    except OverflowError:
        raise UnfitError("a date from the year 1 to 9999 in UTC") from None
    return (moment - _EPOCH) // timedelta(seconds=1)


def moment(stored: int) -> datetime:
    """The moment of so many seconds since 1970, in no time zone."""
    return _EPOCH + timedelta(seconds=stored)


def period(text: str) -> tuple[int, int] | None:
    """The seconds [first, end) that a written year, month, day, minute or second spans; None when it is no date."""
    found = _DATE.fullmatch(text)
    if not found:
        return None
    from calendar import isleap, monthrange

    year, month, day, hour, minute, second = (int(part) if part else None for part in found.groups())
    try:
        first = datetime(year or 0, month or 1, day or 1, hour or 0, minute or 0, second or 0)
    except ValueError:
        return None
    if second is not None:
        length = timedelta(seconds=1)
    elif minute is not None:
        length = timedelta(minutes=1)
    elif day is not None:
        length = timedelta(days=1)
    elif month is not None:
        length = timedelta(days=monthrange(first.year, first.month)[1])
    else:
        length = timedelta(days=366 if isleap(first.year) else 365)
    start = seconds(first)
    return start, start + length // timedelta(seconds=1)


def kind_of_text(text: str) -> Kind:
    """The kind of value that a written text looks like; `007` is a text, `2024` a number, `2024-05-01` a date.

    A whole number that a column of numbers could not hold exactly is a text.
    """
    if _REAL.fullmatch(text):
        return Kind.NUMBER if not _INTEGER.fullmatch(text) or _held(text) is not None else Kind.TEXT
    if text.lower() in ("true", "false"):
        return Kind.BOOLEAN
    return Kind.DATE if len(text) >= 10 and period(text) else Kind.TEXT


def kind_of(value: object) -> Kind:
    """The kind of a value of Python or NumPy; raises `UnfitError` for one that no column holds."""
    value = of_python(value)
    if isinstance(value, bool):
        return Kind.BOOLEAN
    if isinstance(value, int | float):
        return Kind.NUMBER
    if isinstance(value, date):  # a datetime is one as well
        return Kind.DATE
    if isinstance(value, str):
        return Kind.TEXT
    raise UnfitError("a text, a number, a date or true or false")


def common(kinds: set[Kind]) -> Kind:
    """The kind of a column whose values look like these."""
    return next(iter(kinds)) if len(kinds) == 1 else Kind.TEXT


def to_stored(value: object, kind: Kind) -> Stored | None:
    """A value as a column of some kind holds it, None for none; texts are read. Raises `UnfitError`."""
    value = of_python(value)
    if is_missing(value):
        return None
    if isinstance(value, str):
        return _read(value, kind)
    own = kind_of(value)
    if kind == Kind.TEXT:
        return _text(_as_moment(value).isoformat() if isinstance(value, date) else str(to_value(_plain(value), own)))
    if own != kind:
        raise UnfitError(f"a {kind}")
    return _plain(value)


def is_missing(value: object) -> bool:
    """Whether a value of Python is none: nothing, an empty text, or what pandas has for a missing number, NaN."""
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def to_value(stored: object, kind: Kind) -> Value:
    """A stored value as Python has it; raises `UnfitError` for what `to_stored` never gives."""
    try:
        if kind == Kind.TEXT and isinstance(stored, str):
            return stored
        if kind == Kind.NUMBER and isinstance(stored, int | float):
            return stored
        if kind == Kind.BOOLEAN and stored in (0, 1):
            return bool(stored)
        if kind == Kind.DATE and isinstance(stored, int):
            return moment(stored)
    except OverflowError:
        pass
    raise UnfitError(f"a {kind}")


def _plain(value: object) -> Stored:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, date):
        return seconds(_as_moment(value))
    if isinstance(value, int | float):
        return _number(value)
    raise UnfitError("a number, a date or true or false")


def _as_moment(value: date) -> datetime:
    return value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)


def _read(text: str, kind: Kind) -> Stored | None:
    if kind == Kind.TEXT:
        return _text(text)
    text = text.strip()
    if not text:
        return None
    if kind == Kind.NUMBER and _REAL.fullmatch(text):
        return _number(text if _INTEGER.fullmatch(text) else float(text))
    if kind == Kind.BOOLEAN and text.lower() in ("true", "false"):
        return int(text.lower() == "true")
    if kind == Kind.DATE and (span := period(text)):
        return span[0]
    raise UnfitError(f"a {kind}")


def _number(value: float | str) -> float:
    """A number that SQLite can hold; a whole one, which may be written, exactly."""
    number = value if isinstance(value, float) else _held(value)
    if number is None:
        raise UnfitError("a whole number that 64 bits hold exactly")
    if not math.isfinite(number):
        raise UnfitError("a finite number")
    return number


def _held(value: int | str) -> float | None:
    """A whole number as 64 bits hold it, of whatever kind; None when they do not hold it exactly."""
    try:
        whole = int(value)
        return whole if -(2**63) <= whole < 2**63 else float(whole) if float(whole) == whole else None
    except (OverflowError, ValueError):  # ValueError: of more digits than Python reads
        return None


def of_python(value: object) -> object:
    """A scalar of NumPy or Arrow as Python has it, None for what pandas has in its place; anything else as it is."""
    if isinstance(value, str | int | float):  # most are
        return value.item() if isinstance(value, np.generic) else value
    if type(value).__name__ in _MISSING and type(value).__module__.startswith("pandas."):
        return None
    if not isinstance(value, np.generic):
        return value.as_py() if hasattr(value, "as_py") else value
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else value.astype("datetime64[us]").item()
    return value.item()


def _text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UnfitError("a text in UTF-8") from None
    if "\0" in text:
        raise UnfitError("a text without zero bytes")
    return text
