"""Pictures that are made to harm whoever decodes them."""

from __future__ import annotations

import io

from PIL import Image


def many_scans(side: int = 4000, scans: int = 4000) -> bytes:
    """A JPEG file of less than a megabyte that takes half a minute to decode: its last scan comes again and again."""
    file = io.BytesIO()
    Image.new("L", (side, side), 90).save(file, "JPEG", progressive=True)
    data = file.getvalue()
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * scans + data[-2:]


def many_pixels(side: int = 6000) -> bytes:
    """A PNG file of some kilobytes whose pixels take a hundred megabytes and more."""
    file = io.BytesIO()
    Image.new("RGB", (side, side), (9, 120, 30)).save(file, "PNG")
    return file.getvalue()
