"""The one door through which a picture enters: any file becomes upright RGB, or an `ImageError` that says why not."""

from __future__ import annotations

import os
import re
import stat
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from io import BytesIO
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from transhash.errors import ImageError
from transhash.images.faults import READER_ERRORS
from transhash.images.formats import SUFFIXES, opened, reader
from transhash.images.limits import check_bytes, check_count, check_shape
from transhash.images.metadata import exif_of, orientation, taken
from transhash.images.pixels import to_rgb, turned
from transhash.images.png import SIGNATURE
from transhash.images.profiles import in_srgb

if TYPE_CHECKING:
    from PIL import Image
    from PIL.Image import Exif

Source: TypeAlias = "str | os.PathLike[str] | bytes | Image.Image | NDArray[np.uint8]"


_PILLOWS_WARNINGS = ("ignore", None, Warning, re.compile(r"PIL\."), 0)


class Decoded(NamedTuple):
    """A picture as the network sees it, its size as stored, and when it was taken."""

    pixels: NDArray[np.uint8]  # (size, size, 3)
    width: int  # upright, pixels
    height: int
    is_first: bool = False  # of several frames or pages
    taken: datetime | None = None  # by the camera's clock, without a time zone


class Opened(NamedTuple):
    """A picture in RGB and upright, and what its file says of it."""

    image: Image.Image  # perhaps smaller than what is stored
    width: int  # upright, as stored, pixels
    height: int
    format: str  # Pillow's name for it, such as "JPEG"; empty for pixels that came as such
    is_first: bool  # of several frames or pages
    is_clear: bool  # some of it is transparent
    taken: datetime | None  # by the camera's clock, without a time zone
    profile: bytes = b""  # the ICC profile of its colours; empty for sRGB, and where nothing is said
    bits: int = 8  # of a number, as stored
    is_lossless: bool = False  # stored without a loss, and without a palette
    is_plain: bool = True  # 8 bits of grey, or of red, green and blue, tell all of it but transparency


def load_picture(
    source: Source,
    size: int,
    *,
    crop: float = 1.0,
    max_pixels: int | None = None,
) -> Decoded:
    """The centred square of a picture, resized to `size` pixels a side (bicubic, antialiased).

    `source`: a path, the bytes of a file, a Pillow image, or uint8 (H, W, 3) or (H, W). `crop`: side of the square as
    a share of the picture's shorter side. Raises `ImageError` for whatever cannot be used, which includes pictures of
    more than `max_pixels` (None: the usual limit, see `limits`).
    """
    from PIL.Image import Resampling

    if size < 1 or not 0 < crop <= 1:
        raise ValueError(f"size {size} and crop {crop}: give a size of at least 1 and a crop above 0 and up to 1")
    with _Guard(source) as name:
        found, turn = _decode(source, name, round(2 * size / crop), max_pixels)
        image = found.image
        side = crop * min(image.size)
        if side != size or image.size != (size, size):
            left, top = (image.width - side) / 2, (image.height - side) / 2
            box = (left, top, left + side, top + side)
            image = image.resize((size, size), Resampling.BICUBIC, box=box, reducing_gap=3.0)
        return Decoded(np.array(turned(image, turn)), found.width, found.height, found.is_first, found.taken)


def load_square(
    source: Source,
    size: int,
    *,
    crop: float = 1.0,
    max_pixels: int | None = None,
) -> NDArray[np.uint8]:
    """The pixels of `load_picture`: uint8 (size, size, 3)."""
    return load_picture(source, size, crop=crop, max_pixels=max_pixels).pixels


def open_image(
    source: Source,
    *,
    min_side: int | None = None,
    max_pixels: int | None = None,
) -> Image.Image:
    """The image of `open_picture`."""
    return open_picture(source, min_side=min_side, max_pixels=max_pixels).image


def open_shown(source: Source, *, min_side: int | None = None, max_pixels: int | None = None) -> Image.Image:
    """The image of `open_picture` as people shall see it: in sRGB, whatever profile the file has."""
    opened = open_picture(source, min_side=min_side, max_pixels=max_pixels)
    return in_srgb(opened.image, opened.profile)


def open_picture(
    source: Source,
    *,
    min_side: int | None = None,
    max_pixels: int | None = None,
) -> Opened:
    """A picture in RGB and upright (EXIF orientation applied); the first frame of an animation or of several pages.

    Transparency is laid on white (white shapes on black), metadata is left behind. With `min_side`, a JPEG may come
    smaller (never with a side under `min_side`), which large ones decode to many times faster. Raises `ImageError` for
    whatever cannot be used.
    """
    with _Guard(source) as name:
        found, turn = _decode(source, name, min_side, max_pixels)
        image = found.image.copy() if turn == 1 else turned(found.image, turn)
        image.info = {}  # a second reader would apply the orientation again
        return found._replace(image=image)


@contextmanager
def described(path: str | os.PathLike[str]) -> Iterator[tuple[str, Exif]]:
    """Pillow's name for the format of a picture's file, such as "JPEG", and its EXIF data, which may be used inside.

    The pixels are left alone, unless the data may lie behind them. Raises `ImageError` for whatever cannot be used.
    """
    with _Guard(path) as name, _opened_file(path, name, buffering=-1) as file:
        is_png = file.read(len(SIGNATURE)) == SIGNATURE  # whose comments may be broken, and its pixels come first
        file.seek(0)
        image = None if is_png else opened(file)[0]
        if image:
            yield image.format or "", exif_of(image)
            return
        found = reader(_read(path, name), name)
        if is_png:
            check_count(found.size, name, None)
        yield found.format, found.exif()


def read_file(path: str | os.PathLike[str]) -> bytes:
    """The content of a picture's file; raises `ImageError` for what is no file, cannot be read or is too large."""
    return _read(path, str(path))


def file_of(source: Source, *, max_pixels: int | None = None, compress_level: int = 6) -> bytes:
    """A picture as the bytes of a file, which are not looked at yet; pixels become PNG. Raises `ImageError`."""
    if isinstance(source, bytes):
        return source
    if isinstance(source, str | os.PathLike):
        return read_file(source)
    file = BytesIO()
    open_image(source, max_pixels=max_pixels).save(file, "PNG", compress_level=compress_level)
    return file.getvalue()


def suffix_of(content: bytes) -> str:
    """What the name of a file with this content ends in, such as ".jpg"; raises `ImageError` for no picture."""
    with _Guard(content) as name:
        check_bytes(len(content), name)
        form = reader(content, name).format
        return SUFFIXES.get(form, f".{form.lower()}")


class _Guard:
    """What goes wrong inside becomes an `ImageError`, and Pillow's warnings stay inside."""

    def __init__(self, source: Source) -> None:
        self._name = _name(source)

    def __enter__(self) -> str:
        # Not `warnings.catch_warnings`: of several threads the last to leave would restore another one's silence for
        # good. An entry of our own, taken out again, leaves everybody else's filters as they are.
        self._filters = cast("list[Any]", warnings.filters)
        self._filters.insert(0, _PILLOWS_WARNINGS)
        return self._name

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        from PIL.Image import DecompressionBombError

        with suppress(ValueError):  # the user has cleared the filters meanwhile
            self._filters.remove(_PILLOWS_WARNINGS)
        if isinstance(error, MemoryError):
            reason, remedy = "not enough memory to decode it", "scale it down or free memory"
        elif isinstance(error, DecompressionBombError):
            reason, remedy = "too many pixels", "Pillow refuses so many in this format; scale it down"
        elif isinstance(error, READER_ERRORS):
            said = str(error) or type(error).__name__
            cut = "truncated" in said.lower() or "unexpected end" in said.lower()
            reason, remedy = "truncated file" if cut else "broken file", f"restore it from a copy ({said})"
        else:
            return
        raise ImageError(self._name, reason, remedy) from None


def _decode(source: Source, name: str, min_side: int | None, max_pixels: int | None) -> tuple[Opened, int]:
    """A picture as stored (its image may be the user's own), though in RGB, and the EXIF orientation to turn it by."""
    from PIL import Image

    if isinstance(source, np.ndarray):
        if source.dtype != np.uint8 or not source.size or (source.ndim != 2 and source.shape[2:] != (3,)):
            raise ImageError(name, "not a picture array", "give uint8 of shape (H, W, 3) or (H, W)")
        source = Image.fromarray(np.ascontiguousarray(source))
    if isinstance(source, Image.Image):
        check_shape(source.size, name)
        check_count(source.size, name, max_pixels)
        source.load()
        return _found(
            Opened(source, *source.size, source.format or "", False, False, None), source.getexif(), source.info
        )
    if not isinstance(source, bytes | str | os.PathLike):
        raise ImageError(name, "neither a file nor pixels", "give a path, bytes, a Pillow image or a uint8 array")
    data = source if isinstance(source, bytes) else _read(source, name)
    check_bytes(len(data), name)
    file = reader(data, name)
    size, is_first = file.size, file.has_more()
    check_shape(size, name)
    held = file.draft(min_side or max(size))
    check_count(held, name, max_pixels, size)
    image = file.pixels()
    if file.size != size:  # some formats tell it only here
        check_shape(file.size, name)
        check_count(file.size, name, max_pixels)
    found = Opened(
        image, *file.size, file.format, is_first, False, None,
        bits=file.bits, is_lossless=file.is_lossless, is_plain=file.is_plain,
    )  # fmt: skip
    return _found(found, file.exif(), file.info)


def _found(opened: Opened, exif: Exif, info: Mapping[Any, Any]) -> tuple[Opened, int]:
    """A picture of any mode and with its size as stored, made RGB, with its metadata; and the EXIF orientation."""
    turn = orientation(exif)
    width, height = (opened.width, opened.height) if turn < 5 else (opened.height, opened.width)
    kept = info.get("icc_profile") if opened.image.mode in ("RGB", "RGBA") else None
    profile = kept if isinstance(kept, bytes) else b""
    image, is_clear = to_rgb(opened.image)
    date = taken(exif, info)
    known = opened._replace(width=width, height=height, is_clear=is_clear, taken=date, profile=profile)
    return known._replace(image=image), turn


def _read(path: str | os.PathLike[str], name: str) -> bytes:
    with _errors_of_disks(name), _opened_file(path, name) as file:
        return file.read()


def _opened_file(path: str | os.PathLike[str], name: str, buffering: int = 0) -> IO[bytes]:
    """A file that is open to be read; raises `ImageError` for what is none: a pipe would wait for its other end."""
    with _errors_of_disks(name):
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            raise ImageError(name, "a folder, not a picture", "give the path of a picture")
        if not stat.S_ISREG(status.st_mode):
            raise ImageError(name, "not a regular file", "give the path of a picture")
        check_bytes(status.st_size, name)
        return open(path, "rb", buffering)


@contextmanager
def _errors_of_disks(name: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise ImageError(name, "no such file", "check the path") from None
    except PermissionError:
        raise ImageError(name, "no permission to read it", "change its permissions or run as its owner") from None
    except (OSError, ValueError) as error:
        raise ImageError(name, "cannot be read", f"check the disk or the path ({error})") from error


def _name(source: Source) -> str:
    if isinstance(source, str | os.PathLike):
        return str(source)
    if isinstance(source, bytes):
        return f"<{len(source):,} bytes>"
    if isinstance(source, np.ndarray):
        return f"<array of {source.dtype}, shape {source.shape}>"
    return str(getattr(source, "filename", "") or f"<{type(source).__name__}>")
