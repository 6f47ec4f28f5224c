"""Colours for viewers that know sRGB alone: from the colours of a camera's or a telephone's own profile."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image


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
        if opened.profile.xcolor_space.strip() != "RGB" or "srgb" in (opened.profile.profile_description or "").lower():
            return None
        return ImageCms.buildTransform(opened, ImageCms.createProfile("sRGB"), "RGB", "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
