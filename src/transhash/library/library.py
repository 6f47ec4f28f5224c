"""Library: the pictures of some folders, indexed once and searched ever after."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, overload

import numpy as np
from numpy.typing import NDArray

from transhash.codes import pack
from transhash.errors import HammingIndexError, LibraryError, ModelError, UncalibratedError
from transhash.images import DEFAULT_MAX_PIXELS
from transhash.library.catalogue.database import Facts
from transhash.library.catalogue.kinds import Kind, moment
from transhash.library.catalogue.pictures import Catalogue, Placed
from transhash.library.exchange import parquet as carry
from transhash.library.exchange.annotation import Annotation
from transhash.library.exchange.tables import Rows, read
from transhash.library.files.indexing import IndexRun, Progress
from transhash.library.files.paths import Places
from transhash.library.files.verifying import FileCheck, catalogue_problems
from transhash.library.files.walk import count, roots
from transhash.library.results import (
    AnnotationReport,
    DuplicatesReport,
    Facets,
    Hit,
    ImportReport,
    IndexReport,
    LibraryInfo,
    Picture,
    Problem,
    Verification,
)
from transhash.remote.opening import elsewhere, is_milvus

if TYPE_CHECKING:
    from transhash.images import Source
    from transhash.model import HashModel
    from transhash.search import HammingIndex

Folders = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]

FOLDER = ".transhash"  # what a library is called inside the folder of its pictures
CATALOGUE, CODES = "catalogue.sqlite", "codes.hamming"
MOST_VALUES = 1000  # that `facets` gives


class Library:
    """An indexed collection: a folder that holds a catalogue, and search over it.

        library = Library.create("photos/.transhash", transhash.load())
        library.index("photos/")
        hits = library.search("query.jpg", k=10)

    Used from one thread; any number of processes may read while one writes. Pictures below the folder that contains the
    library are known relative to it, so that the folder can be moved with its library.
    """

    def __init__(self, path: Path, catalogue: Catalogue, model: HashModel | None) -> None:
        """Use `create` or `open`."""
        self.path = path
        self._catalogue = catalogue
        self._facts = catalogue.facts()
        self._model = model
        self._places = Places(os.fsencode(os.path.realpath(path.parent)))
        self._index: HammingIndex | None = None
        self._live: Callable[[], HammingIndex] | None = None  # where codes come from in a `LiveLibrary`
        self._filtered: tuple[tuple[str, tuple[int, int]], NDArray[np.int64]] | None = None
        if model and model.fingerprint != self._facts.fingerprint:
            raise LibraryError(
                f"{path}: its codes come from model {self._facts.model} ({self._facts.fingerprint[:12]}) and cannot be "
                f"compared with those of {model.name} ({model.fingerprint[:12]}); use its own, or make a new library"
            )

    @classmethod
    def create(cls, path: str | os.PathLike[str], model: HashModel, *, exist_ok: bool = False) -> Library:
        """Make an empty library, a folder at `path`; with `exist_ok` open the one that is there.

        Raises `LibraryError` when there is one already, or it cannot be made, or it belongs to another model.
        """
        path = Path(path).absolute()
        if not exist_ok and cls.exists(path):
            raise LibraryError(f"{path}: there is a library already; open it, or choose another place")
        folder = os.fsencode(os.path.abspath(model.folder))
        return cls._made(path, Facts(model.name, model.fingerprint, model.bits, folder, _now()), model)

    @classmethod
    def _made(cls, path: Path, facts: Facts, model: HashModel | None) -> Library:
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LibraryError(
                f"{path}: no library can be made here ({error.strerror}); choose another place"
            ) from error
        return cls._opened(path, Catalogue(path / CATALOGUE, new=facts), model)

    @classmethod
    def open(cls, path: str | os.PathLike[str], model: HashModel | None = None) -> Library:
        """Open a library: its folder, or the folder that contains it as `.transhash`; or one elsewhere, by its address.

        An address is that of a server (`transhash serve`), `http://host:8017`, or of a collection in Milvus
        (`export`), `milvus://host:port/collection`.

        Without `model`, its own is loaded when a picture is first encoded. Raises `LibraryError` when there is none,
        when it is damaged or of a newer transhash, or when `model` is not the one that its codes come from.
        """
        if (found := elsewhere(path, model)) is not None:
            return cast("Library", found)
        path = Path(path).absolute()
        if not os.path.exists(path / CATALOGUE):
            if not cls.exists(path):
                raise LibraryError(f"{path}: no library here; make one with `transhash index`")
            path = path / FOLDER
        return cls._opened(path, Catalogue(path / CATALOGUE), model)

    @classmethod
    def import_(
        cls,
        file: str | os.PathLike[str],
        path: str | os.PathLike[str],
        model: HashModel | None = None,
        *,
        progress: Callable[[int], object] = lambda _: None,
    ) -> tuple[Library, ImportReport]:
        """Take an exported library (`export`) into the one at `path`, which is made when there is none.

        Nothing is decoded. A picture takes the place of one of the same path. A new library remembers `model`, or finds
        its own when that ships with the package. The file is checked whole before anything is written: raises
        `DataError` when it is damaged, and `LibraryError` when its model is not the library's.
        """
        file, path = Path(file), Path(path).absolute()
        head = carry.head(file)
        for _ in carry.rows(file):
            pass
        if cls.exists(path):
            library = cls.open(path, model)
        else:
            if model and model.fingerprint != head.fingerprint:
                raise LibraryError(
                    f"{file}: its codes come from model {head.model} ({head.fingerprint[:12]}), not from {model.name} "
                    f"({model.fingerprint[:12]}); name that model, or none"
                )
            folder = os.fsencode(os.path.abspath(model.folder)) if model else b""
            library = cls._made(path, Facts(head.model, head.fingerprint, head.bits, folder, _now()), model)
        try:
            report = carry.bring(file, library._catalogue, library._places, progress)
            with library._catalogue.reading():
                library._current_index()
        except BaseException:
            library.close()
            raise
        return library, report

    @staticmethod
    def exists(path: str | os.PathLike[str]) -> bool:
        """Whether `open` would find a library here."""
        return any(_size(Path(path, inside, CATALOGUE)) for inside in ("", FOLDER))  # an empty one is not made yet

    @classmethod
    def _opened(cls, path: Path, catalogue: Catalogue, model: HashModel | None) -> Library:
        try:
            return cls(path, catalogue, model)
        except BaseException:
            catalogue.close()
            raise

    def close(self) -> None:
        """Close the files; the library is not used any more."""
        self._catalogue.close()
        self._index = None

    def reopen(self) -> None:
        """Open the same place again, after a drive was away; raises `LibraryError` while the library is not there."""
        self.close()
        if not self.exists(self.path):
            raise LibraryError(f"{self.path}: the library is not there; check that its drive is connected")
        catalogue = Catalogue(self.path / CATALOGUE)
        facts = catalogue.facts()
        if facts.fingerprint != self._facts.fingerprint:
            catalogue.close()
            raise LibraryError(f"{self.path}: another library is in its place, with codes of another model; open that")
        self._catalogue, self._facts = catalogue, facts

    def __enter__(self) -> Library:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        """How many pictures search can find."""
        return self._catalogue.counts()[0]

    def __repr__(self) -> str:
        return f"Library({str(self.path)!r}, model={self._facts.model!r}, bits={self._facts.bits})"

    @property
    def bits(self) -> int:
        """Length of its codes."""
        return self._facts.bits

    @property
    def creation(self) -> str:
        """Names this library: another one in its place has another name, and its ids are of other pictures."""
        return self._catalogue.creation()

    @property
    def model(self) -> HashModel:
        """The model that the codes come from; raises `LibraryError` when it is not at hand."""
        if self._model is None:
            self._model = self._find_model()
        return self._model

    def _find_model(self) -> HashModel:
        from transhash.model import PRETRAINED, load, pretrained

        # A library may come from anyone: only what ships with the package and a local folder are looked at.
        folder = Path(os.fsdecode(self._facts.model_folder))
        shipped = [PRETRAINED / name for name in pretrained() if name == self._facts.model]
        for place in (*shipped, folder):
            with suppress(ModelError):
                model = load(place.absolute(), self._facts.bits)
                if model.fingerprint == self._facts.fingerprint:
                    return model
        raise LibraryError(
            f"{self.path}: its model {self._facts.model} ({self._facts.fingerprint[:12]}) is neither with "
            f"the package nor in {folder}; name the model's folder (--model)"
        )

    def index(
        self,
        folders: Folders,
        *,
        prune: bool = False,
        retry: bool = False,
        progress: Progress | None = None,
    ) -> IndexReport:
        """Bring the library up to date with the pictures below folders; what has been done once is not done again.

        Files with known size and time of change are not opened; files with known content are not decoded. Pictures
        whose files have vanished are no longer found by search; `prune` deletes them. Files that could not be used are
        reported each time, but looked at again only when they change, or with `retry`. Hidden files and folders are
        passed over, and what `.transhashignore` names; links to folders are not followed. `progress` is called with
        the report so far after each transaction: what it counts is saved. Interrupted at any moment, the library is
        whole, and the next run goes on.

        Raises `LibraryError` when a folder is missing, before anything is done, or when the library cannot be written.
        """
        found = roots(_each(folders))
        run = IndexRun(self._catalogue, self._places, self.model, retry=retry, progress=progress)
        report = run.run(found, prune=prune)
        with self._catalogue.reading():
            self._current_index()
        return report

    @overload
    def search(
        self,
        query: list[Source],
        k: int = 10,
        *,
        max_distance: int | None = None,
        min_probability: float | None = None,
        where: str | None = None,
    ) -> list[list[Hit]]: ...
    @overload
    def search(
        self,
        query: Source,
        k: int = 10,
        *,
        max_distance: int | None = None,
        min_probability: float | None = None,
        where: str | None = None,
    ) -> list[Hit]: ...
    def search(
        self,
        query: Any,
        k: int = 10,
        *,
        max_distance: int | None = None,
        min_probability: float | None = None,
        where: str | None = None,
    ) -> Any:
        """The k pictures most like one picture, nearest first; for a list of pictures, a list of hits for each.

        The limits are those of `search_values`. Equal distances are ordered by how sure the query is of the bits that
        differ. Raises `ImageError` for the first query that cannot be used.
        """
        several = isinstance(query, list | tuple)
        values = self.model.values(query if several else [query])
        hits = self.search_values(values, k, max_distance=max_distance, min_probability=min_probability, where=where)
        return hits if several else hits[0]

    def search_values(
        self,
        values: NDArray[np.float32],
        k: int = 10,
        *,
        max_distance: int | None = None,
        min_probability: float | None = None,
        where: str | None = None,
    ) -> list[list[Hit]]:
        """The hits of relaxed codes, float32 [Q, bits], in the order of `search`.

        At most `max_distance` bits may differ, and the probability of relevance, by the model's calibration, must be at
        least `min_probability`. `where` is a filter: the nearest of all pictures that pass it, such as `"width >= 800
        and label = 'cat'"` (`transhash.library.catalogue.where` has the language). Paths that begin with / are compared
        with absolute paths; others with paths relative to the folder that contains the library.

        Raises `FilterError` for a filter that makes no sense, and `LibraryError` for a probability that the model was
        not calibrated to tell.
        """
        radius = self.radius(max_distance, min_probability)
        return self._hits(pack(values), k, radius, where, values)

    def search_codes(
        self,
        codes: NDArray[np.uint8],
        k: int = 10,
        *,
        max_distance: int | None = None,
        min_probability: float | None = None,
        where: str | None = None,
    ) -> list[list[Hit]]:
        """The hits of packed codes, uint8 [Q, bits/8], nearest first, equal distances by id; limits as in `search`."""
        return self._hits(codes, k, self.radius(max_distance, min_probability), where, None)

    def radius(self, max_distance: int | None = None, min_probability: float | None = None) -> int:
        """The greatest distance that limits allow; raises `LibraryError` for a probability without a calibration."""
        radius = self._facts.bits if max_distance is None else max_distance
        if min_probability is None:
            return radius
        calibration = self.model.calibration
        if calibration is None:
            raise UncalibratedError(
                f"{self.path}: its model {self._facts.model} was not calibrated to tell probabilities; give a "
                "distance instead (--max-distance), or calibrate it (`transhash evaluate --calibrate`)"
            )
        return min(radius, calibration.radius(min_probability))

    def _hits(
        self,
        codes: NDArray[np.uint8],
        k: int,
        radius: int,
        where: str | None,
        values: NDArray[np.float32] | None,
    ) -> list[list[Hit]]:
        calibration = self.model.calibration
        with self._catalogue.reading():  # one moment for the codes and the names
            index = self._current_index()
            allowed = None if where is None else self._passing(where)
            k = min(k, max(1, len(index)))
            distances, ids = index.search(codes, k, ids=allowed, values=values)
            ids[distances > radius] = -1
            found = ids[ids >= 0].tolist()
            if self._live:  # some of what it knows may be gone
                known = self._catalogue.described(found)
                ids[~np.isin(ids, list(known))] = -1
                found = list(known)
            placed, columns = self._catalogue.placed(found), self._catalogue.own_values(found)
        there = np.where(ids >= 0, distances, 0)  # where fewer than k were found, the rest is no distance
        probabilities = calibration.probability(there).tolist() if calibration else None
        return [
            [
                Hit(
                    Path(self._path(placed[id_])),
                    distance,
                    id_,
                    placed[id_].width,
                    placed[id_].height,
                    columns[id_],
                    probabilities[q][place] if probabilities else None,
                )
                for place, (distance, id_) in enumerate(zip(distances[q].tolist(), ids[q].tolist(), strict=True))
                if id_ >= 0
            ]
            for q in range(len(ids))
        ]

    def passing(self, where: str | None = None, *, stop: Callable[[], bool] | None = None) -> NDArray[np.int64]:
        """The ids of the pictures that pass a filter, or of all, ascending; raises `FilterError`.

        When `stop` becomes true while the filter is looked at, that is broken off: raises `BrokenOffError`.
        """
        with self._catalogue.stoppable(stop or _never), self._catalogue.reading():
            ids = self._current_index().ids
            return ids if where is None else np.intersect1d(ids, self._passing(where), assume_unique=True)

    def pictures(self, ids: Iterable[int]) -> dict[int, Picture]:
        """What is known of pictures, by id; ids that search cannot find, or not any more, are left out."""
        with self._catalogue.reading():
            known = self._catalogue.described(int(id_) for id_ in ids)  # SQLite takes NumPy's for bytes
            columns = self._catalogue.own_values(known)
        return {
            id_: Picture(
                path=Path(os.fsdecode(os.path.join(self._places.on_disk(each.folder), each.name))),
                id=id_,
                width=each.width,
                height=each.height,
                bytes=each.size,
                taken=None if each.taken is None else moment(each.taken),
                modified=moment(each.mtime_ns // 10**9),
                digest=each.digest.hex(),
                code=each.code.hex(),
                columns=columns[id_],
            )
            for id_, each in known.items()
        }

    def described(self, ids: Iterable[int]) -> dict[int, dict[str, Any]]:
        """The same in JSON's own types: paths as they are stored, relative where they can be, and moments as texts."""
        with self._catalogue.reading():
            known = self._catalogue.described(int(id_) for id_ in ids)
            columns = self._catalogue.own_values(known)
        found = {}
        for id_, each in known.items():
            folder, name = os.fsdecode(each.folder), os.fsdecode(each.name)
            found[id_] = {
                "id": id_,
                "path": os.path.join(folder, name),
                "folder": folder,
                "name": name,
                "width": each.width,
                "height": each.height,
                "bytes": each.size,
                "taken": None if each.taken is None else moment(each.taken).isoformat(),
                "modified": moment(each.mtime_ns // 10**9).isoformat() + "Z",
                "code": each.code.hex(),
                "columns": {
                    column: value.isoformat() if isinstance(value, datetime) else value
                    for column, value in columns[id_].items()
                },
                "version": each.digest[:6].hex(),
            }
        return found

    def known_digests(self, digests: Iterable[str]) -> set[str]:
        """Those of some digests (hex) that a picture has, vanished ones included."""
        return {digest.hex() for digest in self._catalogue.known_digests(map(bytes.fromhex, digests))}

    def facets(self) -> Facets:
        """Folders and values for people to choose from."""
        with self._catalogue.reading():
            folders = self._catalogue.some_folders(MOST_VALUES)
            texts = {
                name: self._catalogue.some_texts(column.id, MOST_VALUES)
                for name, column in self._catalogue.own_columns().items()
                if column.kind == Kind.TEXT
            }
        return Facets([os.fsdecode(folder) for folder in folders], texts)

    def add(self, pictures: Iterable[Source], *, max_pixels: int = DEFAULT_MAX_PIXELS) -> list[int]:
        """Take pictures in: each is put away beside the library, in the folder `added`, and indexed; gives their ids.

        A picture whose content was added before keeps its id, and nothing is written. Paths and bytes are kept as the
        files that they are, images and arrays as PNG. Raises `ImageError` for the first that cannot be used, before
        anything is written, and `LibraryError` when the library cannot be written.
        """
        from transhash.library.files.adding import add

        return add(self._catalogue, self._places, self.model, list(pictures), max_pixels)

    def remove(self, ids: Iterable[int]) -> int:
        """Forget pictures, and return how many there were.

        The file of a picture that `add` put away is deleted. Any other file is left alone, and the next `index` of its
        folder finds it again, unless `.transhashignore` names it.
        """
        from transhash.library.files.adding import remove

        return remove(self._catalogue, self._places, map(int, ids))

    def duplicates(
        self,
        max_distance: int = 8,
        *,
        folders: Folders | None = None,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> DuplicatesReport:
        """Groups of near-identical pictures, each with the one to keep; nothing is changed or deleted.

        Pictures whose codes differ in at most `max_distance` bits are candidates. They are duplicates when their bytes
        are equal, or small copies of them agree after a little cropping, scaling and brightening: pictures that are
        merely similar are not, nor are mirrored ones. To keep is the one with the most pixels, then the largest file,
        then the oldest, then by path; every other one of its group is a copy of that one. With `folders` only pictures
        below these count. `progress` is called with (stage, done, total).

        Raises `LibraryError` when a folder is missing, `HammingIndexError` for a distance below 0.
        """
        from transhash.library.duplicates.groups import Contents, Search

        ranges = None
        if folders is not None:
            ranges = [each for root in roots(_each(folders)) for each in self._places.ranges(root)]
        with self._catalogue.reading():  # one moment for the codes and the contents
            try:
                contents = Contents.of(self._catalogue.contents(ranges))
            except ValueError as error:
                raise self._catalogue.damaged() from error
            index = self._current_index()
        join = index.join(max_distance, ids=contents.ids)
        return Search(contents, join, self._paths, progress).run()

    def _paths(self, ids: list[int]) -> dict[int, str]:
        """Where pictures are, by id."""
        with self._catalogue.reading():
            placed = self._catalogue.placed(ids)
        return {id_: self._path(each) for id_, each in placed.items()}

    def _path(self, placed: Placed) -> str:
        return os.fsdecode(os.path.join(self._places.on_disk(placed.folder), placed.name))

    def _passing(self, where: str) -> NDArray[np.int64]:
        """The ids that pass a filter; the last filter's are kept, for many queries in several batches."""
        key = (where, self._catalogue.state())
        if self._filtered is None or self._filtered[0] != key:
            self._filtered = key, self._catalogue.matching(where, self._places.base)
        return self._filtered[1]

    def annotate(
        self,
        rows: str | os.PathLike[str] | Mapping[Any, Mapping[str, Any]] | Iterable[Mapping[str, Any]],
        *,
        key: str = "path",
    ) -> AnnotationReport:
        """Add your own columns to pictures, for filters (`search`, `where`) and hits (`Hit.columns`).

        `rows`: a CSV or Parquet file, a mapping from a picture to its values, or mappings of which each names its
        picture under `key`. A picture is named by its path, absolute or relative to the folder that contains the
        library (or the file's), or by its name when no other has that. Values are texts, numbers, dates and booleans,
        and a column has one kind; in CSV files they are recognised, a new column's by all of its values. What is
        imported again is replaced; an empty value (None) is removed.

        Raises `DataError`, before anything is imported, when a file cannot be read or a value does not fit.
        """
        beside, written = None, False
        again: Rows
        if isinstance(rows, str | os.PathLike):
            path = Path(rows)
            again, written = read(path), path.suffix.lower() != ".parquet"
            beside = os.fsencode(os.path.abspath(path.parent))
        else:
            if isinstance(rows, Mapping):
                rows = [{**values, key: picture} for picture, values in rows.items()]
            listed = list(rows)
            again = partial(iter, listed)
        return Annotation(self._catalogue, self._places, key, beside).run(again, written=written)

    def drop_column(self, name: str) -> None:
        """Remove one of your own columns with all its values; raises `LibraryError` when there is none of that name."""
        with self._catalogue.writing():
            columns = self._catalogue.own_columns()
            column = columns.get(name)
            if column is None:
                known = ", ".join(columns) or "none yet"
                raise LibraryError(f"{self.path}: no column {name!r} of your own; there are: {known}")
            self._catalogue.drop_column(column.id)

    def export(
        self,
        to: str | os.PathLike[str],
        *,
        replace: bool = False,
        progress: Callable[[int], object] = lambda _: None,
    ) -> int:
        """Write every picture that search can find, with its code and all that is known of it; returns how many.

        `to` is a Parquet file, or a collection in Milvus (`milvus://host:port/collection`), which then holds what the
        library holds: new rows are put and old ones deleted. `replace` a collection of another model or other columns.
        Raises `DataError` when the file cannot be written, `LibraryError` when the collection cannot.
        """
        if is_milvus(to):
            from transhash.remote.milvus import send

            return send(to, self._catalogue, self._places, progress, replace=replace)
        return carry.write(Path(to), self._catalogue, progress)

    def verify(self, *, deep: bool = False, progress: Callable[[int], object] = lambda _: None) -> Verification:
        """Check the library from end to end: the catalogue, its codes, the index file, the model.

        An index file that does not fit the catalogue is built anew. `deep` reads all files again and compares them with
        what was indexed, and encodes a sample of them; `progress` is then told how many have been looked at.
        """
        result = Verification()
        result.problems.extend(catalogue_problems(self._catalogue, self._facts.bits))
        if result.problems:
            return result
        with self._catalogue.reading():
            result.pictures = self._catalogue.counts()[0]
            if reason := self._index_misfit():
                (self.path / CODES).unlink(missing_ok=True)
                self._index = None
                self._current_index()
                result.mended.append(f"{self.path / CODES}: {reason}; it was built again from the catalogue")
        try:
            model: HashModel | None = self.model
        except LibraryError as error:
            result.problems.append(Problem(*_halves(str(error))))
            model = None
        if deep:
            FileCheck(self._catalogue, self._places, model).run(result, progress)
        return result

    def _index_misfit(self) -> str | None:
        """Why the index file is not that of the catalogue, if it is not."""
        from transhash.search import HammingIndex

        try:
            index = HammingIndex.open(self.path / CODES)
        except HammingIndexError as error:
            return str(error).removeprefix(f"{self.path / CODES}: ").partition(";")[0]
        if index.bits != self._facts.bits or index.meta.get("revision") != self._catalogue.revision():
            return "older than the catalogue"
        ids, codes = self._codes()
        order = np.argsort(ids)
        if not np.array_equal(index.ids, ids[order]) or not np.array_equal(index.reconstruct(ids), codes):
            return "its codes are not those of the catalogue"
        return None

    def _current_index(self) -> HammingIndex:
        """The codes as the catalogue has them at this moment: from memory, from the file, or built anew."""
        from transhash.search import HammingIndex

        if self._live:
            return self._live()
        revision = self._catalogue.revision()
        file = self.path / CODES
        if self._index is None:
            with suppress(HammingIndexError):  # missing or damaged
                self._index = HammingIndex.open(file)
        index = self._index
        if index is None or index.bits != self._facts.bits or index.meta.get("revision") != revision:
            index = HammingIndex(self._facts.bits, meta={"revision": revision})
            ids, codes = self._codes()
            index.add(codes, ids)
            with suppress(HammingIndexError):  # a library that may only be read: this process has it in memory
                index.save(file)
        self._index = index
        return index

    def _codes(self) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        return self._codes_after(-1)

    def _codes_after(self, id_: int) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        ids, codes = bytearray(), bytearray()
        for page in self._catalogue.codes(width := self._facts.bits // 8, id_):
            ids += np.array([id_ for id_, _ in page], np.int64).tobytes()
            codes += b"".join(code for _, code in page)
        return np.frombuffer(ids, np.int64), np.frombuffer(codes, np.uint8).reshape(-1, width)

    def info(self) -> LibraryInfo:
        """The facts of the library."""
        with self._catalogue.reading():
            pictures, skipped, vanished = self._catalogue.counts()
            columns = {name: str(column.kind) for name, column in self._catalogue.own_columns().items()}
        return LibraryInfo(
            path=self.path,
            pictures=pictures,
            skipped=skipped,
            vanished=vanished,
            model=self._facts.model,
            bits=self._facts.bits,
            fingerprint=self._facts.fingerprint,
            created=self._facts.created,
            bytes=sum(_size(self.path / name) for name in (CATALOGUE, f"{CATALOGUE}-wal", CODES)),
            columns=columns,
        )


def count_pictures(folders: Folders) -> int:
    """How many files `Library.index` would look at; raises `LibraryError` when a folder is missing."""
    return count(roots(_each(folders)))


def _each(folders: Folders) -> Iterable[str | os.PathLike[str]]:
    return [folders] if isinstance(folders, str | os.PathLike) else folders


def _never() -> bool:
    return False


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _halves(sentence: str) -> tuple[str, str]:
    """What is wrong, and the remedy."""
    what, _, remedy = sentence.partition("; ")
    return what, remedy


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
