"""The one door through which a picture enters: any file becomes upright RGB, or an `ImageError` that says why not."""

from __future__ import annotations

import os
import stat
import struct
import warnings
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from transhash.errors import ImageError

if TYPE_CHECKING:
    from PIL import Image

Source: TypeAlias = "str | os.PathLike[str] | bytes | Image.Image | NDArray[np.uint8]"

DEFAULT_MAX_PIXELS = 178_956_970  # 4 bytes each make 683 MB, the size at which Pillow warns as well
DEFAULT_MAX_BYTES = 512 << 20
MAX_SIDE = 65_535  # the largest that JPEG can hold
MAX_ELONGATION = 200  # longer side over shorter; a strip's square middle shows nothing of it

# HEIC is among them so that it is named rather than passed over in silence
IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".gif", ".bmp", ".dib", ".webp", ".tif", ".tiff", ".ppm"}
    | {".pgm", ".pbm", ".pnm", ".tga", ".ico", ".jp2", ".avif", ".heic", ".heif"}
)

# what Pillow's decoders raise on damaged files, its own errors aside
_DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    EOFError,
    OverflowError,
    NotImplementedError,
    RuntimeError,
    AssertionError,
    struct.error,
)


@dataclass(frozen=True)
class Picture:
    """A picture as the network sees it, and its size as stored."""

    pixels: NDArray[np.uint8]  # (size, size, 3)
    width: int  # upright, pixels
    height: int


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
    a share of the picture's shorter side. Raises `ImageError`.
    """
    name = _name(source)
    image, original = _open(source, name, round(2 * size / crop), max_pixels, max_bytes)
    side = crop * min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    if side != size or image.size != (size, size):
        box = (left, top, left + side, top + side)
        image = image.resize((size, size), _bicubic(), box=box, reducing_gap=3.0)
    return Picture(np.asarray(image), *original)


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

    Transparency is laid on white. With `min_side`, a JPEG may come smaller (never with a side under `min_side`),
    which large ones decode to many times faster. Raises `ImageError` for whatever cannot be used.
    """
    return _open(source, _name(source), min_side, max_pixels, max_bytes)[0]


def _open(
    source: Source, name: str, min_side: int | None, max_pixels: int, max_bytes: int
) -> tuple[Image.Image, tuple[int, int]]:
    """The upright RGB image, and its upright size as stored."""
    from PIL import Image, UnidentifiedImageError

    if isinstance(source, np.ndarray):
        source = _from_array(source, name)
    if isinstance(source, Image.Image):
        _check_size(source.size, name, max_pixels)
        rgb, _ = _upright_rgb(source, name)
        return rgb, rgb.size
    data = source if isinstance(source, bytes) else _read(Path(source), name, max_bytes)
    if not data:
        raise ImageError(name, "empty file", "delete it or restore it from a copy")
    if len(data) > max_bytes:
        raise ImageError(name, "file too large", f"it has {len(data):,} bytes, the limit is {max_bytes:,}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of sizes that are checked here, and of odd metadata
            with Image.open(BytesIO(data)) as image:
                _check_size(image.size, name, max_pixels)
                stored = image.size
                if min_side:
                    image.draft(None, (min_side, min_side))
                rgb, turned = _upright_rgb(image, name)
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise _unidentified(data, name) from None
    except Image.DecompressionBombError:
        raise ImageError(name, "too many pixels", f"scale it down below {max_pixels / 1e6:.0f} megapixels") from None
    except MemoryError:
        raise ImageError(name, "not enough memory to decode it", "scale it down or free memory") from None
    except _DECODER_ERRORS as error:  # of the header; what the pixels raise is named where they are read
        raise ImageError(name, "broken file", f"restore it from a copy ({error or type(error).__name__})") from None
    return rgb, (stored[1], stored[0]) if turned else stored


def _read(path: Path, name: str, max_bytes: int) -> bytes:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise ImageError(name, "a folder, not a picture", "give the path of a picture")
        if not stat.S_ISREG(status.st_mode):
            raise ImageError(name, "not a regular file", "give the path of a picture")
        if status.st_size > max_bytes:
            raise ImageError(name, "file too large", f"it has {status.st_size:,} bytes, the limit is {max_bytes:,}")
        return path.read_bytes()
    except FileNotFoundError:
        raise ImageError(name, "no such file", "check the path") from None
    except PermissionError:
        raise ImageError(name, "no permission to read it", "change its permissions or run as its owner") from None
    except (OSError, ValueError) as error:
        raise ImageError(name, "cannot be read", f"check the disk or the path ({error})") from None


def _check_size(size: tuple[int, int], name: str, max_pixels: int) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise ImageError(name, "no pixels", "restore it from a copy")
    if width * height > max_pixels:
        megapixels = f"it has {width * height / 1e6:.0f} megapixels, the limit is {max_pixels / 1e6:.0f}"
        raise ImageError(name, "too many pixels", f"{megapixels}; scale it down")
    if max(size) > MAX_SIDE or max(size) > MAX_ELONGATION * min(size):
        raise ImageError(name, "too long and thin", f"it has {width}×{height} pixels; cut it into parts")


def _unidentified(data: bytes, name: str) -> ImageError:
    if data[4:8] == b"ftyp" and data[8:12] in (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"heim", b"heis"):
        return ImageError(name, "HEIC is not supported", "convert it to JPEG")
    if len(data) < 32 or data[:2] in (b"\xff\xd8", b"\x89P", b"GI", b"BM", b"II", b"MM"):
        return ImageError(name, "broken file", "it begins like a picture but has no whole header; restore it")
    return ImageError(name, "not a picture", "its content is in no format that can be read; remove or convert it")


def _upright_rgb(image: Image.Image, name: str) -> tuple[Image.Image, bool]:
    """The image in RGB and upright, and whether that swapped its width and height."""
    from PIL import Image

    turns = (
        None,
        Image.Transpose.FLIP_LEFT_RIGHT,
        Image.Transpose.ROTATE_180,
        Image.Transpose.FLIP_TOP_BOTTOM,
        Image.Transpose.TRANSPOSE,
        Image.Transpose.ROTATE_270,
        Image.Transpose.TRANSVERSE,
        Image.Transpose.ROTATE_90,
    )
    try:
        image.load()  # before the metadata: PNG may carry it after the pixels
        orientation = _orientation(image)
        rgb = _to_rgb(image)
    except _DECODER_ERRORS as error:
        cut = any(words in str(error).lower() for words in ("truncated", "unexpected end"))
        reason = "truncated file" if cut else "broken file"
        raise ImageError(name, reason, f"restore it from a copy ({str(error) or type(error).__name__})") from None
    turn = turns[orientation - 1]
    return (rgb if turn is None else rgb.transpose(turn)), orientation >= 5


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 to 8; 1 (upright) when there is none or the metadata is broken."""
    try:
        value = image.getexif().get(0x0112, 1)
    except _DECODER_ERRORS:
        return 1
    return value if value in range(1, 9) else 1


def _to_rgb(image: Image.Image) -> Image.Image:
    from PIL import Image

    mode = image.mode
    if mode == "RGB" and "transparency" not in image.info:
        return image.copy()
    if mode in ("I", "F") or mode.startswith("I;16"):
        return _from_deep(np.asarray(image))
    if mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return image.convert("RGB")


def _from_deep(values: NDArray[Any]) -> Image.Image:
    """Grey with more than 8 bits: 16-bit integers keep their full scale, all else is stretched to its own range."""
    from PIL import Image

    values = np.nan_to_num(values.astype(np.float32), posinf=0, neginf=0)
    low, high = float(values.min()), float(values.max())
    if low >= 0 and 255 < high <= 65535:
        low, high = 0.0, 65535.0
    elif low >= 0 and 1 < high <= 255:
        low, high = 0.0, 255.0
    grey = (values - low) * (255 / max(high - low, 1e-12))
    return Image.fromarray(np.rint(grey).astype(np.uint8)).convert("RGB")


def _from_array(array: NDArray[Any], name: str) -> Image.Image:
    from PIL import Image

    if array.dtype != np.uint8 or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3)) or not array.size:
        raise ImageError(name, "not a picture array", "give uint8 of shape (H, W, 3) or (H, W)")
    return Image.fromarray(np.ascontiguousarray(array))


def _name(source: Source) -> str:
    if isinstance(source, str | os.PathLike):
        return str(source)
    if isinstance(source, bytes):
        return f"<{len(source):,} bytes>"
    if isinstance(source, np.ndarray):
        return f"<array of {source.dtype}, shape {source.shape}>"
    return str(getattr(source, "filename", "") or "<image>")


def _bicubic() -> Any:
    from PIL import Image

    return Image.Resampling.BICUBIC
