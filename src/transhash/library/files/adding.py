"""Taking pictures into a library that have no place of their own yet, and forgetting pictures.

They are put away beside the library as `added/ab/abcdef….jpg`: the name is the digest of the content, so that the same
content is the same file, and a file with such a name is known as ours to delete.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from transhash.errors import ImageError, LibraryError
from transhash.images import Source, file_of, suffix_of
from transhash.library.catalogue.catalogue import Catalogue
from transhash.library.catalogue.records import ADDED, Coded, File, Indexed
from transhash.library.digests import content_hash, file_digest
from transhash.library.files.indexing import coded, origin_of
from transhash.library.files.paths import Places, modified
from transhash.library.fitting import begin, fit_if_due
from transhash.library.searching import LocalSearch
from transhash.library.vectors import pictured
from transhash.model.encoder import stream
from transhash.system import make_folders, replacing

_OURS = re.compile(rb"[0-9a-f]{32}\.[a-z0-9]{1,5}")


def add(
    catalogue: Catalogue, places: Places, searching: LocalSearch, pictures: list[Source], max_pixels: int | None
) -> list[int]:
    """The ids of pictures, in order, put away and indexed if they were not yet; codes are fitted when that is due."""
    begin(catalogue, searching)
    model = pictured(searching.model, searching.path)
    contents = [file_of(picture, max_pixels=max_pixels) for picture in pictures]
    digests = [content_hash(content).digest() for content in contents]
    new = {digest: content for digest, content in zip(digests, contents, strict=True)}
    names = dict(zip(digests, pictures, strict=True))
    found: dict[bytes, Coded] = {}
    origin = origin_of(model)
    for batch in stream(model, new.items(), source=lambda item: item[1], max_pixels=max_pixels):
        for encoded in batch:
            if encoded.error:
                path = names[encoded.item[0]]
                where = os.fspath(path) if isinstance(path, str | os.PathLike) else encoded.error.path
                raise ImageError(where, encoded.error.reason, encoded.error.remedy)
            found[encoded.item[0]] = coded(encoded, origin)
    ids = put(catalogue, places, [Prepared(new[each], suffix_of(new[each]), found[each]) for each in digests])
    fit_if_due(catalogue, searching)
    return ids


class Prepared(NamedTuple):
    """A picture that is ready to be put away: decoded and encoded."""

    content: bytes  # of its file
    suffix: str  # of the name of its file
    coded: Coded


def put(catalogue: Catalogue, places: Places, pictures: list[Prepared]) -> list[int]:
    """The ids of pictures, in order, put away if they were not yet."""
    digests = [content_hash(each.content).digest() for each in pictures]
    new = dict(zip(digests, pictures, strict=True))
    written: list[tuple[bytes, bytes]] = []
    try:
        files = {digest: _put_away(places, digest, each, written) for digest, each in new.items()}
        with catalogue.writing():
            ids = {digest: catalogue.pictures.at(file.folder, file.name) for digest, file in files.items()}
            known = catalogue.pictures.described(id_ for id_ in ids.values() if id_ is not None)
            current = {each.digest for each in known.values()}  # else the row is of what was there before
            for digest, each in new.items():
                if digest not in current:
                    file = _put_away(places, digest, each, written)  # once more: another process may have removed it
                    catalogue.pictures.put(file, each.coded)
                    ids[digest] = catalogue.pictures.at(file.folder, file.name)
    except LibraryError:  # all of them or none; a full disk has no room for what nobody knows of
        _delete(catalogue, places, written)
        raise
    return [id_ for digest in digests if (id_ := ids[digest]) is not None]


def remove(catalogue: Catalogue, places: Places, ids: Iterable[int]) -> int:
    """Forget pictures, and delete the files that `add` made for them."""
    with catalogue.writing():
        known = catalogue.pictures.described(set(ids))
        for id_ in known:
            catalogue.pictures.forget(id_)
    _delete(catalogue, places, [(each.folder, each.name) for each in known.values() if _is_ours(each)])
    return len(known)


def _is_ours(picture: Indexed) -> bool:
    """Whether `add` made a picture's file."""
    digest = picture.digest.hex().encode()
    in_place = picture.folder == os.path.join(ADDED.encode(), digest[:2])
    return in_place and _OURS.fullmatch(picture.name) is not None and picture.name.startswith(digest)


def _delete(catalogue: Catalogue, places: Places, files: list[tuple[bytes, bytes]]) -> None:
    """Delete files, by folder and name, that no picture has: another process may just have added the same content.

    What cannot be deleted now the next run of `index` will find again.
    """
    with suppress(LibraryError), catalogue.writing():
        for folder, name in files:
            if catalogue.pictures.at(folder, name) is None:
                with suppress(OSError):
                    os.unlink(os.path.join(places.on_disk(folder), name))


def _put_away(places: Places, digest: bytes, picture: Prepared, written: list[tuple[bytes, bytes]]) -> File:
    """The file of a picture; its folder and name are among `written` if it was not there."""
    folder = os.path.join(ADDED, digest[:1].hex())
    name = f"{digest.hex()}{picture.suffix}"
    base = os.fsdecode(places.base)
    path = Path(base, folder, name)
    try:
        make_folders(path.parent)
        if os.path.realpath(path.parent) != os.path.join(base, folder):
            raise LibraryError(path.parent, "leads elsewhere", "remove that link, so that pictures can be put there")
        if not path.is_file():
            with replacing(path) as file:
                file.write(picture.content)
            written.append((os.fsencode(folder), os.fsencode(name)))
        elif file_digest(path) != digest:  # the row of this path is another picture's, or will be
            raise LibraryError(path, "was changed after it was put there", "give it another name, then add again")
        status = path.stat()
    except OSError as error:
        raise LibraryError(path, f"cannot be written ({error.strerror})", "check permissions and the disk") from error
    return File(os.fsencode(folder), os.fsencode(name), status.st_size, modified(status), digest)
