"""How large a picture may be: the usual limits, and what lifts them."""

from __future__ import annotations

import os

from transhash.errors import ImageError, TransHashError

DEFAULT_MAX_PIXELS = 178_956_970  # 4 bytes each make 683 MB; Pillow's own limit as well
DEFAULT_MAX_BYTES = 512 << 20
DRAFTED = 8  # times as many pixels may a JPEG have that comes smaller: it never has all in memory
BYTES_A_PIXEL = 3  # of a file, where the limit on pixels is lifted: without compression, 8 bits a colour
MAX_SIDE = 65_535  # the largest that JPEG can hold
MAX_ELONGATION = 200  # longer side over shorter; a strip's square middle shows nothing of it
MEGAPIXELS = "TRANSHASH_MAX_MEGAPIXELS"
MOST_MEGAPIXELS = MAX_SIDE**2 // 10**6


def most_pixels() -> int:
    """The pixels that a picture may have where nobody says otherwise: TRANSHASH_MAX_MEGAPIXELS, or 179 million.

    Raises `TransHashError` when TRANSHASH_MAX_MEGAPIXELS is not a whole number from 1 to 4,294.
    """
    setting = os.environ.get(MEGAPIXELS, "").strip()
    if not setting:
        return DEFAULT_MAX_PIXELS
    if not (setting.isascii() and setting.isdigit() and len(setting) < 5 and 1 <= int(setting) <= MOST_MEGAPIXELS):
        raise TransHashError(
            MEGAPIXELS, f"it is {setting!r:.40}", f"set a whole number from 1 to {MOST_MEGAPIXELS:,}, or unset it"
        )
    return int(setting) * 10**6


def most_bytes() -> int:
    """The bytes that a file may have where nobody says otherwise; more when TRANSHASH_MAX_MEGAPIXELS is more."""
    return max(DEFAULT_MAX_BYTES, BYTES_A_PIXEL * most_pixels())


def check_bytes(count: int, name: str) -> None:
    """Raises `ImageError` for an empty file, and one of more bytes than `most_bytes`."""
    if not count:
        raise ImageError(name, "empty file", "delete it or restore it from a copy")
    if count > (most := most_bytes()):
        raise ImageError(name, *too_many_bytes(count, most))


def too_many_bytes(count: int, limit: int) -> tuple[str, str]:
    """Why a file of so many bytes is refused, and the remedy."""
    return "file too large", f"it has {count:,} bytes, the limit is {limit:,}; compress it"


def check_shape(size: tuple[int, int], name: str) -> None:
    """Raises `ImageError` for a picture without pixels or with too long a side, whatever the limits."""
    if min(size) < 1:
        raise ImageError(name, "no pixels", "restore it from a copy")
    if max(size) > MAX_SIDE or max(size) > MAX_ELONGATION * min(size):
        raise ImageError(name, "too long and thin", f"it has {size[0]}×{size[1]} pixels; cut it into parts")


def check_count(held: tuple[int, int], name: str, limit: int | None, stored: tuple[int, int] | None = None) -> None:
    """Raises `ImageError` for more pixels in memory than `limit` (None: `most_pixels`).

    `stored` is the size of a picture that comes otherwise: it may have `DRAFTED` times as many.
    """
    most = most_pixels() if limit is None else limit
    times = 1 if stored in (None, held) else DRAFTED
    count = held[0] * held[1] if stored is None else stored[0] * stored[1]
    needed = max(held[0] * held[1], -(-count // times))
    if needed > most:
        megapixels = f"it has {count / 1e6:.0f} megapixels, the limit is {most * count / needed / 1e6:.0f}"
        lifted = f", or set {MEGAPIXELS}={-(-needed // 10**6)} and index with --retry" if limit is None else ""
        raise ImageError(name, "too many pixels", f"{megapixels}; scale it down{lifted}")
