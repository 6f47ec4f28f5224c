"""Colours for viewers that know sRGB alone: from the colours of a camera's or a telephone's own profile."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image, ImageCms


def in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """An RGB picture whose numbers an ICC profile explains, in sRGB's numbers.

    The picture itself when there is no profile, or it is sRGB's, damaged, or not of RGB.
    """
    if not profile:
        return image
    transform = _transform(profile)
    if transform is None:
        return image
    from PIL import ImageCms

    done = ImageCms.applyTransform(image, transform)
    return image if done is None else done


@lru_cache(8)  # of a collection most come from a few cameras
def _transform(profile: bytes) -> Any:
    try:
        from PIL import ImageCms
    except ImportError:  # a Pillow without LittleCMS
        return None
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if opened.profile.xcolor_space.strip() != "RGB":
            return None
        transform = ImageCms.buildTransform(opened, ImageCms.createProfile("sRGB"), "RGB", "RGB")
        is_called_so = "srgb" in (opened.profile.profile_description or "").lower()
        return None if is_called_so and _keeps_grey(transform) else transform
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


def _keeps_grey(transform: ImageCms.ImageCmsTransform) -> bool:
    """Whether a middle grey stays about what it is: linear sRGB is called sRGB, too, and would be shown too dark."""
    from PIL import Image, ImageCms

    seen = ImageCms.applyTransform(Image.new("RGB", (1, 1), (128, 128, 128)), transform)
    return seen is not None and abs(seen.tobytes()[0] - 128) <= 8
