"""The one door through which a picture enters: any file becomes upright RGB, or an `ImageError` that says why not."""

from __future__ import annotations

import os
import re
import stat
import struct
import warnings
import zlib
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from transhash.errors import ImageError

if TYPE_CHECKING:
    from PIL import Image, ImageFile

Source: TypeAlias = "str | os.PathLike[str] | bytes | Image.Image | NDArray[np.uint8]"

DEFAULT_MAX_PIXELS = 178_956_970  # 4 bytes each make 683 MB; Pillow's own limit as well
DEFAULT_MAX_BYTES = 512 << 20
MAX_SIDE = 65_535  # the largest that JPEG can hold
MAX_ELONGATION = 200  # longer side over shorter; a strip's square middle shows nothing of it

# HEIC is among them so that it is named rather than passed over in silence
IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".gif", ".bmp", ".dib", ".webp", ".tif", ".tiff", ".ppm"}
    | {".pgm", ".pbm", ".pnm", ".tga", ".ico", ".jp2", ".avif", ".heic", ".heif"}
)

_SUFFIXES = {"JPEG": ".jpg", "MPO": ".jpg", "TIFF": ".tif", "PPM": ".ppm", "JPEG2000": ".jp2", "HEIF": ".heic"}

# Pillow's readers that a file may reach: the others read oddities, or start programs (EPS runs Ghostscript). HEIF is
# that of the extra `heif`; TGA comes last because it has no signature.
_READERS = ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "DIB", "PPM", "JPEG2000", "AVIF", "HEIF", "ICO", "TGA")
_HEIC = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")  # brands, in its header

_UNLIKE = (SyntaxError, IndexError, TypeError, struct.error)  # how they say that a file is not for them
_DAMAGE = (OSError, ValueError, LookupError, AttributeError, ArithmeticError, RuntimeError, AssertionError, EOFError)
_READER_ERRORS = (*_UNLIKE, *_DAMAGE, zlib.error)  # what they raise on damaged files

_STRIP = 64  # rows

_PILLOWS_WARNINGS = ("ignore", None, Warning, re.compile(r"PIL\."), 0)


# Reasons that may be gone the next time, though the file stays as it is: they say nothing of its content.
PASSING_REASONS = frozenset(
    {"no such file", "no permission to read it", "cannot be read", "not a regular file", "a folder, not a picture"}
    | {"not enough memory to decode it"}
)


@dataclass(frozen=True)
class Picture:
    """A picture as the network sees it, its size as stored, and when it was taken."""

    pixels: NDArray[np.uint8]  # (size, size, 3)
    width: int  # upright, pixels
    height: int
    is_first: bool = False  # of several frames or pages
    taken: datetime | None = None  # by the camera's clock, without a time zone


def load_picture(
    source: Source,
    size: int,
    *,
    crop: float = 1.0,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> Picture:
    """The centred square of a picture, resized to `size` pixels a side (bicubic, antialiased).

    `source`: a path, the bytes of a file, a Pillow image, or uint8 (H, W, 3) or (H, W). `crop`: side of the square as
    a share of the picture's shorter side. Raises `ImageError` for whatever cannot be used.
    """
    from PIL.Image import Resampling

    if size < 1 or not 0 < crop <= 1:
        raise ValueError(f"size {size} and crop {crop}: give a size of at least 1 and a crop above 0 and up to 1")
    with _Guard(source) as name:
        decoded = _decode(source, name, round(2 * size / crop), max_pixels, max_bytes)
        image, orientation, (width, height), is_first, taken = decoded
        side = crop * min(image.size)
        if side != size or image.size != (size, size):
            left, top = (image.width - side) / 2, (image.height - side) / 2
            box = (left, top, left + side, top + side)
            image = image.resize((size, size), Resampling.BICUBIC, box=box, reducing_gap=3.0)
        return Picture(np.array(_turned(image, orientation)), width, height, is_first, taken)


def load_square(
    source: Source,
    size: int,
    *,
    crop: float = 1.0,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> NDArray[np.uint8]:
    """The pixels of `load_picture`: uint8 (size, size, 3)."""
    return load_picture(source, size, crop=crop, max_pixels=max_pixels, max_bytes=max_bytes).pixels


def open_image(
    source: Source,
    *,
    min_side: int | None = None,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> Image.Image:
    """A picture in RGB and upright (EXIF orientation applied); the first frame of an animation or of several pages.

    Transparency is laid on white, metadata is left behind. With `min_side`, a JPEG may come smaller (never with a side
    under `min_side`), which large ones decode to many times faster. Raises `ImageError` for whatever cannot be used.
    """
    with _Guard(source) as name:
        image, orientation, *_ = _decode(source, name, min_side, max_pixels, max_bytes)
        image = image.copy() if orientation == 1 else _turned(image, orientation)
        image.info = {}  # a second reader would apply the orientation again
        return image


def read_file(path: str | os.PathLike[str], *, max_bytes: int = DEFAULT_MAX_BYTES) -> bytes:
    """The content of a picture's file; raises `ImageError` for what is no file, cannot be read or is too large."""
    return _read(path, str(path), max_bytes)


def suffix_of(content: bytes) -> str:
    """What the name of a file with this content ends in, such as ".jpg"; raises `ImageError` for no picture."""
    with _Guard(content) as name:
        form = _identify(content, name, DEFAULT_MAX_BYTES).format or ""
        return _SUFFIXES.get(form, f".{form.lower()}")


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
        elif isinstance(error, _READER_ERRORS):
            said = str(error) or type(error).__name__
            cut = "truncated" in said.lower() or "unexpected end" in said.lower()
            reason, remedy = "truncated file" if cut else "broken file", f"restore it from a copy ({said})"
        else:
            return
        raise ImageError(self._name, reason, remedy) from None


def _decode(
    source: Source, name: str, min_side: int | None, max_pixels: int, max_bytes: int
) -> tuple[Image.Image, int, tuple[int, int], bool, datetime | None]:
    """RGB as stored (or the user's own image), EXIF orientation, upright size, whether more follow, and the date."""
    from PIL import Image

    is_first = False

    if isinstance(source, np.ndarray):
        if source.dtype != np.uint8 or not source.size or (source.ndim != 2 and source.shape[2:] != (3,)):
            raise ImageError(name, "not a picture array", "give uint8 of shape (H, W, 3) or (H, W)")
        image = Image.fromarray(np.ascontiguousarray(source))
    elif isinstance(source, Image.Image):
        image = source
    elif isinstance(source, bytes | str | os.PathLike):
        data = source if isinstance(source, bytes) else _read(source, name, max_bytes)
        image = _identify(data, name, max_bytes)
        is_first = _has_more(image, data)
    else:
        raise ImageError(name, "neither a file nor pixels", "give a path, bytes, a Pillow image or a uint8 array")
    size = image.size
    _check_size(size, name, max_pixels)
    drafted = image.draft(None, (min_side, min_side)) if min_side and image is not source else None
    taken = _taken(image) if image.format == "TIFF" else None  # whose file is closed with the last pixel
    image.load()  # before the metadata: PNG may carry it after the pixels
    if not drafted:  # some formats tell their size only here
        size = image.size
        _check_size(size, name, max_pixels)
    orientation = _orientation(image)
    upright = size if orientation < 5 else (size[1], size[0])
    return _to_rgb(image), orientation, upright, is_first, taken or _taken(image)


def _read(path: str | os.PathLike[str], name: str, max_bytes: int) -> bytes:
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            raise ImageError(name, "a folder, not a picture", "give the path of a picture")
        if not stat.S_ISREG(status.st_mode):
            raise ImageError(name, "not a regular file", "give the path of a picture")
        _check_bytes(status.st_size, name, max_bytes)
        with open(path, "rb", buffering=0) as file:
            return file.read()
    except FileNotFoundError:
        raise ImageError(name, "no such file", "check the path") from None
    except PermissionError:
        raise ImageError(name, "no permission to read it", "change its permissions or run as its owner") from None
    except (OSError, ValueError) as error:
        raise ImageError(name, "cannot be read", f"check the disk or the path ({error})") from None


def _check_bytes(count: int, name: str, max_bytes: int) -> None:
    if not count:
        raise ImageError(name, "empty file", "delete it or restore it from a copy")
    if count > max_bytes:
        raise ImageError(name, "file too large", f"it has {count:,} bytes, the limit is {max_bytes:,}")


def _check_size(size: tuple[int, int], name: str, max_pixels: int) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise ImageError(name, "no pixels", "restore it from a copy")
    if width * height > max_pixels:
        megapixels = f"it has {width * height / 1e6:.0f} megapixels, the limit is {max_pixels / 1e6:.0f}"
        raise ImageError(name, "too many pixels", f"{megapixels}; scale it down")
    if max(size) > MAX_SIDE or max(size) > MAX_ELONGATION * min(size):
        raise ImageError(name, "too long and thin", f"it has {width}×{height} pixels; cut it into parts")


def _identify(data: bytes, name: str, max_bytes: int) -> ImageFile.ImageFile:
    """The picture in a file's bytes, its header read and its pixels not.

    In place of `Image.open`, which knows no limit but the one that Pillow keeps for the whole process.
    """
    from PIL import Image

    _check_bytes(len(data), name, max_bytes)
    claimed = len(data) < 32
    Image.preinit()
    brands = data[8:64] if data[4:8] == b"ftyp" else b""
    is_heic = brands[:4] in _HEIC and b"avif" not in brands
    if is_heic and "HEIF" not in Image.OPEN:
        with suppress(ImportError):
            from pillow_heif import register_heif_opener

            register_heif_opener()
    for reader in _READERS:
        if reader not in Image.OPEN:
            Image.init()
        factory, accepts = Image.OPEN.get(reader, (None, None))
        if factory and (accepts is None or accepts(data[:16]) is True):
            with suppress(*_UNLIKE):
                return factory(BytesIO(data), "")
            claimed |= accepts is not None
    if is_heic and "HEIF" not in Image.OPEN:
        remedy = "run `pip install 'transhash[heif]'` and index with --retry, or convert it to JPEG"
        raise ImageError(name, "HEIC needs pillow-heif", remedy)
    if b"avif" in brands and "AVIF" not in Image.OPEN:
        raise ImageError(name, "AVIF needs Pillow 11.3", "run `pip install -U pillow`, or convert it to JPEG")
    if claimed:
        raise ImageError(name, "broken file", "it begins like a picture but has no whole header; restore it")
    raise ImageError(name, "not a picture", "its content is in no format that can be read; remove or convert it")


def _has_more(image: ImageFile.ImageFile, data: bytes) -> bool:
    """Whether an animation or a document of several pages begins with this picture; as far as its header tells."""
    if image.format == "GIF":  # tells only by going on to the next, which it does on a copy of its own
        with suppress(*_READER_ERRORS):
            return bool(cast(Any, type(image)(BytesIO(data), "")).is_animated)
        return False
    return image.format in ("PNG", "WEBP", "TIFF", "AVIF", "HEIF") and bool(getattr(image, "is_animated", False))


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 to 8; 1 (upright) when there is none or the metadata is broken."""
    try:
        value = image.getexif().get(0x0112, 1)
    except _READER_ERRORS:
        return 1
    return int(value) if value in range(1, 9) else 1  # some write it as a fraction


def _taken(image: Image.Image) -> datetime | None:
    """EXIF DateTimeOriginal; None when there is none, or it is no date."""
    try:
        text = image.getexif().get_ifd(0x8769).get(0x9003)
        text = text.decode("ascii") if isinstance(text, bytes) else text
        return datetime.strptime(text.strip("\0 ")[:19], "%Y:%m:%d %H:%M:%S") if isinstance(text, str) else None
    except _READER_ERRORS:
        return None


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    """Upright, from the EXIF orientation 1 to 8."""
    from PIL.Image import Transpose

    t = Transpose
    turns = (t.FLIP_LEFT_RIGHT, t.ROTATE_180, t.FLIP_TOP_BOTTOM, t.TRANSPOSE, t.ROTATE_270, t.TRANSVERSE, t.ROTATE_90)
    return image if orientation == 1 else image.transpose(turns[orientation - 2])


def _to_rgb(image: Image.Image) -> Image.Image:
    from PIL import Image

    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return Image.fromarray(_grey(image)).convert("RGB")
    if image.mode == "La":
        image = image.convert("LA")
    if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "RGBa"):
        return _on_white(image)
    return image if image.mode == "RGB" else image.convert("RGB")


def _on_white(image: Image.Image) -> Image.Image:
    """Transparency laid on white; in strips, which spares three more copies of a large picture."""
    from PIL import Image

    done = Image.new("RGB", image.size)
    for top in range(0, image.height, _STRIP):
        strip = image.crop((0, top, image.width, min(top + _STRIP, image.height)))
        strip.info = {k: v for k, v in image.info.items() if k == "transparency"}
        strip = strip.convert("RGBA")
        done.paste(Image.alpha_composite(Image.new("RGBA", strip.size, "white"), strip).convert("RGB"), (0, top))
    return done


def _grey(image: Image.Image) -> NDArray[np.uint8]:
    """Pixels of more than 8 bits brought to 8.

    16-bit ones lose their lower byte. In wider ones white is the first of 1, 255 and 65,535 that none exceeds; when
    there is none, or some are negative, the range found is stretched.
    """
    values: NDArray[Any] = np.asarray(image)
    if image.mode.startswith("I;16"):
        grey = (values >> 8).astype(np.uint8)
    else:
        values = np.clip(np.nan_to_num(values.astype(np.float32), posinf=0, neginf=0), -1e38, 1e38)
        low, high = float(values.min()), float(values.max())
        if low >= 0 and high <= 65535:
            low, high = 0.0, next(white for white in (1.0, 255.0, 65535.0) if high <= white)
        span = (high - low) or 1.0
        grey = np.rint(np.clip(values / span - low / span, 0, 1) * 255).astype(np.uint8)
    if isinstance(clear := image.info.get("transparency"), int):
        grey[values == clear] = 255
    return grey


def _name(source: Source) -> str:
    if isinstance(source, str | os.PathLike):
        return str(source)
    if isinstance(source, bytes):
        return f"<{len(source):,} bytes>"
    if isinstance(source, np.ndarray):
        return f"<array of {source.dtype}, shape {source.shape}>"
    return str(getattr(source, "filename", "") or f"<{type(source).__name__}>")
