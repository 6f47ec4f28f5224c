"""Reading pictures for comparisons: their sketches, from kept thumbnails where they tell all there is to tell."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from transhash.errors import ImageError
from transhash.images import open_image, read_file
from transhash.images.formats import READER_ERRORS, has_more, identify
from transhash.library.duplicates.sketches import SIDE, SMALL, Sketch, sketch

if TYPE_CHECKING:
    from PIL import Image

    from transhash.library.files.thumbnails import Known, Thumbnails

LARGE = 1024  # pixels of the longer side, where a sketch is too small to tell
FRAMES = 24  # of an animation that are compared
CLEAR = 250  # opacity from which on nothing shines through
LIGHT = 190  # grey of what is opaque, above which it is laid on black
STILL = (".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".heic", ".heif")  # without transparency and animation


class Looked(NamedTuple):
    """A picture as comparisons see it."""

    sketch: Sketch
    frames: npt.NDArray[np.uint8] | None = None  # [F, SMALL, SMALL] of an animation or several pages
    pages: int = 1  # frames of an animation, pages of a document


def look(wanted: Known, thumbnails: Thumbnails | None = None) -> Looked:
    """A picture's sketch, and that of its frames; raises `ImageError`."""
    if thumbnails and os.path.splitext(wanted.path)[1].lower() in STILL:
        return Looked(sketch(open_image(thumbnails.get(wanted).content)))
    return look_at(read_file(wanted.path))


def look_at(content: bytes) -> Looked:
    """The same of a file's content."""
    image, frames, count = _opened(content, SIDE)
    return Looked(sketch(image), frames, count)


def large(path: str | os.PathLike[str]) -> Image.Image:
    """A picture at `LARGE` pixels at most; raises `ImageError`."""
    image, _, _ = _opened(read_file(path), LARGE)
    scale = LARGE / max(image.size)
    return (
        image
        if scale >= 1
        else image.resize((round(image.width * scale), round(image.height * scale)), reducing_gap=3.0)
    )


def same_pixels(one: str | os.PathLike[str], other: str | os.PathLike[str]) -> bool:
    """Whether two files hold the very same pixels, upright, transparency included; raises `ImageError`."""
    first, second = read_file(one), read_file(other)
    a, b = open_image(first), open_image(second)
    if a.size != b.size or not np.array_equal(np.asarray(a), np.asarray(b)):
        return False
    opacities = [_opacity(content) for content in (first, second)]
    return all(each is None for each in opacities) or (
        opacities[0] is not None and opacities[1] is not None and np.array_equal(opacities[0], opacities[1])
    )


def _opened(content: bytes, side: int) -> tuple[Image.Image, npt.NDArray[np.uint8] | None, int]:
    from PIL import Image

    image = open_image(content, min_side=side)
    if content.startswith(b"\xff\xd8\xff"):
        return image, None, 1
    opacity = _opacity(content)
    if opacity is not None:
        grey = np.asarray(image.convert("L"))
        if (
            opacity.shape == grey.shape
            and float((grey * (opacity / 255.0)).sum() / max(opacity.sum() / 255.0, 1)) > LIGHT
        ):
            pixels = np.asarray(image, np.float32) - 255 * (1 - opacity[..., None] / 255.0)  # from white to black
            image = Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))
    frames, count = _frames(content)
    return image, frames, count


def _opacity(content: bytes) -> npt.NDArray[np.uint8] | None:
    """The opacity of a picture that something shines through; None of all others."""
    try:
        image = identify(content, "the picture")
        if image.mode not in {"RGBA", "LA", "PA", "RGBa", "La"} and "transparency" not in image.info:
            return None
        opacity = np.asarray(image.convert("RGBA"))[..., 3]
    except (*READER_ERRORS, ImageError):
        return None
    return opacity if opacity.min() < CLEAR and opacity.max() > 0 else None


def _frames(content: bytes) -> tuple[npt.NDArray[np.uint8] | None, int]:
    """Some frames of an animation, small, and how many it has."""
    from PIL.Image import Resampling

    try:
        image = identify(content, "the picture")
        if not has_more(image, content):
            return None, 1
        image = identify(io.BytesIO(content).getvalue(), "the picture")
        count = int(getattr(image, "n_frames", 1))
        frames = []
        for place in np.unique(np.linspace(0, count - 1, min(count, FRAMES)).astype(int)).tolist():
            image.seek(place)
            frames.append(np.asarray(image.convert("RGBA").convert("L").resize((SMALL, SMALL), Resampling.BOX)))
        return np.stack(frames), count
    except (*READER_ERRORS, ImageError):
        return np.zeros((0, SMALL, SMALL), np.uint8), 0
