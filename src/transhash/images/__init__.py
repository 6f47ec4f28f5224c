"""Pictures: any file becomes upright RGB, or an `ImageError` that says why not. `opening` is the one door."""

from transhash.images.faults import PASSING_REASONS
from transhash.images.kinds import IMAGE_SUFFIXES, UNREAD_SUFFIXES
from transhash.images.limits import MAX_SIDE, most_bytes, too_many_bytes
from transhash.images.opening import (
    Decoded,
    Opened,
    Source,
    described,
    file_of,
    load_picture,
    load_square,
    open_image,
    open_picture,
    open_shown,
    read_file,
    suffix_of,
)
from transhash.images.profiles import in_srgb

__all__ = [
    "IMAGE_SUFFIXES",
    "MAX_SIDE",
    "PASSING_REASONS",
    "UNREAD_SUFFIXES",
    "Decoded",
    "Opened",
    "Source",
    "described",
    "file_of",
    "in_srgb",
    "load_picture",
    "load_square",
    "most_bytes",
    "open_image",
    "open_picture",
    "open_shown",
    "read_file",
    "suffix_of",
    "too_many_bytes",
]
