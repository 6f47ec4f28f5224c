"""Where libraries are, and making an empty one."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path

from transhash.errors import LibraryError
from transhash.library.catalogue.catalogue import Catalogue
from transhash.library.catalogue.database import CATALOGUE, Facts, NewLayers
from transhash.model.embedder import Embedder
from transhash.model.encoder import Encoder, is_hash_model
from transhash.system import make_folders

FOLDER = ".transhash"  # what a library is called inside the folder of its pictures
CODES = "codes.hamming"
EMBEDDINGS = "embeddings.rows"  # of a large library


def exists(path: str | os.PathLike[str]) -> bool:
    """Whether there is a library that can be opened: the folder itself, or as `.transhash` inside of it."""
    return any(size(Path(path, inside, CATALOGUE)) for inside in ("", FOLDER))  # an empty one is not made yet


def located(path: str | os.PathLike[str]) -> Path:
    """The folder of a library: `path`, or `.transhash` inside of it; raises `LibraryError` when there is none."""
    given = os.fspath(path)
    if "://" in given:
        raise LibraryError(given, "an address, not a folder", "open it with transhash.open_library")
    path = Path(path).absolute()
    if os.path.exists(path / CATALOGUE):
        return path
    if not exists(path):
        address = "; a server's address begins with http://" if re.fullmatch(r"[\w.-]+:[0-9]+/?", given) else ""
        raise LibraryError(path, "no library here", f"make one with `transhash index`{address}")
    return path / FOLDER


def made(  # noqa: PLR0917
    path: Path, model: str, fingerprint: str, bits: int, model_folder: str, layers: NewLayers | None = None
) -> Catalogue:
    """The catalogue in a folder, with that of a new library if there is none; raises `LibraryError`.

    `layers`: where the fingerprint is that of codes of fitted hash layers, these.
    """
    try:
        make_folders(path)
    except OSError as error:
        raise LibraryError(
            path, f"no library can be made here ({error.strerror})", "name another place with --library LIB"
        ) from error
    folder = os.fsencode(os.path.abspath(model_folder)) if model_folder else b""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Catalogue(path / CATALOGUE, new=Facts(model, fingerprint, bits, folder, now), layers=layers)


def folder_of(model: Encoder) -> str:
    """The folder of a model's files, in which a library finds it again; an encoder of one's own has none, mostly."""
    if isinstance(model, Embedder):
        return str(getattr(model.encoder, "folder", ""))
    return str(model.folder) if is_hash_model(model) else ""


def file_of(path: Path) -> tuple[int, int]:
    """Which file the catalogue of a library is, device and number; raises `LibraryError` when there is none."""
    try:
        status = os.stat(path / CATALOGUE)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise LibraryError(path, f"the library is not there ({reason})", "check that its drive is connected") from error
    return status.st_dev, status.st_ino


def size(path: Path) -> int:
    """Bytes of a file; 0 where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def disk_bytes(path: Path) -> int:
    """Bytes of a library in a folder."""
    return sum(size(path / name) for name in (CATALOGUE, f"{CATALOGUE}-wal", CODES, EMBEDDINGS))
