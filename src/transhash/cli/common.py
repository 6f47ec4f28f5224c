"""What the verbs share: exit codes, errors as sentences, output, and where the library is."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from transhash.errors import LibraryError, TransHashError

if TYPE_CHECKING:
    from transhash.library import Library
    from transhash.model import HashModel

DONE, PARTLY, NOTHING = 0, 1, 2  # exit codes; a verb that is interrupted did a part, one that is misused nothing
ENVIRONMENT = "TRANSHASH_LIBRARY"

Place = Any  # a Path, or the address of a library elsewhere, a str


def place(text: str) -> Place:
    """What a user names as a library."""
    return text if "://" in text else Path(text)


LibraryOption = Annotated[
    Place,
    typer.Option(
        "--library",
        "-l",
        metavar="LIB",
        parser=place,
        help="The library, the folder that contains it, or the address of one elsewhere (milvus://…, http://…).",
    ),
]
ModelOption = Annotated[
    str | None,
    typer.Option("--model", "-m", metavar="MODEL", help="The name of a model (`transhash models`), or its folder."),
]
DatasetOption = Annotated[
    str, typer.Option("--dataset", metavar="NAME", help="Such as cifar10, or folder for your own (docs/protocols.md).")
]
DataOption = Annotated[Path, typer.Option("--data", metavar="PATH", help="Where the data set lies.")]
ProtocolOption = Annotated[
    str | None, typer.Option("--protocol", metavar="P", help="Queries and database; the data set's own by default.")
]
SplitSeedOption = Annotated[int, typer.Option("--split-seed", help="Seed of the protocol's split.")]
BitsOption = Annotated[
    int | None,
    typer.Option("--bits", metavar="N", help="Code length, of a model that has several.", show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]


class Verbs(TyperGroup):
    """Runs a verb; what goes wrong becomes one sentence and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the verb that the command line names."""
        try:
            return super().invoke(ctx)
        except TransHashError as error:
            say(str(error))
            raise typer.Exit(NOTHING) from error
        except KeyboardInterrupt:
            say("interrupted")
            raise typer.Exit(PARTLY) from None
        finally:
            sys.stdout.flush()  # a reader that has gone is noticed here, where it is handled, and not at exit


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Around the imports of an optional part: when it is missing, the error names the command that installs it."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "transhash").partition(".")[0] == "transhash":
            raise
        raise TransHashError(
            f"this needs {error.name}, which is not installed; install it with: pip install 'transhash[{name}]'"
        ) from error


def say(message: str) -> None:
    """Tell the user something that is not the result."""
    print(shown(message), file=sys.stderr, flush=True)


def print_json(value: dict[str, Any]) -> None:
    """Print an object on one line; a name that is not UTF-8 has lone surrogates, as Python has it (`os.fsencode`)."""
    print(json.dumps(value, default=lambda other: other.isoformat() if isinstance(other, date) else os.fspath(other)))


def shown(text: str | os.PathLike[str]) -> str:
    """A path, or a text that begins with one, for people: relative to the current folder if below it, on one line."""
    text = os.fspath(text).removeprefix(os.path.join(os.getcwd(), ""))
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", lambda found: repr(found[0])[1:-1], text)


def find_library(
    named: Place | None, starts: Iterable[Path] = (), fallbacks: Iterable[Path] = (), *, elsewhere: tuple[str, ...] = ()
) -> Place | None:
    """The library that is meant, if there is any; raises `LibraryError` for an address, unless `elsewhere` begins it.

    It is the one named, else the nearest `.transhash` at or above a start, else the one in TRANSHASH_LIBRARY, else the
    nearest at or above a fallback.
    """
    environment = place(os.environ[ENVIRONMENT]) if os.environ.get(ENVIRONMENT) else None
    found = named or _nearest(starts) or environment or _nearest(fallbacks)
    if isinstance(found, str) and not found.startswith(elsewhere):
        raise LibraryError(f"{found}: this needs a library in a folder; run it on the machine that has the folder")
    return found


def _nearest(starts: Iterable[Path]) -> Path | None:
    from transhash.library.library import FOLDER, Library

    for start in starts:
        start = Path(os.path.realpath(start))
        for folder in (start, *start.parents):
            if Library.exists(folder / FOLDER):
                return folder / FOLDER
    return None


def open_library(place: Place | None, model: str | None = None, bits: int | None = None) -> Library:
    """Open the library that `find_library` found, or say how to get one.

    A model that is named is taken at the library's code length; raises `LibraryError` when `bits` is another.
    """
    from transhash.library import Library

    if place is None:
        raise LibraryError(
            f"{Path.cwd()}: no library at or above this folder; make one with `transhash index DIR`, or name one with "
            "--library"
        )
    opened = Library.open(place)
    if bits not in (None, opened.bits):
        opened.close()
        raise LibraryError(
            f"{place}: holds codes of {opened.bits} bits, which cannot be compared with those of {bits}; leave --bits "
            "out, or make a new library"
        )
    if model is None:
        return opened
    opened.close()
    return Library.open(place, model_at(model, opened.bits))


def model_at(name: str, bits: int) -> HashModel:
    """The model that a user names, at the length of codes that are there already if it has codes of that length."""
    from transhash.model import load

    model = load(name)
    return model.at(bits) if bits != model.bits and bits in model.lengths else model
