"""Metadata that only the removed one of two files has, as files next to the one that is kept."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from transhash.images.kinds import RAW_SUFFIXES
from transhash.library.digests import content_hash, file_digest
from transhash.library.duplicates.metadata import Folders, Metadata, metadata

_XMP = """\
<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="" xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"
{lines}/>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>
"""


class Addition(NamedTuple):
    """A file to make: a copy of another one, or of some content."""

    path: str
    digest: str
    source: str | None
    content: bytes = b""


def additions(removed: Path, kept: Path) -> list[Addition]:
    """What would keep what only the removed file has: copies of its sidecar files, and its date and place as XMP.

    RAW files are no metadata: they stay where they are. Where the kept file has a sidecar of a kind, that is left as it
    is, and where the removed one has an XMP file, that is taken to say what its picture says.
    """
    folders = Folders()
    names = [name for name in folders.only_here(removed, kept) if _is_plain(removed.parent / name)]
    found = []
    for name in names:
        if Path(name).suffix.lower() not in RAW_SUFFIXES:
            whole = name.lower().startswith(f"{removed.name.lower()}.")
            path = kept.parent / ((kept.name if whole else kept.stem) + Path(name).suffix)
            source = str(removed.parent / name)
            found.append(Addition(str(path), file_digest(source).hex(), source))
    has_xmp = any(name.lower().endswith(".xmp") for name in (*names, *folders.beside(kept)))
    lines = [] if has_xmp else _lines(metadata(removed), metadata(kept))
    if lines:
        content = _XMP.format(lines="\n".join(f"   {line}" for line in lines)).encode()
        found.append(Addition(str(kept.with_suffix(".xmp")), content_hash(content).hexdigest(), None, content))
    return found


def _is_plain(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _lines(here: Metadata, there: Metadata) -> list[str]:
    lines = []
    if here.taken and not there.taken:
        try:
            when = datetime.strptime(here.taken[:19], "%Y:%m:%d %H:%M:%S").isoformat()
        except ValueError:
            pass
        else:
            lines += [f'exif:DateTimeOriginal="{when}"', f'photoshop:DateCreated="{when}"']
    if here.place and not there.is_placed:
        lines += [
            f'exif:GPS{name}="{int(abs(degrees))},{abs(degrees) % 1 * 60:.6f}{letters[degrees < 0]}"'
            for name, degrees, letters in zip(("Latitude", "Longitude"), here.place, ("NS", "EW"), strict=True)
        ]
    return [line for line in lines if re.fullmatch(r'[\w:]+="[\w:.,+-]+"', line)]
