"""Pixels of every mode to upright RGB of 8 bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

_STRIP = 64  # rows


def turned(image: Image.Image, orientation: int) -> Image.Image:
    """Upright, from the EXIF orientation 1 to 8."""
    from PIL.Image import Transpose

    t = Transpose
    turns = (t.FLIP_LEFT_RIGHT, t.ROTATE_180, t.FLIP_TOP_BOTTOM, t.TRANSPOSE, t.ROTATE_270, t.TRANSVERSE, t.ROTATE_90)
    return image if orientation == 1 else image.transpose(turns[orientation - 2])


def to_rgb(image: Image.Image) -> Image.Image:
    """RGB from any mode of Pillow's; transparency is laid on white."""
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
