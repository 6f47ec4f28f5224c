"""What two pictures can be to each other: apart from what finds it out, which compiles kernels."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from transhash.errors import LibraryError


class Kind(StrEnum):
    """What two pictures are to each other, the nearest first."""

    SAME_FILE = "same-file"  # equal bytes
    SAME_PIXELS = "same-pixels"  # other metadata, container or lossless format
    COPY = "copy"  # saved again, resized, slightly cropped, other light, marked, bordered
    EDIT = "edit"  # mirrored, turned, greyed, strongly cropped, covered in part, put into another picture
    BURST = "burst"  # another exposure of the same scene
    UNSURE = "unsure"  # too little structure to tell
    RAW_JPEG = "raw+jpeg"  # by its name the camera's picture of a RAW file, which is not read


DEFAULT = (Kind.SAME_FILE, Kind.SAME_PIXELS, Kind.COPY)  # of one picture


def kinds_of(texts: Sequence[str]) -> tuple[Kind, ...]:
    """Kinds by their names, or `all`; `+edit` adds `edit` to the default. Raises `LibraryError` for another name."""
    found = list(DEFAULT) if any(text.startswith("+") for text in texts) else []
    for text in texts:
        name = text.removeprefix("+")
        if name == "all":
            return tuple(Kind)
        if name not in [str(kind) for kind in Kind]:
            raise LibraryError(text, "no kind of duplicates", f"there are {', '.join(Kind)}, and all")
        found.append(Kind(name))
    return tuple(found)
