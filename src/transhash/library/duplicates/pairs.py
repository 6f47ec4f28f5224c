"""Two pictures of a library side by side: what they are to each other, how one lies on the other, and what differs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from transhash.library.duplicates import registration
from transhash.library.duplicates.confirmation import Finding
from transhash.library.duplicates.kinds import Kind
from transhash.library.duplicates.metadata import metadata
from transhash.library.duplicates.pairing import Picture as Paired
from transhash.library.duplicates.pairing import compare
from transhash.library.duplicates.reading import look
from transhash.library.files.thumbnails import Thumbnails
from transhash.library.searchable import Picture

EQUAL = 0.005  # parts by which sizes differ that are called equal


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is known of both pictures: what it is of each, and what differs in words, if anything does."""

    what: str
    one: str
    other: str
    words: str = ""


@dataclass(frozen=True, slots=True)
class Pair:
    """What two pictures are to each other."""

    finding: Finding
    onto: tuple[float, ...] | None  # (a, b, c, d, e, f): what lies at (x, y) of the first lies at (a·x + b·y + e,
    # c·x + d·y + f) of the second, in shares of widths and heights; None where nothing lies on anything
    differences: list[Difference]


def pair_of(one: Picture, other: Picture, thumbnails: Thumbnails) -> Pair:
    """Compare two pictures of a library; raises `ImageError` when the file of one cannot be used."""
    if one.digest == other.digest:
        return Pair(Finding(Kind.SAME_FILE), (1.0, 0.0, 0.0, 1.0, 0.0, 0.0), differences(one, other))
    first, second = (Paired(each.path, each.digest, (each.width, each.height)) for each in (one, other))
    seen, also = look(first, thumbnails), look(second, thumbnails)
    finding = compare(first, seen, second, also)
    onto = None
    if finding.movement is not None:
        (tall, wide), (high, broad) = seen.sketch.grey.shape, also.sketch.grey.shape
        moved = registration.scaled(finding.movement, (1 / wide, 1 / tall), (1 / broad, 1 / high))
        onto = tuple(map(float, moved))
    return Pair(finding, onto, differences(one, other))


def differences(one: Picture, other: Picture) -> list[Difference]:
    """What is known of both pictures and their files: pixels, bytes, format, dates, camera, place, folder."""
    here, there = metadata(one.path), metadata(other.path)
    sizes = [f"{each.width:,} × {each.height:,}" for each in (one, other)]
    dates = [each.taken.isoformat(" ") if each.taken else "" for each in (one, other)]
    changed = [each.modified.isoformat(" ", "seconds") for each in (one, other)]
    places = ["known" if each.is_placed else "" for each in (here, there)]
    pixels = _times(one.width * one.height, other.width * other.height, "pixels")
    found = [
        Difference("pixels", sizes[0], sizes[1], pixels),
        Difference("bytes", f"{one.bytes:,}", f"{other.bytes:,}", _times(one.bytes, other.bytes, "bytes")),
        Difference("format", here.format, there.format, _other(here.format, there.format)),
        Difference("taken", dates[0], dates[1], _taken(one, other)),
        Difference("changed", changed[0], changed[1]),
        Difference("camera", here.camera, there.camera, _other(here.camera, there.camera)),
        Difference("place", places[0], places[1], _other(places[0], places[1])),
        Difference("folder", one.folder or ".", other.folder or ".", "" if one.folder == other.folder else "another"),
        Difference("name", one.name, other.name, "" if one.name == other.name else "another"),
    ]
    return [each for each in found if each.one or each.other]


def _times(one: float, other: float, what: str) -> str:
    """How much more of something the second has, such as "2.3 times the bytes" or "33% fewer bytes"."""
    if not one or not other or abs(one - other) <= EQUAL * max(one, other):
        return "" if one == other else "nearly as many"
    if other > one:
        return f"{other / one:.3g} times the {what}" if other >= 1.995 * one else f"{other / one - 1:.0%} more {what}"
    return f"{1 - other / one:.0%} fewer {what}"


def _taken(one: Picture, other: Picture) -> str:
    if one.taken is None or other.taken is None:
        return _only(one.taken is not None, other.taken is not None)
    apart = other.taken - one.taken
    if not apart:
        return ""
    return f"{_span(abs(apart))} {'later' if apart > timedelta() else 'earlier'}"


def _span(apart: timedelta) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if apart.total_seconds() >= 2 * size:
            return f"{apart.total_seconds() / size:.0f} {unit}"
    return f"{apart.total_seconds():.0f} s"


def _only(one: bool, other: bool) -> str:
    return "" if one == other else "known here alone" if other else "not known here"


def _other(one: str, other: str) -> str:
    return "" if one == other else "another" if one and other else _only(bool(one), bool(other))
