"""Pictures: any file becomes upright RGB, or an `ImageError` that says why not. `opening` is the one door."""

from transhash.images.faults import PASSING_REASONS
from transhash.images.kinds import IMAGE_SUFFIXES, UNREAD_SUFFIXES
from transhash.images.opening import (
    DEFAULT_MAX_BYTES,
    DEFAULT_MAX_PIXELS,
    MAX_SIDE,
    Decoded,
    Opened,
    Source,
    load_picture,
    load_square,
    open_image,
    open_picture,
    read_file,
    suffix_of,
)

__all__ = [
    "DEFAULT_MAX_BYTES",
    "DEFAULT_MAX_PIXELS",
    "IMAGE_SUFFIXES",
    "MAX_SIDE",
    "PASSING_REASONS",
    "UNREAD_SUFFIXES",
    "Decoded",
    "Opened",
    "Source",
    "load_picture",
    "load_square",
    "open_image",
    "open_picture",
    "read_file",
    "suffix_of",
]
