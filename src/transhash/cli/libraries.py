"""Which library a verb uses: the one that is named, the nearest one, or the one used last; and opening it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transhash.cli.output import say, shown
from transhash.errors import LibraryError

if TYPE_CHECKING:
    from transhash.library import Library, Searchable
    from transhash.model import Encoder

ENVIRONMENT = "TRANSHASH_LIBRARY"
MILVUS = ("milvus://", "milvus+tls://")  # how addresses of libraries elsewhere begin
ANYWHERE = ("http://", "https://", *MILVUS)

Address = Any  # a Path, or the address of a library on another machine, a str


def address(text: str) -> Address:
    """Return what a user names as a library: a path, or an address such as http://host:8017."""
    return text if "://" in text else Path(text)


def find_library(
    named: Address | None,
    starts: Iterable[Path] = (),
    fallbacks: Iterable[Path] = (),
    *,
    elsewhere: tuple[str, ...] = (),
    guess: bool = True,
    last: bool = True,
) -> Address | None:
    """Find the library that the user means; None when there is none.

    It is the one named, else the nearest `.transhash` at or above a start, else the one in TRANSHASH_LIBRARY, else the
    nearest at or above a fallback. With `guess` it is then the only one a level below a start, else, with `last`, the
    one used last; both are named on standard error. A verb that writes never takes the one used last: where a drive is
    away, that is another than the user means.

    Raises `LibraryError` for an address, unless `elsewhere` begins it, and when several libraries are a level below.
    """
    starts = list(starts)
    environment = address(os.environ[ENVIRONMENT]) if os.environ.get(ENVIRONMENT) else None
    found = named or _nearest(starts) or environment or _nearest(fallbacks)
    if found is None and guess:
        found = _guessed(starts, last_used() if last else None)
    if isinstance(found, str) and not found.startswith(elsewhere):
        raise LibraryError(found, "this verb needs a library in a folder", "run it on the machine that has the folder")
    return found


def _nearest(starts: Iterable[Path]) -> Path | None:
    from transhash.library import Library
    from transhash.library.opening import FOLDER

    for start in starts:
        start = Path(os.path.realpath(start))
        for folder in (start, *start.parents):
            if Library.exists(folder / FOLDER):
                return folder / FOLDER
    return None


def _guessed(starts: list[Path], last: Path | None) -> Path | None:
    """The only library a level below a start, or the one used last, if there is one to take."""
    below = [path for start in starts for path in _below(start)]
    if len(below) == 1:
        say(f"using {shown(below[0])}, the only library below this folder; --library LIB names another")
        return below[0]
    if below and last not in below:
        names = ", ".join(map(shown, below[:5])) + (", …" if len(below) > 5 else "")
        raise LibraryError("", f"several libraries are below this folder ({names})", "name one with --library LIB")
    if last:
        say(f"using {shown(last)}, the library used last; --library LIB names another")
    return last


def _below(folder: Path) -> list[Path]:
    from transhash.library import Library
    from transhash.library.opening import FOLDER

    try:
        inside = sorted(Path(os.path.realpath(folder)).iterdir())
    except OSError:
        return []
    return [each / FOLDER for each in inside if each.name != FOLDER and Library.exists(each / FOLDER)]


def state_folder() -> Path:
    """Return the folder where the path of the library used last is kept."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    else:
        base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "transhash"


def last_used() -> Path | None:
    """Return the library used last, if it is still there."""
    from transhash.library.library import Library

    try:
        path = Path(os.fsdecode((state_folder() / "last-library").read_bytes()))
        return path if path.is_absolute() and Library.exists(path) else None
    except (OSError, ValueError, RuntimeError):  # none was used, or this user has no home
        return None


def remember(path: Path) -> None:
    """Keep a library's path as the one used last; where nothing can be written, do nothing."""
    from transhash.system import replacing

    written = os.fsencode(os.path.abspath(path))
    with suppress(OSError, ValueError, RuntimeError):
        file = state_folder() / "last-library"
        if not file.exists() or file.read_bytes() != written:
            file.parent.mkdir(parents=True, exist_ok=True)
            with replacing(file) as out:
                out.write(written)


def open_library(place: Address | None, model: str | None = None, bits: int | None = None) -> Library:
    """Open the library in a folder that `find_library` found, and remember it; raises `LibraryError` without one.

    A model that is named is used at the library's code length; raises `LibraryError` when `bits` is another.
    """
    from transhash.library import Library

    place = _required(place)
    opened = Library.open(place)
    if bits not in (None, opened.bits):
        opened.close()
        raise LibraryError(
            place,
            f"holds codes of {opened.bits} bits, which cannot be compared with those of {bits}",
            "leave --bits out, or make a new library",
        )
    if model is not None:
        opened.close()
        opened = Library.open(place, model_at(model, opened.bits))
    remember(opened.path)
    return opened


def open_searchable(place: Address | None, model: str | None = None) -> Searchable:
    """Open the library that `find_library` found, wherever it is, to search it; raises `LibraryError` without one."""
    if place is None or isinstance(place, Path):
        return open_library(place, model)
    from transhash.remote.opening import open_library as open_address

    opened = open_address(place)
    if model is None:
        return opened
    opened.close()
    return open_address(place, model_at(model, opened.bits))


def _required(place: Address | None) -> Address:
    if place is None:
        raise LibraryError(
            Path.cwd(),
            "no library at, above or just below this folder",
            "make one with `transhash index DIR`, or name one with --library LIB",
        )
    return place


def model_at(name: str, bits: int) -> Encoder:
    """Load the model that a user names, at the length of codes that are there already if it has that length."""
    from transhash.model import is_hash_model

    model = named_encoder(name)
    if is_hash_model(model):
        return model.at(bits) if bits != model.bits and bits in model.lengths else model
    return model if bits == model.bits else named_encoder(name, bits)


def named_encoder(name: str | None, bits: int | None = None) -> Encoder:
    """Load the model that a user names: one of ours, or one of the hub."""
    from transhash.model import is_ours, load, load_encoder

    return load(name, bits) if name is None or is_ours(name) else load_encoder(name, bits)
