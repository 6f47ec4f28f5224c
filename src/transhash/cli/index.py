"""transhash index: bring a library up to date with folders of pictures."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from transhash.cli.libraries import find_library, named_encoder, open_library, remember
from transhash.cli.options import BitsOption, JsonOption, LibraryOption, ModelOption
from transhash.cli.output import DONE, NOTHING, PARTLY, counted, print_json, say, say_skipped, shown
from transhash.cli.report import check_report, write_report
from transhash.cli.terminal import on_terminal, stages
from transhash.errors import LibraryError

if TYPE_CHECKING:
    from transhash.library import IndexReport, Library, Skipped

EXAMPLES = """\
  transhash index photos/
  transhash index photos/ --watch                  # keep it current
  transhash index photos/ --report skipped.csv     # files that cannot be used
  transhash index photos/ --model mine --library mine/library
"""


def index(
    context: typer.Context,
    folders: Annotated[
        list[Path] | None, typer.Argument(metavar="DIR", help="Folders of pictures.", show_default=False)
    ] = None,
    *,
    library: LibraryOption = None,
    model: ModelOption = None,
    bits: BitsOption = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Delete what is known of pictures whose files have vanished.")
    ] = False,
    retry: Annotated[bool, typer.Option("--retry", help="Look again at files that could not be used.")] = False,
    general: Annotated[
        bool, typer.Option("--general", help="Keep the model's own codes, to compare them with other libraries.")
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="FILE", help="Write what was skipped, and why: .jsonl, or else CSV."),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Then keep it current until Ctrl-C or SIGTERM.")] = False,
    interval: Annotated[
        float, typer.Option("--interval", min=0.1, metavar="SECONDS", help="Time between two looks of --watch.")
    ] = 5.0,
    as_json: JsonOption = False,
) -> None:
    """Index the pictures below folders, or bring the index up to date.

    Only new and changed pictures are read: run it as often as you like, and again after Ctrl-C. Without DIR the folder
    of the library that you use is indexed again. Hidden files are skipped, and so are the bins and thumbnails of drives
    (@eaDir, #recycle, $RECYCLE.BIN and the like); links to folders are not followed.

    A file .transhashignore in a folder says what to skip there and below, one pattern a line, as in .gitignore: *.png
    (by name), drafts/ (folders only), /scans (only here), a/**/b (at any depth), !keep.png (do not skip this one).

    From 100 pictures on (129 with codes of 128 bits), codes are fitted to the pictures of the library, and again when
    their number has doubled. The codes of a model that `transhash fit` made stay as they are.

    The library is the one named by --library, else the nearest .transhash at or above DIR, else the one in
    TRANSHASH_LIBRARY, else a new one, DIR/.transhash.
    """
    folders = folders or [_known_folder(library, context)]
    if watch and prune:
        raise LibraryError("--prune with --watch", "a drive that is away for a while would be pruned", "leave one out")
    if report:
        check_report(report)
    if watch:
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # the one way to end it is as good as the other
    try:
        if watch:
            _await_pictures(folders, library, interval)
        with _opened(folders, library, model, bits, may_be_empty=watch) as opened:
            done = _first_run(
                opened, folders, prune=prune, retry=retry, general=general, on_interrupt=DONE if watch else PARTLY
            )
            if not watch and not (done.seen or done.removed or done.pruned):
                raise _no_pictures(folders)
            _tell(done, opened, report, as_json=as_json)
            if watch:
                _keep_current(opened, folders, done, report, interval=interval, as_json=as_json)
    except KeyboardInterrupt:
        if not watch:
            raise
        say("stopped watching")
        raise typer.Exit(DONE) from None
    raise typer.Exit(_exit_code(done))


def _known_folder(named: Path | None, context: typer.Context) -> Path:
    """The folder that contains the library, where no folder is named."""
    from transhash.library import Library
    from transhash.library.opening import FOLDER

    place = find_library(named, [Path.cwd()], last=False)
    if place is None or not Library.exists(place):
        raise typer.BadParameter("name a folder of pictures, or its library with --library", context, param_hint="DIR")
    if Library.exists(place / FOLDER):
        return Path(place)
    if place.name != FOLDER:
        raise LibraryError(place, "this library is in no folder of pictures", "name the folders to index")
    return Path(place).parent


def _first_run(
    opened: Library, folders: list[Path], *, prune: bool, retry: bool, general: bool, on_interrupt: int
) -> IndexReport:
    from transhash.library import count_pictures

    total = count_pictures(folders) if on_terminal() else 0
    try:
        with stages(total) as progress:
            return opened.index(folders, prune=prune, retry=retry, general=general, progress=progress)
    except KeyboardInterrupt:
        saved = counted(len(opened), "picture is", "pictures are")
        say(f"interrupted: {saved} in {shown(opened.path)}; run the same command again to go on")
        raise typer.Exit(on_interrupt) from None


def _keep_current(
    opened: Library, folders: list[Path], known: IndexReport, report: Path | None, *, interval: float, as_json: bool
) -> None:
    """Look again until the user interrupts; a line for each run that changed something."""
    from transhash.library import watch

    skipped = set(known.skipped)
    for changed in watch(opened, folders, interval=interval, known=known, trouble=say):
        _tell(changed, opened, report, as_json=as_json, named=skipped)
        skipped = set(changed.skipped)


def _tell(
    done: IndexReport, opened: Library, report: Path | None, *, as_json: bool, named: Collection[Skipped] = ()
) -> None:
    """Print what a run did, and name the skipped files that are not named yet."""
    if report:
        write_report(report, done.skipped)
    if as_json:
        print_json({"library": opened.path, "pictures": len(opened), **asdict(done)})
    else:
        _print(done, opened)
        left = [skipped for skipped in done.skipped if skipped not in named]
        say_skipped(left, "; --report FILE names them all")
        if done.skipped and not done.usable:
            say(f"none of the {len(done.skipped):,} files could be used")
    sys.stdout.flush()


def _await_pictures(folders: list[Path], named: Path | None, interval: float) -> None:
    """Wait until there is a library, or something to put into one.

    A library that is made where a drive is mounted later lies hidden below the drive.
    """
    from transhash.library import Library, count_pictures

    is_waiting = False
    while not Library.exists(_place(folders, named)):
        try:
            if count_pictures(folders):
                return
        except LibraryError:
            if not is_waiting:
                raise
        if not is_waiting:
            say("no pictures yet: waiting for the first one")
        is_waiting = True
        time.sleep(interval)


def _place(folders: list[Path], named: Path | None) -> Path:
    """Where the library to index into is, or is to be."""
    from transhash.library.opening import FOLDER

    place = find_library(named, folders, guess=False)
    if place is None and len(folders) > 1:
        raise LibraryError("", "several folders need a library with a name", "give it with --library LIB")
    return folders[0] / FOLDER if place is None else Path(place)


def _opened(
    folders: list[Path], named: Path | None, model: str | None, bits: int | None, *, may_be_empty: bool
) -> Library:
    """The library to index into, made when there is none and there is something to put into it."""
    from transhash.library import Library, count_pictures
    from transhash.library.catalogue.database import UnmadeError
    from transhash.library.opening import FOLDER
    from transhash.model.encoder import made_by_fit

    place = _place(folders, named)
    if Library.exists(place):
        with suppress(UnmadeError):
            return open_library(place, model, bits)
    if not count_pictures(folders) and not may_be_empty:
        raise _no_pictures(folders)
    if place.name != FOLDER and place.is_dir() and any(place.iterdir()):
        place /= FOLDER  # a folder of other things contains its library
    encoder = named_encoder(model, bits)
    made = Library.create(place, encoder, exist_ok=True)
    if made_by_fit(encoder):
        say(f"model {encoder.name} was fitted already: its codes stay as they are, whatever is indexed")
    remember(made.path)
    return made


def _no_pictures(folders: list[Path]) -> LibraryError:
    from transhash.library.files.walk import roots, unread

    names = ", ".join(map(str, folders))
    if found := unread(roots(folders, some=True)):
        return LibraryError(names, f"no pictures that can be read, but {_kinds(found)}", "convert them to JPEG or PNG")
    return LibraryError(names, "no pictures here (.jpg, .png and the like)", "name a folder that has some")


def _print(done: IndexReport, opened: Library) -> None:
    counts = {name: name for name in ("added", "updated", "moved", "removed", "pruned", "unchanged")}
    counts["removed"] = "vanished"  # until it is pruned
    parts = [_count(getattr(done, name), word) for name, word in counts.items()] + [
        _count(len(done.skipped), "skipped")
    ]
    print(f"{counted(len(opened), 'picture')} in {shown(opened.path)}: {', '.join(filter(None, parts)) or 'none'}")
    if done.fitted:
        say(
            f"codes are now fitted to these {done.fitted:,} pictures (to keep the model's own codes, make a new "
            "library with --general)"
        )
        _tell_what_is_lost(opened)
    if done.embedded:
        say(f"{counted(done.embedded, 'picture')} had no embedding, encoded again")
    if done.unembedded:
        without = counted(done.unembedded, "picture has", "pictures have")
        say(f"{without} no embedding, which fitted codes need; index their folders as well")
    if done.first_frames:
        say(f"{counted(done.first_frames, 'animated or multi-page file')}: the first frame is taken")
    if done.unread:
        say(f"not read: {_kinds(done.unread)}; transhash does not read these kinds, convert them to JPEG or PNG")


def _tell_what_is_lost(opened: Library) -> None:
    """Say when a model was calibrated for its own codes alone, which have given way to fitted ones."""
    from transhash.model import is_hash_model

    model = opened.model
    if not is_hash_model(model) or model.likeness is not None or not model.unfitted.calibration:
        return
    if not opened.info().calibrated_by:
        say(
            f"searches give no probabilities from now on, as {model.name} is calibrated for distances alone; "
            f"calibrate it for embeddings too: transhash evaluate {shown(model.folder)} --calibrate; or this library: "
            "transhash calibrate COLUMN"
        )


def _kinds(counts: Mapping[str, int]) -> str:
    """Such as "12 .cr2, 3 .psd"."""
    return ", ".join(f"{count} {suffix}" for suffix, count in sorted(counts.items()))


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number else ""


def _exit_code(done: IndexReport) -> int:
    if not done.skipped:
        return DONE
    return PARTLY if done.usable else NOTHING
