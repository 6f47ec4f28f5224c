"""From groups of duplicates to a plan of what to keep and what to remove."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from transhash.images.faults import READER_ERRORS
from transhash.images.kinds import RAW_SUFFIXES
from transhash.library.duplicates.plan import Action, Plan
from transhash.library.results import Copy, DuplicatesReport

# files that belong to a picture of the same name; the RAW file of a JPEG is no picture of the library, and stays
BESIDE = frozenset({".xmp", ".aae", ".thm", ".json", ".mov", ".mp4"}) | RAW_SUFFIXES
_PLACE = 0x8825  # EXIF: the directory of the place
_DATES = (0x8769, 0x9003)  # EXIF: the directory of the exposure, and in it its date


def plan_of(
    report: DuplicatesReport, digests: Mapping[int, str], folders: Sequence[str] | None, reference: Sequence[str]
) -> Plan:
    """A plan that keeps one picture of each group and removes the others, nothing outside `folders`.

    `digests`: of the contents, hex, by id. Without `folders` those of the pictures that are removed.
    """
    actions: list[Action] = []
    for number, group in enumerate(report.groups, 1):
        kept = group.keep
        if kept.id not in digests:
            continue
        keeping = _action(number, kept, kept, digests, why=f"kept: {group.why}" if group.why else "kept")
        removing = [
            _action(number, copy, kept, digests, why=copy.why or "equal bytes")
            for copy in group.same
            if copy.id in digests
        ]
        if removing:
            actions += [keeping, *removing]
    if folders is None:
        folders = sorted({os.path.dirname(action.path) for action in actions if action.action == "remove"})
    return Plan(tuple(folders), tuple(reference), tuple(actions))


def _action(number: int, copy: Copy, kept: Copy, digests: Mapping[int, str], *, why: str) -> Action:
    is_kept = copy is kept
    return Action(
        action="keep" if is_kept else "remove",
        group=number,
        path=str(copy.path),
        size=copy.bytes,
        digest=digests[copy.id],
        kind=copy.kind,
        why=why,
        keep=str(kept.path),
        keep_size=kept.bytes,
        keep_digest=digests[kept.id],
        frees=0 if is_kept else copy.bytes,
        only_here=() if is_kept else only_here(copy.path, kept.path),
    )


def only_here(path: Path, kept: Path) -> tuple[str, ...]:
    """What belongs to one picture and the kept one has not: its date, its place, files beside it."""
    here, there = _metadata(path), _metadata(kept)
    found = [name for name in ("the camera's date", "the place") if name in here and name not in there]
    beside, others = _beside(path), _beside(kept)
    endings = {name.lower().rpartition(".")[2] for name in others}
    return (*found, *(name for name in beside if name.lower().rpartition(".")[2] not in endings))


def _metadata(path: Path) -> set[str]:
    from PIL import Image

    found = set()
    try:
        with Image.open(path) as image:
            exif = image.getexif()
            if exif.get_ifd(_DATES[0]).get(_DATES[1]):
                found.add("the camera's date")
            if exif.get_ifd(_PLACE):
                found.add("the place")
    except (*READER_ERRORS, OSError, Warning, Image.DecompressionBombError):
        pass
    return found


def _beside(path: Path) -> list[str]:
    """The names of files that belong to a picture: IMG_1.xmp and IMG_1.jpg.xmp to IMG_1.jpg."""
    stems = {path.stem.lower(), path.name.lower()}
    try:
        with os.scandir(path.parent) as entries:
            names = [entry.name for entry in entries]
    except OSError:
        return []
    parts = [(name, *os.path.splitext(name.lower())) for name in names]
    return sorted(name for name, stem, ending in parts if ending in BESIDE and stem in stems and name != path.name)
