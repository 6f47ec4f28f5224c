"""What is cut short: jobs of transhash on a few pictures, each with what it leaves behind, to be compared.

The state of a job's folder is a dictionary. Whatever happens in the middle, each of its entries must be as it was
before, or as it is after an undisturbed run.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from benchmarks.faults import files
from benchmarks.faults.job import Job, Mark, State, draw, transhash
from benchmarks.library.kill import make_model
from transhash import Library
from transhash.library.catalogue.database import CATALOGUE, UnmadeError
from transhash.library.files import indexing
from transhash.library.opening import FOLDER
from transhash.model import HashModel

PICTURES = 5


def model_of(home: Path) -> Path:
    """The tiny model, which is beside the folder that is watched."""
    folder = home.parent / "model"
    if not folder.exists():
        make_model(folder)
    return folder


def library_of(home: Path) -> Path:
    """The library of a job."""
    return home / "photos" / FOLDER


def indexed(home: Path, pictures: int = PICTURES) -> None:
    """A library of some pictures."""
    for number in range(pictures):
        draw(home / "photos" / f"{number}.png", number)
    with Library.create(library_of(home), HashModel(model_of(home)), exist_ok=True) as library:
        library.index(home / "photos", general=True)
    _closed(home)


def _closed(home: Path) -> None:
    """All of the catalogue is in its one file."""
    with closing(sqlite3.connect(library_of(home) / CATALOGUE)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def library_state(home: Path) -> State:
    """Pictures, their codes and own columns, of the library and the files that it keeps."""
    found: State = {}
    if not Library.exists(library_of(home)):
        return found
    with closing(sqlite3.connect(library_of(home) / CATALOGUE)) as database:
        try:
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
            if "picture" not in tables:
                return found
            rows = database.execute(
                "SELECT folder.path, name, hex(digest), hex(code), fault, vanished IS NULL, picture.id FROM picture "
                "JOIN folder ON folder.id = picture.folder"
            ).fetchall()
            paths = {row[6]: os.fsdecode(os.path.join(*row[:2])) for row in rows}
            found |= {paths[row[6]]: str(row[2:6]) for row in rows}
            for name, picture, value in database.execute(
                "SELECT name, picture, value FROM own_value JOIN own_column ON own_column.id = own_column"
            ):
                found[f"{paths[picture]}: {name}"] = str(value)
            for base, head, pictures in database.execute("SELECT base, hex(head), pictures FROM hash_layers"):
                found["layers"] = hashlib.sha256(f"{base}{head}{pictures}".encode()).hexdigest()
        except sqlite3.OperationalError as error:
            if "no such table" not in str(error):
                raise
    return found


def library_sound(home: Path) -> list[str]:
    """What `verify` finds."""
    if not Library.exists(library_of(home)):
        return []
    try:
        with Library.open(library_of(home), HashModel(model_of(home))) as library:
            problems = [problem.what for problem in library.verify().problems]
            ids = [id_ for id_ in library.passing().tolist()]
            if len(library.codes()) != len(ids):
                problems.append(f"{len(library.codes())} codes of {len(ids)} pictures")
            return problems
    except UnmadeError:
        return []


def _new(home: Path) -> None:
    for number in range(4):
        draw(home / "photos" / f"{number}.png", number)


def _changed(home: Path) -> None:
    """A library, and then files that are new, changed and gone."""
    indexed(home)
    draw(home / "photos" / "0.png", 100)
    (home / "photos" / "1.png").unlink()
    for number in range(PICTURES, PICTURES + 4):
        draw(home / "photos" / f"{number}.png", number)


def _index(home: Path, mark: Mark) -> None:
    transhash("index", "--general", home / "photos", "--model", model_of(home))


def _index_in_steps(home: Path, mark: Mark) -> None:
    """Index with small transactions, and acknowledge what another process can read after each."""
    before = library_state(home)

    def saved(*told: object) -> None:
        for entry, value in library_state(home).items():
            if before.get(entry) != value:
                mark(entry)

    indexing.ROWS = 2
    with Library.open(library_of(home), HashModel(model_of(home))) as library:
        library.index(home / "photos", general=True, progress=saved)


def _add(home: Path, mark: Mark) -> None:
    with Library.open(library_of(home), HashModel(model_of(home))) as library:
        for number in (50, 51):
            draw(home.parent / "new.png", number)
            (id_,) = library.add([(home.parent / "new.png").read_bytes()])
            mark(str(library.pictures([id_])[id_].path.relative_to(home / "photos")))


def _with_added(home: Path) -> None:
    indexed(home)
    _add(home, lambda entry: None)
    _closed(home)


def _remove(home: Path, mark: Mark) -> None:
    with Library.open(library_of(home), HashModel(model_of(home))) as library:
        ids = library.passing("folder like '*added*' or name = '2.png'").tolist()
        paths = [str(picture.path.relative_to(home / "photos")) for picture in library.pictures(ids).values()]
        library.remove(ids)
        for path in paths:
            mark(path)


def _annotated(home: Path) -> None:
    indexed(home)
    rows = "".join(f"{number}.png,{number},name {number}\n" for number in range(PICTURES))
    (home / "labels.csv").write_text(f"path,number,name\n{rows}", "utf-8")


def _annotate(home: Path, mark: Mark) -> None:
    transhash("annotate", home / "labels.csv", "--library", library_of(home))


def _exported(home: Path) -> None:
    _annotated(home)
    with Library.open(library_of(home)) as library:
        library.annotate(home / "labels.csv")
        library.export(home / "all.parquet")
        library.remove(library.passing().tolist()[:2])
        library.drop_column("name")
    _closed(home)


def _import(home: Path, mark: Mark) -> None:
    transhash("import", home / "all.parquet", "--library", library_of(home))


def _fit(home: Path, mark: Mark) -> None:
    transhash("fit", home / "photos", "--bits", 8, "--model", model_of(home), "--out", home / "fitted")


def _model_state(home: Path) -> State:
    """Whether there is a model, which is whole; pictures that could not be read are not in it."""
    folder = home / "fitted"
    return {"fitted": str(HashModel(folder).bits)} if folder.exists() else {}


def _fit_again(home: Path) -> None:
    if not (home / "fitted").exists():
        _fit(home, lambda entry: None)


def _fit_library(home: Path, mark: Mark) -> None:
    with Library.open(library_of(home), HashModel(model_of(home))) as library:
        library.fit()
    mark("layers")


def _of_library(name: str, prepare: Callable[[Path], object], run: Callable[[Path, Mark], object]) -> Job:
    return Job(name, prepare, run, library_state, sound=library_sound)


JOBS = {
    job.name: job
    for job in (
        _of_library("create", _new, _index),
        _of_library("index", _changed, _index),
        _of_library("add", indexed, _add),
        _of_library("remove", _with_added, _remove),
        _of_library("annotate", _annotated, _annotate),
        _of_library("import", _exported, _import),
        _of_library("fit-library", lambda home: indexed(home, 36), _fit_library),
        Job("fit", lambda home: indexed(home, 12), _fit, _model_state, _fit_again),
        *files.JOBS,
    )
}
CUTS = {**JOBS, "index": _of_library("index", _changed, _index_in_steps)}  # whose power is cut
del CUTS["build"]  # writes into mapped memory, which no call shows
