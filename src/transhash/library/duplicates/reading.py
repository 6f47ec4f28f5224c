"""Reading pictures for comparisons: their sketches, from kept thumbnails where they tell all there is to tell."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from transhash.images import in_srgb, open_image, open_picture, open_shown, read_file
from transhash.images.faults import READER_ERRORS
from transhash.images.formats import reader
from transhash.library.duplicates.keep import Stored
from transhash.library.duplicates.sketches import SIDE, SMALL, Sketch, sketch

if TYPE_CHECKING:
    from PIL import Image

    from transhash.library.files.thumbnails import Known, Thumbnails

LARGE = 1024  # pixels of the longer side, where a sketch is too small to tell
FRAMES = 24  # of an animation that are compared
HEIC = (".heic", ".heif")
STILL = (".jpg", ".jpeg", ".jpe", ".jfif", ".jif", *HEIC)  # without transparency and animation


class Looked(NamedTuple):
    """A picture as comparisons see it."""

    sketch: Sketch
    frames: npt.NDArray[np.uint8] | None = None  # [F, SMALL, SMALL] of an animation or several pages
    pages: int = 1  # frames of an animation, pages of a document
    stored: Stored = Stored()


def look(wanted: Known, thumbnails: Thumbnails | None = None) -> Looked:
    """A picture's sketch, and that of its frames; raises `ImageError`."""
    suffix = os.path.splitext(wanted.path)[1].lower()
    if thumbnails and suffix in STILL:  # the file itself is left alone, and its name is believed
        form = "HEIF" if suffix in HEIC else "JPEG"
        return Looked(sketch(open_image(thumbnails.get(wanted).content)), stored=Stored(form))
    content = read_file(wanted.path)
    opened = open_picture(content, min_side=SIDE)
    frames, pages = _frames(content) if opened.is_first else (None, 1)
    form = "JPEG" if opened.format == "MPO" else opened.format
    stored = Stored(form, opened.bits, opened.is_lossless, opened.is_clear)
    return Looked(sketch(in_srgb(opened.image, opened.profile)), frames, pages, stored)


def large(path: str | os.PathLike[str]) -> Image.Image:
    """A picture at `LARGE` pixels at most; raises `ImageError`."""
    image = open_shown(read_file(path), min_side=LARGE)
    scale = LARGE / max(image.size)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image if scale >= 1 else image.resize(size, reducing_gap=3.0)


def same_pixels(one: str | os.PathLike[str], other: str | os.PathLike[str]) -> bool:
    """Whether two files hold the very same pixels, upright, transparency and colours included; raises `ImageError`.

    Where 8 bits of grey, or of red, green and blue, do not tell all of one, the numbers must be the same as stored.
    """
    contents = read_file(one), read_file(other)
    first, second = (open_picture(content) for content in contents)
    if first.image.size != second.image.size or first.is_clear != second.is_clear:
        return False
    if not np.array_equal(np.asarray(first.image), np.asarray(second.image)):
        return False
    if first.profile != second.profile:  # equal numbers may mean other colours
        one_seen, other_seen = (np.asarray(in_srgb(each.image, each.profile)) for each in (first, second))
        if not np.array_equal(one_seen, other_seen):
            return False
    if not (first.is_plain and second.is_plain):
        return first.is_plain == second.is_plain and _same_numbers(*contents)
    return not first.is_clear or np.array_equal(_opacity(contents[0]), _opacity(contents[1]))


def _same_numbers(one: bytes, other: bytes) -> bool:
    """Whether two files store the same numbers, where Pillow tells all of their bits; raises what Pillow does."""
    found = []
    for content in (one, other):
        opened = reader(content, "the picture")
        numbers = opened.numbers()
        found.append(numbers[..., 0] if numbers.ndim == 3 and numbers.shape[2] == 1 else numbers)
        if 8 * numbers.itemsize < opened.bits:
            return False
    first, second = found
    return (first.dtype.kind, first.itemsize) == (second.dtype.kind, second.itemsize) and np.array_equal(first, second)


def _opacity(content: bytes) -> npt.NDArray[np.uint8]:
    return np.asarray(reader(content, "the picture").pixels().convert("RGBA").getchannel("A"))


def _frames(content: bytes) -> tuple[npt.NDArray[np.uint8], int]:
    """Some frames of an animation, small, and how many it has; none of a damaged one."""
    from PIL import Image

    frames = []
    try:
        with Image.open(io.BytesIO(content)) as image:
            count = int(getattr(image, "n_frames", 1))
            for place in np.unique(np.linspace(0, count - 1, min(count, FRAMES)).astype(int)).tolist():
                image.seek(place)
                grey = image.convert("RGBA").convert("L")
                frames.append(np.asarray(grey.resize((SMALL, SMALL), Image.Resampling.BOX)))
        return np.stack(frames), count
    except READER_ERRORS:
        return np.zeros((0, SMALL, SMALL), np.uint8), 0
