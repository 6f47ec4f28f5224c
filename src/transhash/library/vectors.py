"""Vectors of one's own in a library: codes, embeddings and columns in the catalogue, without a picture.

A row is known by its id, a text: the path of a picture, where there is one, or any name. Relative paths start at the
folder that contains the library, as everywhere.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from itertools import islice, repeat
from pathlib import Path
from typing import NamedTuple, TypeAlias, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transhash.errors import DataError, LibraryError, VectorsError
from transhash.library.catalogue.catalogue import Catalogue
from transhash.library.catalogue.cells import is_folder, is_name
from transhash.library.catalogue.embeddings import HashLayers
from transhash.library.catalogue.kinds import RESERVED, Stored
from transhash.library.catalogue.records import Coded, File
from transhash.library.digests import content_hash
from transhash.library.exchange.annotation import Annotation
from transhash.library.exchange.streams import Stream, Vectors, VectorStream
from transhash.library.exchange.tables import Row
from transhash.library.exchange.tables import Rows as Table
from transhash.library.files.indexing import origin_of
from transhash.library.files.paths import Places
from transhash.library.fitting import begin, fit_if_due, fitted_first
from transhash.library.searching import LocalSearch
from transhash.model import Embedder, Encoder
from transhash.model.embedder import VECTORS
from transhash.model.encoder import AnyEncoder, checked
from transhash.model.fitted import sample_of
from transhash.progress import Progress, silent

Ids: TypeAlias = "Iterable[object] | None"
OwnColumns: TypeAlias = "Mapping[str, Sequence[object]] | Table | None"

PAGE = 4096  # rows in a transaction, and vectors in memory as float64
KEY = "\0"  # of rows that bring columns: no column has that name
_NOTHING: dict[int, Stored | None] = {}


class Rows(TypedDict, total=False):
    """Vectors, and what is known of them (`OwnVectors.add`)."""

    vectors: ArrayLike | Vectors
    ids: Ids
    columns: OwnColumns
    progress: Progress


class OwnVectors:
    """The vectors of a library that holds them in place of pictures, or next to them."""

    def __init__(self, catalogue: Catalogue, places: Places, searching: LocalSearch) -> None:
        """Use `Library.vectors`."""
        self._catalogue = catalogue
        self._places = places
        self._searching = searching

    def add(
        self,
        vectors: ArrayLike | Vectors,
        ids: Ids = None,
        columns: OwnColumns = None,
        *,
        progress: Progress = silent,
    ) -> int:
        """Take vectors in, float (N, F), each in place of the one with its id; returns how many.

        `ids`: names, or paths of pictures, by default row numbers; `Picture.stored_path` gives them back, written as
        paths are (`a//b/` as `a/b`). `columns`: N values for each of your own columns, by name. Codes are
        fitted to the vectors once there are more than bits, and 100 at least, and again when their number has doubled.
        Raises `LibraryError` for a library of a model that gives codes alone, and `DataError` for ids, columns or
        vectors that do not fit, before anything is written.
        """
        model = of_vectors(self._searching.model, self._searching.address)
        return self.take(checked_rows(model, self._places, vectors, ids, columns), progress)

    def take(self, checked: Checked, progress: Progress = silent) -> int:
        """Take in what `checked_rows` looked at; returns how many. Raises `DataError` as `add` does for columns."""
        begin(self._catalogue, self._searching)
        model = of_vectors(self._searching.model, self._searching.address)
        found, keys, rows, sample = checked
        annotation = Annotation(self._catalogue, self._places, KEY, None)
        if rows:
            annotation.check(checked.annotated, written=False)
        own = annotation.values(checked.annotated) if rows else repeat(_NOTHING)
        layers = fitted_first(self._catalogue, self._searching.own, sample, len(found))
        if layers:
            model = model.fitted(layers.head)
        for page in _pages(found):
            files = [_file(self._places, key) for key in keys[page]]
            values = [*zip(files, islice(own, len(files)), strict=True)]
            self._put(model, found[page], values, annotation, None if page.start else layers)
            progress("importing", page.stop, len(found), "")
        fit_if_due(self._catalogue, self._searching)
        return len(found)

    def _put(
        self,
        model: Embedder,
        vectors: NDArray[np.generic],
        rows: list[tuple[tuple[bytes, bytes], dict[int, Stored | None]]],
        annotation: Annotation,
        layers: HashLayers | None,
    ) -> None:
        kept, origin = model.embed(vectors), origin_of(model)
        codes, saved = _bytes(model.head.codes(kept)), _bytes(kept)
        pictures = [
            (File(*file, 0, 0, content_hash(row).digest()), Coded(0, 0, code, None, None, None, row, origin))
            for (file, _), code, row in zip(rows, codes, saved, strict=True)
        ]
        embeddings = self._catalogue.embeddings
        with self._catalogue.writing(patient=True):
            if layers and not embeddings.fitted_to() and not embeddings.are_at_least(1):  # nobody came before
                embeddings.use(layers)
            annotation.require()
            ids = self._catalogue.pictures.put_all(pictures)
            self._catalogue.columns.set_values(zip(ids, (own for _, own in rows), strict=True))


class Checked(NamedTuple):
    """Vectors, their ids as texts, and rows of columns, of which there are as many: looked at by `checked_rows`.

    `sample`: the embeddings, int8 (n, F), that codes would be fitted to if these vectors were all.
    """

    vectors: Vectors
    keys: Stream[str]
    rows: Table | None
    sample: NDArray[np.int8]

    def annotated(self) -> Iterator[Row]:
        """The rows of columns, with their ids."""
        for key, row in zip(self.keys, self.rows() if self.rows else (), strict=True):
            yield {**row, KEY: key}


def first_rows(encoder: Encoder, path: Path, rows: Rows) -> Checked | None:
    """The same of what a new library at `path` begins with; None where these are no vectors."""
    if "vectors" not in rows:
        return None
    places = Places(os.fsencode(os.path.realpath(path.parent)))
    given = rows["vectors"], rows.get("ids"), rows.get("columns")
    return checked_rows(of_vectors(encoder, path), places, *given, is_new=True)


def checked_rows(
    model: Embedder,
    places: Places,
    vectors: ArrayLike | Vectors,
    ids: Ids = None,
    columns: OwnColumns = None,
    *,
    is_new: bool = False,
) -> Checked:
    """Look at all vectors and ids; of a library that is not made yet (`is_new`) at columns, too.

    Raises `DataError` for ids of which two are the same, or that cannot be ids, and for columns of other lengths;
    `VectorsError` for vectors that are not the model's.
    """
    found = array(vectors)
    if ids is None:
        keys = Stream(len(found), lambda: map(str, range(len(found))))
    else:
        if isinstance(ids, str | bytes | Set) or not isinstance(ids, Iterable) or getattr(ids, "ndim", 1) != 1:
            raise DataError("", f"ids are {ids!r:.40}", "give a list of names, in the order of the vectors")
        given = ids if isinstance(ids, Sequence | np.ndarray) else list(ids)
        keys = Stream(len(given), lambda: map(_text, given))
        if len(keys) != len(found):
            raise DataError("", f"{len(found):,} vectors, but {len(keys):,} ids", "give one for each")
        _check_ids(places, keys)
    rows = None if columns is None else _rows(columns, len(found))
    if found.shape[1] != model.embedding_values:
        raise VectorsError(
            "",
            f"vectors of {found.shape[1]:,} values",
            f"give (N, {model.embedding_values}) numbers, as {model.name} has",
        )
    chosen, sample = sample_of(len(found)), []
    for page in _pages(found):
        some = found[page]
        model.checked(some[:0])
        if some.dtype.kind == "f" and not (finite := np.isfinite(some).all(axis=1)).all():
            row = page.start + int(np.argmin(finite)) + 1
            raise VectorsError(f"row {row:,}", "the vector contains infinity or NaN", "leave this row out")
        here = chosen[slice(*chosen.searchsorted([page.start, page.stop]))] - page.start
        sample.append(model.embed(some[here]))
    looked_at = Checked(found, keys, rows, np.concatenate(sample))
    if rows and is_new:
        Annotation(None, places, KEY, None).check(looked_at.annotated, written=False)
    return looked_at


def _check_ids(places: Places, keys: Stream[str]) -> None:
    """Raises `DataError` for ids of which two are the same, or that cannot be ids; eight bytes an id are in memory."""

    def hashed() -> Iterator[int]:
        for row, key in enumerate(keys, 1):
            try:
                yield hash(_file(places, key))
            except DataError as error:
                raise DataError(f"row {row:,}", error.reason, error.remedy) from None

    hashes = np.fromiter(hashed(), np.int64, len(keys))
    hashes.sort()
    if not (again := set(hashes[1:][hashes[1:] == hashes[:-1]].tolist())):
        return
    seen: set[tuple[bytes, bytes]] = set()
    for row, key in enumerate(keys, 1):
        if hash(file := _file(places, key)) in again:
            if file in seen:
                raise DataError(f"row {row:,}", f"several vectors have the same id, {key!r:.60}", "give each its own")
            seen.add(file)


def _rows(columns: Mapping[str, Sequence[object]] | Table, count: int) -> Table | None:
    """Own columns as rows that can be read again; raises `DataError` for columns of other lengths."""
    if callable(columns):
        return columns
    if not isinstance(columns, Mapping):
        raise DataError("", f"columns are {type(columns).__name__}", "give a mapping from names to N values each")
    for name, values in columns.items():
        if isinstance(values, str) or not hasattr(values, "__len__"):
            raise DataError("", f"the column {name!r:.40} is {values!r:.40}", f"give {count:,} values")
        if str(name).lower() in RESERVED:
            raise DataError("", f"every row has {name!r} of itself", "call your column otherwise")
        if len(values) != count:
            raise DataError("", f"{count:,} vectors, but {len(values):,} {name}", "give one for each")
    titles, own = list(columns), list(columns.values())
    return (lambda: (dict(zip(titles, row, strict=True)) for row in zip(*own, strict=True))) if titles else None


def _pages(vectors: Vectors) -> Iterator[slice]:
    for first in range(0, len(vectors), PAGE):
        yield slice(first, min(first + PAGE, len(vectors)))


def encoder_of(model: AnyEncoder | None, vectors: ArrayLike | Vectors | None) -> Encoder:
    """The model of a new library; of vectors alone one is made. Raises `ModelError` for something that is none."""
    if model is None and vectors is not None:
        return Embedder.named(VECTORS, array(vectors).shape[1])
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


def array(vectors: ArrayLike | Vectors) -> Vectors:
    """Vectors as an array (N, F) of real numbers, which are not read. Raises `DataError` for anything else."""
    if hasattr(vectors, "nnz") and hasattr(vectors, "toarray"):
        raise DataError("", "sparse vectors are not supported", "give a dense array, such as `X.toarray()`")
    if isinstance(vectors, np.ndarray | VectorStream):
        found: Vectors = vectors
    else:
        try:
            found = np.asarray(vectors)
        except (
            TypeError,
            ValueError,
            RuntimeError,
        ) as error:  # rows of several lengths; tensors that NumPy cannot have
            said = f"{type(vectors).__name__} cannot become an array ({' '.join(str(error).split())[:100]})"
            raise DataError("", said, "give an array of NumPy, float32 (N, F)") from error
    if len(found.shape) != 2 or not len(found):
        raise DataError("", f"vectors of shape {found.shape}", "give (N, F), a row for each vector")
    return found


def _bytes(rows: NDArray[np.generic]) -> list[bytes]:
    """Each row [N, W] as bytes."""
    whole, width = rows.tobytes(), rows.nbytes // len(rows)
    return [whole[first : first + width] for first in range(0, len(whole), width)]


def _text(id_: object) -> str:
    if isinstance(id_, str):  # most are, and asking for a path takes long
        return id_
    if id_ is None:
        return ""  # which cannot be an id
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
