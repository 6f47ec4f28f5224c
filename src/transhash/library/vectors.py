"""Vectors of one's own in a library: codes, embeddings and columns in the catalogue, without a picture.

A row is known by its id, a text: the path of a picture, where there is one, or any name. Relative paths start at the
folder that contains the library, as everywhere.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias, TypedDict, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transhash.errors import DataError, LibraryError
from transhash.library.catalogue.catalogue import Catalogue
from transhash.library.catalogue.cells import is_folder, is_name
from transhash.library.catalogue.records import Coded, File
from transhash.library.digests import content_hash
from transhash.library.exchange.annotation import Annotation
from transhash.library.exchange.tables import Row
from transhash.library.files.paths import Places
from transhash.library.fitting import fit_if_due
from transhash.library.searching import LocalSearch
from transhash.model import Embedder, Encoder
from transhash.model.encoder import AnyEncoder, checked
from transhash.progress import Progress, silent

Ids: TypeAlias = "Iterable[object] | None"
OwnColumns: TypeAlias = "Mapping[str, Sequence[object]] | None"

PAGE = 4096  # rows in a transaction, and vectors in memory as float64
KEY = "id"  # of rows that bring columns


class Rows(TypedDict, total=False):
    """Vectors, and what is known of them (`OwnVectors.add`)."""

    vectors: ArrayLike
    ids: Ids
    columns: OwnColumns


class OwnVectors:
    """The vectors of a library that holds them in place of pictures, or next to them."""

    def __init__(self, catalogue: Catalogue, places: Places, searching: LocalSearch) -> None:
        """Use `Library.vectors`."""
        self._catalogue = catalogue
        self._places = places
        self._searching = searching

    def add(
        self, vectors: ArrayLike, ids: Ids = None, columns: OwnColumns = None, *, progress: Progress = silent
    ) -> int:
        """Take vectors in, float (N, F), each in place of the one with its id; returns how many.

        `ids`: names, or paths of pictures, by default row numbers; `Picture.stored_path` gives them back. `columns`: N
        values for each of your own columns, by name. From 300 vectors on, codes are fitted to them, and again when
        their number has doubled. Raises `LibraryError` for a library of a model that gives codes alone, and `DataError`
        for ids, columns or vectors that do not fit, before anything is written.
        """
        model = of_vectors(self._searching.model, self._searching.address)
        found = array(vectors)
        keys: Sequence[str] = _Numbers(len(found)) if ids is None else list(map(_text, ids))
        for what, values in {"ids": keys, **(columns or {})}.items():
            if len(values) != len(found):
                raise DataError("", f"{len(found):,} vectors, but {len(values):,} {what}", "give one for each")
        if ids is not None:
            self._check_ids(keys)
        pages = [slice(first, min(first + PAGE, len(found))) for first in range(0, len(found), PAGE)]
        for page in pages:  # all of them, before any is written
            model.checked(found[page])
        for page in pages:
            self._put(model, found[page], [_file(self._places, key) for key in keys[page]])
            progress("importing", page.stop, len(found), "")
        if columns:
            titles = list(columns)

            def rows() -> Iterator[Row]:
                for key, *row in zip(keys, *columns.values(), strict=True):
                    yield {KEY: key, **dict(zip(titles, row, strict=True))}

            Annotation(self._catalogue, self._places, KEY, None).run(rows, written=False)
        fit_if_due(self._catalogue, self._searching.own, general=False)
        self._searching.codes()
        return len(found)

    def _check_ids(self, keys: Sequence[str]) -> None:
        """Raises `DataError` for ids of which two are the same, or that cannot be ids; eight bytes an id."""
        hashes = np.fromiter((hash(_file(self._places, key)) for key in keys), np.int64, len(keys))
        if len(np.unique(hashes)) < len(keys) and len({_file(self._places, key) for key in keys}) < len(keys):
            raise DataError("", "several vectors have the same id", "give each its own")

    def _put(self, model: Embedder, vectors: NDArray[np.generic], files: list[tuple[bytes, bytes]]) -> None:
        kept = model.embed(vectors)
        codes = model.head.codes(kept)
        with self._catalogue.writing():
            for file, code, row in zip(files, codes, kept, strict=True):
                saved = row.tobytes()
                coded = Coded(0, 0, code.tobytes(), None, None, None, saved)
                self._catalogue.pictures.put(File(*file, 0, 0, content_hash(saved).digest()), coded)


class _Numbers(Sequence[str]):
    """The numbers of N rows as texts, each made when it is asked for."""

    def __init__(self, count: int) -> None:
        self._numbers = range(count)

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> list[str]: ...
    def __getitem__(self, row: int | slice) -> str | list[str]:
        found = self._numbers[row]
        return str(found) if isinstance(found, int) else list(map(str, found))


def encoder_of(model: AnyEncoder | None, vectors: ArrayLike | None) -> Encoder:
    """The model of a new library; of vectors alone one is made. Raises `ModelError` for something that is none."""
    if model is None and vectors is not None:
        return Embedder.named("vectors", array(vectors).shape[1])
    return checked(model)  # type: ignore[arg-type]  # that is the question


def of_vectors(model: Encoder, address: object) -> Embedder:
    """The model of a library, where it gives vectors; raises `LibraryError` where it gives codes."""
    if not isinstance(model, Embedder):
        raise LibraryError(
            address, f"its model {model.name} reads pictures, not vectors", "make a library of vectors for these"
        )
    return model


def pictured(model: Encoder, address: object) -> Encoder:
    """The same model; raises `LibraryError` where nothing makes vectors of pictures."""
    if isinstance(model, Embedder) and model.encoder is None:
        raise LibraryError(
            address,
            "it holds vectors, and nothing here makes one of a picture",
            "search with a vector, or open it with the encoder that made them",
        )
    return model


def array(vectors: ArrayLike) -> NDArray[np.generic]:
    """Vectors as an array (N, F), float or int8; a mapped file is not read. Raises `DataError` for other shapes."""
    found = vectors if isinstance(vectors, np.ndarray) else np.asarray(vectors)
    if found.ndim != 2 or not len(found):
        raise DataError("", f"vectors of shape {found.shape}", "give (N, F), a row for each vector")
    return found


def _text(id_: object) -> str:
    return os.fsdecode(id_) if isinstance(id_, bytes | os.PathLike) else str(id_)


def _file(places: Places, name: str) -> tuple[bytes, bytes]:
    """The stored folder and name of an id; raises `DataError` for one that is no path."""
    try:
        folder, last = os.path.split(os.fsencode(os.path.normpath(name)) if name else b"")
    except UnicodeEncodeError:
        folder, last = b"", b""
    stored = places.stored(folder) if os.path.isabs(folder) else folder
    if not (is_folder(stored) and is_name(last)):
        raise DataError("", f"{name!r:.60} cannot be an id", "give a name, or a path below the library's folder")
    return stored, last
