"""Library: the pictures of some folders, indexed once and searched ever after."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack, overload

import numpy as np
from numpy.typing import NDArray

from transhash.errors import DataError, LibraryError
from transhash.library.catalogue.catalogue import Catalogue
from transhash.library.catalogue.database import CATALOGUE, Facts
from transhash.library.catalogue.embeddings import HashLayers
from transhash.library.catalogue.records import Placed, Revision
from transhash.library.code_index import CodeIndex
from transhash.library.exchange import parquet as carry
from transhash.library.exchange.annotation import annotate, drop
from transhash.library.files.indexing import IndexRun, Progress
from transhash.library.files.paths import Places
from transhash.library.files.thumbnails import Thumbnails
from transhash.library.files.verifying import verify
from transhash.library.files.walk import count, roots
from transhash.library.models import model_of
from transhash.library.pictures import described, facets
from transhash.library.ranking import CANDIDATES, Near, answer, by_likeness, nearest
from transhash.library.results import (
    AnnotationReport,
    DuplicatesReport,
    Facets,
    ImportReport,
    IndexReport,
    LibraryInfo,
    Verification,
)
from transhash.library.searchable import Hit, Limits, Options, Picture, Queries

if TYPE_CHECKING:
    from transhash.images import Source
    from transhash.model import HashModel
    from transhash.search import HammingIndex

Folders = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]

FOLDER = ".transhash"  # what a library is called inside the folder of its pictures
CODES = "codes.hamming"
LEAST = 300  # pictures, from which on codes are fitted to them


class Library:
    """An indexed collection: a folder that holds a catalogue, and search over it.

        library = Library.create("photos/.transhash", transhash.load())
        library.index("photos/")
        hits = library.search("query.jpg", k=10)

    Safe to use from any thread; any number of processes may read while one writes. Pictures below the folder that
    contains the library are known relative to it, so that the folder can be moved with its library.
    """

    def __init__(self, path: Path, catalogue: Catalogue, model: HashModel | None) -> None:
        """Use `create` or `open`."""
        self.path = path
        self.catalogue = catalogue
        self._facts = catalogue.facts()
        self._unfitted: HashModel | None = getattr(model, "unfitted", model)
        self._model = model if model and model.fingerprint == self._facts.fingerprint else None
        self.places = Places(os.fsencode(os.path.realpath(path.parent)))
        self._known_layers: tuple[HashLayers | None] | None = None  # read when they are needed
        self._index = CodeIndex(self._facts.bits, path / CODES)
        self._filtered: tuple[tuple[str, Revision], NDArray[np.int64]] | None = None
        fingerprints = (model.fingerprint, self._unfitted.fingerprint) if model and self._unfitted else ()
        if model and not self._model and self._base not in fingerprints:
            raise LibraryError(
                path,
                f"its codes come from model {self._facts.model} ({self._facts.fingerprint[:12]}) and cannot be "
                f"compared with those of {model.name} ({model.fingerprint[:12]})",
                "use its own, or make a new library",
            )

    @classmethod
    def create(cls, path: str | os.PathLike[str], model: HashModel, *, exist_ok: bool = False) -> Library:
        """Make an empty library, a folder at `path`; with `exist_ok` open the one that is there.

        Raises `LibraryError` when there is one already, or it cannot be made, or it belongs to another model.
        """
        path = Path(path).absolute()
        if not exist_ok and cls.exists(path):
            raise LibraryError(path, "there is a library already", "open it, or choose another place")
        folder = os.fsencode(os.path.abspath(model.folder))
        return cls._made(path, Facts(model.name, model.fingerprint, model.bits, folder, _now()), model)

    @classmethod
    def _made(cls, path: Path, facts: Facts, model: HashModel | None) -> Library:
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LibraryError(
                path, f"no library can be made here ({error.strerror})", "choose another place"
            ) from error
        return cls._opened(path, Catalogue(path / CATALOGUE, new=facts), model)

    @classmethod
    def open(cls, path: str | os.PathLike[str], model: HashModel | None = None) -> Library:
        """Open a library: its folder, or the folder that contains it as `.transhash`.

        Without `model`, its own is loaded when a picture is first encoded. Raises `LibraryError` when there is none,
        when it is damaged or of a newer transhash, or when `model` is not the one that its codes come from.
        `transhash.open_library` opens those that are elsewhere, too.
        """
        if "://" in os.fspath(path):
            raise LibraryError(os.fspath(path), "an address, not a folder", "open it with transhash.open_library")
        path = Path(path).absolute()
        if not os.path.exists(path / CATALOGUE):
            if not cls.exists(path):
                raise LibraryError(path, "no library here", "make one with `transhash index`")
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
            if model and model.fingerprint not in (head.fingerprint, head.base):
                raise LibraryError(
                    file,
                    f"its codes come from model {head.model} ({head.fingerprint[:12]}), not from {model.name} ("
                    f"{model.fingerprint[:12]})",
                    "name that model, or none",
                )
            folder = os.fsencode(os.path.abspath(model.folder)) if model else b""
            facts = Facts(head.model, head.fingerprint, head.bits, folder, _now())
            library = cls._made(path, facts, None if head.layers else model)
            if head.layers:
                with library, library.catalogue.writing():
                    library.catalogue.embeddings.take(head.base, head.layers, head.fitted_to)
                library = cls.open(path, model)
        try:
            report = carry.bring(file, library.catalogue, library.places, progress)
            library.codes()
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
        self.catalogue.close()

    def reopen(self) -> None:
        """Open the same place again, after a drive was away; raises `LibraryError` while the library is not there."""
        self.close()
        if not self.exists(self.path):
            raise LibraryError(self.path, "the library is not there", "check that its drive is connected")
        catalogue = Catalogue(self.path / CATALOGUE)
        facts = catalogue.facts()
        layers = catalogue.embeddings.layers(facts.bits)
        if (layers.base if layers else facts.fingerprint) != self._base:
            catalogue.close()
            raise LibraryError(self.path, "another library is in its place, with codes of another model", "open that")
        self.catalogue, self._facts = catalogue, facts
        self._known_layers = (layers,)
        self._model = None if layers else self._unfitted
        self._index = CodeIndex(facts.bits, self.path / CODES)

    def __enter__(self) -> Library:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        """How many pictures search can find."""
        return self.catalogue.pictures.counts()[0]

    @property
    def revision(self) -> Revision | None:
        """The state of the catalogue that the codes were last brought up to; another when anything had changed."""
        return self._index.revision

    def __repr__(self) -> str:
        return f"Library({str(self.path)!r}, model={self._facts.model!r}, bits={self._facts.bits})"

    @property
    def bits(self) -> int:
        """Length of its codes."""
        return self._facts.bits

    @property
    def creation(self) -> str:
        """Names this library: another one in its place has another name, and its ids are of other pictures."""
        return self.catalogue.creation()

    @property
    def fingerprint(self) -> str:
        """Of the model that its codes come from, SHA-256 in hex."""
        return self._facts.fingerprint

    @property
    def _layers(self) -> HashLayers | None:
        """The collection's own hash layers, if its codes come from any."""
        if self._known_layers is None:
            self._known_layers = (self.catalogue.embeddings.layers(self._facts.bits),)
        return self._known_layers[0]

    @property
    def _base(self) -> str:
        """Fingerprint of the model itself, whose hash layers may have given way to the collection's own."""
        return self._layers.base if self._layers else self._facts.fingerprint

    @property
    def fitted_to(self) -> int:
        """How many pictures its hash layers were fitted to; 0 where the codes are the model's own."""
        return self._layers.pictures if self._layers else 0

    @property
    def address(self) -> str:
        """Where it is."""
        return str(self.path)

    @property
    def model(self) -> HashModel:
        """The model that the codes come from; raises `LibraryError` when it is not at hand."""
        if self._model is None:
            folder = Path(os.fsdecode(self._facts.model_folder))
            if self._unfitted is None:
                self._unfitted = model_of(self.address, self._facts.model, self._base, self.bits, folder)
            self._model = self._unfitted.fitted(self._layers.head) if self._layers else self._unfitted
        return self._model

    def index(
        self,
        folders: Folders,
        *,
        prune: bool = False,
        retry: bool = False,
        general: bool = False,
        progress: Progress | None = None,
    ) -> IndexReport:
        """Bring the library up to date with the pictures below folders; what has been done once is not done again.

        Files with known size and time of change are not opened; files with known content are not decoded. Pictures
        whose files have vanished are no longer found by search; `prune` deletes them. Files that could not be used are
        reported each time, but looked at again only when they change, or with `retry`. Hidden files and folders are
        passed over, and what `.transhashignore` names; links to folders are not followed. `progress` is called with
        the report so far after each transaction: what it counts is saved. Interrupted at any moment, the library is
        whole, and the next run goes on.

        Once there are `LEAST` pictures, and again whenever their number has doubled, the hash layers are fitted to
        them and all codes written anew (`fit`). With `general`, given before that, codes stay the model's own for good:
        they can be compared with those of other libraries.

        Raises `LibraryError` when a folder is missing, before anything is done, or when the library cannot be written.
        """
        found = roots(_each(folders))
        run = IndexRun(self.catalogue, self.places, self.model, retry=retry, progress=progress)
        report = run.run(found, prune=prune)
        if report.pruned:
            self.catalogue.shrink()
            Thumbnails(self.path).sweep(self.known_digests)
        if general and not self._layers and not self.catalogue.embeddings.are_general():
            with self.catalogue.writing():
                self.catalogue.embeddings.keep_general(self._base)
        is_due = len(self) >= max(LEAST, 2 * self.fitted_to)
        if is_due and not self.catalogue.embeddings.are_general() and not self.catalogue.embeddings.missing():
            report.fitted = self.fit()
        self.codes()
        return report

    def fit(self) -> int:
        """Fit the hash layers to the library's own pictures, without labels, and write all codes anew.

        Codes of one length find more of what belongs together when they are spent on what tells these pictures apart.
        Nothing is decoded: embeddings are kept with the pictures. The library has another fingerprint afterwards, and
        codes from before are not compared with those from after. Returns how many pictures there are.

        Raises `LibraryError` when some pictures have no embedding, or there are fewer pictures than bits.
        """
        base = self._base
        if missing := self.catalogue.embeddings.missing():
            raise LibraryError(
                self.path,
                f"{missing:,} pictures come from an older transhash and have no embedding to fit codes to",
                "index their folders in a new library",
            )
        try:
            with self.catalogue.writing():
                pictures = self.catalogue.embeddings.fit(base, self.bits).pictures
        except DataError as error:
            raise LibraryError(self.path, error.reason, error.remedy) from error
        self.codes()
        return pictures

    @overload
    def search(self, query: list[Source] | Queries, k: int = 10, **limits: Unpack[Limits]) -> list[list[Hit]]: ...
    @overload
    def search(self, query: Source, k: int = 10, **limits: Unpack[Limits]) -> list[Hit]: ...
    def search(self, query: Any, k: int = 10, **limits: Unpack[Limits]) -> Any:
        """The k pictures most like one picture, nearest first; for a list of pictures, a list of hits for each.

        Pictures that are encoded already are given as `Queries(codes)` or `Queries.of(values)`. Equal distances are
        ordered by how sure a query is of the bits that differ (of packed codes nothing tells that), then by id.

        At most `max_distance` bits may differ, and the probability of relevance, by the model's calibration, must be at
        least `min_probability`. `where` is a filter: the nearest of all pictures that pass it, such as `"width >= 800
        and label = 'cat'"` (`transhash.library.catalogue.where` has the language). Paths that begin with / are compared
        with absolute paths; others with paths relative to the folder that contains the library.

        Raises `ImageError` for the first query that cannot be used, `FilterError` for a filter that makes no sense, and
        `UncalibratedError` for a probability that the model was not calibrated to tell.
        """
        return answer(self, query, Options(k, **limits))

    def nearest(self, queries: Queries, k: int, where: str | None) -> Near:
        """The distances int32 [Q, k] and ids int64 [Q, k] of the k nearest pictures; some may be gone meanwhile.

        Nearest by code. Where embeddings order (`by_embeddings`), they do so for the first `CANDIDATES`.
        """
        index, kept, layers = self.codes(), queries.embeddings, self._layers
        if kept is None or not self.by_embeddings:
            return nearest(index, queries, k, self._allowed(where))
        if layers:  # those of this moment: another process may have fitted since
            queries = Queries(layers.head.codes(kept), None, kept)
        near = nearest(index, queries, max(k, CANDIDATES), self._allowed(where))
        return by_likeness(near, kept, self.kept, k)

    @property
    def by_embeddings(self) -> bool:
        """Whether embeddings order the nearest pictures: where codes are fitted, or the model tells their likeness.

        Other models' own codes keep the order of their distances, which the calibration of these speaks of.
        """
        return self._layers is not None or self.model.likeness is not None

    def kept(self, ids: Iterable[int]) -> dict[int, bytes]:
        """Embeddings of pictures, int8, by id; those that have none are left out."""
        with self.catalogue.reading():
            return self.catalogue.embeddings.of(ids)

    def _allowed(self, where: str | None) -> NDArray[np.int64] | None:
        return None if where is None else self._passing(where)

    def rows(self, ids: list[int]) -> dict[int, Picture]:
        """What is known of the pictures that `nearest` found; raises `LibraryError` for ids of another library."""
        with self.catalogue.reading():
            found = described(self.catalogue, self.places, ids)
            if len(found) < len(ids) and self._index.revision == self.catalogue.revision():
                raise LibraryError(self.path, "the file of its codes is not of its catalogue", "delete that file")
        return found

    def codes(self) -> HammingIndex:
        """The codes of all pictures that search can find, brought up to date; to be searched, not changed."""
        index = self._index.refresh(self.catalogue)
        facts = self.catalogue.facts()
        if facts.fingerprint != self._facts.fingerprint:  # hash layers were fitted, here or by another process
            self._facts, self._known_layers = facts, (self.catalogue.embeddings.layers(facts.bits),)
            self._model = None
            index = self._index.refresh(self.catalogue)
        return index

    def passing(self, where: str | None = None, *, stop: Callable[[], bool] | None = None) -> NDArray[np.int64]:
        """The ids of the pictures that pass a filter, or of all, ascending; raises `FilterError`.

        When `stop` becomes true while the filter is looked at, that is broken off: raises `BrokenOffError`.
        """
        ids = self.codes().ids
        if where is None:
            return ids
        with self.catalogue.stoppable(stop or _never):
            return np.intersect1d(ids, self._passing(where), assume_unique=True)

    def pictures(self, ids: Iterable[int]) -> dict[int, Picture]:
        """What is known of pictures, by id; ids that search cannot find, or not any more, are left out."""
        with self.catalogue.reading():
            return described(self.catalogue, self.places, (int(id_) for id_ in ids))  # SQLite takes NumPy's for bytes

    def known_digests(self, digests: Iterable[str]) -> set[str]:
        """Those of some digests (hex) that a picture has, vanished ones included."""
        return {digest.hex() for digest in self.catalogue.pictures.known_digests(map(bytes.fromhex, digests))}

    def facets(self) -> Facets:
        """Folders and values for people to choose from."""
        return facets(self.catalogue)

    def add(self, pictures: Iterable[Source], *, max_pixels: int | None = None) -> list[int]:
        """Take pictures in: each is put away beside the library, in the folder `added`, and indexed; gives their ids.

        A picture whose content was added before keeps its id, and nothing is written. Paths and bytes are kept as the
        files that they are, images and arrays as PNG. Raises `ImageError` for the first that cannot be used, before
        anything is written, and `LibraryError` when the library cannot be written.
        """
        from transhash.library.files.adding import add

        return add(self.catalogue, self.places, self.model, list(pictures), max_pixels)

    def remove(self, ids: Iterable[int]) -> int:
        """Forget pictures, and return how many there were.

        The file of a picture that `add` put away is deleted. Any other file is left alone, and the next `index` of its
        folder finds it again, unless `.transhashignore` names it.
        """
        from transhash.library.files.adding import remove

        return remove(self.catalogue, self.places, map(int, ids))

    def duplicates(
        self,
        max_distance: int = 8,
        *,
        folders: Folders | None = None,
        kinds: Sequence[str] = ("same-file", "same-pixels", "copy"),
        keep: Sequence[str] = ("best",),
        reference: Folders = (),
        within: bool = False,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> DuplicatesReport:
        """Groups of pictures that repeat one another, each with the one to keep; nothing is changed or deleted.

        Pictures whose codes differ in at most `max_distance` bits from another one's are looked at, and compared where
        they may be the same (docs/duplicates.md). `kinds`: "same-file", "same-pixels", "copy", "edit", "burst",
        "unsure", or "all". `keep`: rules for the one to keep, of which the first that tells two pictures apart
        decides: "best" (pixels, compression, the camera's date), "largest", "oldest", "newest", "path:GLOB". Pictures
        below `reference` are kept, whatever the rules say. `within`: only pictures of the same folder. With `folders`
        only pictures below these count. Pairs that somebody has told apart (`transhash duplicates
        --not-duplicates`) are left out. `progress` is called with
        (stage, done, total).

        Raises `LibraryError` when a folder is missing or a kind or a rule is none, `HammingIndexError` for a distance
        below 0.
        """
        from transhash.library.duplicates.contents import Contents
        from transhash.library.duplicates.groups import Search, Wishes, kinds_of
        from transhash.library.duplicates.verdicts import Verdicts

        wishes = Wishes(
            kinds=kinds_of(kinds),
            keep=tuple(keep),
            reference=tuple(os.fsdecode(root) for root in roots(_each(reference))),
            within=within,
            not_duplicates=Verdicts(self.path).pairs(),
        )
        ranges = None
        if folders is not None:
            ranges = [each for root in roots(_each(folders)) for each in self.places.ranges(root)]
        with self.catalogue.reading():
            try:
                contents = Contents.of(self.catalogue.pictures.contents(ranges))
            except ValueError as error:
                raise self.catalogue.damaged() from error
        join = self.codes().join(max_distance, ids=contents.ids)
        search = Search(contents, join, self._paths, progress, wishes=wishes, thumbnails=Thumbnails(self.path))
        return search.run()

    def _paths(self, ids: list[int]) -> dict[int, str]:
        """Where pictures are, by id."""
        with self.catalogue.reading():
            placed = self.catalogue.pictures.placed(ids)
        return {id_: self._path(each) for id_, each in placed.items()}

    def _path(self, placed: Placed) -> str:
        return os.fsdecode(os.path.join(self.places.on_disk(placed.folder), placed.name))

    def _passing(self, where: str) -> NDArray[np.int64]:
        """The ids that pass a filter; the last filter's are kept, for many queries in several batches."""
        with self.catalogue.reading():
            key = (where, self.catalogue.revision())
            filtered = self._filtered
            if filtered is None or filtered[0] != key:
                filtered = self._filtered = key, self.catalogue.columns.matching(where, self.places.base)
        return filtered[1]

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
        return annotate(self.catalogue, self.places, rows, key)

    def drop_column(self, name: str) -> None:
        """Remove one of your own columns with all its values; raises `LibraryError` when there is none of that name."""
        drop(self.catalogue, name)

    def export(self, to: str | os.PathLike[str], *, progress: Callable[[int], object] = lambda _: None) -> int:
        """Write every picture that search can find to a Parquet file, with its code and all that is known of it.

        Returns how many. Raises `DataError` when the file cannot be written. (`transhash.remote.milvus.send` fills a
        collection in Milvus.)
        """
        return carry.write(Path(to), self.catalogue, progress)

    def verify(self, *, deep: bool = False, progress: Callable[[int], object] = lambda _: None) -> Verification:
        """Check the library from end to end: the catalogue, its codes, the index file, the model.

        An index file that does not fit the catalogue is built anew. `deep` reads all files again and compares them with
        what was indexed, and encodes a sample of them; `progress` is then told how many have been looked at.
        """
        return verify(self.catalogue, self.places, self._index, lambda: self.model, deep=deep, progress=progress)

    def info(self) -> LibraryInfo:
        """The facts of the library."""
        with self.catalogue.reading():
            pictures, skipped, vanished = self.catalogue.pictures.counts()
            columns = {name: str(column.kind) for name, column in self.catalogue.columns.all().items()}
        return LibraryInfo(
            path=self.path,
            pictures=pictures,
            skipped=skipped,
            vanished=vanished,
            model=self._facts.model,
            bits=self._facts.bits,
            fingerprint=self._facts.fingerprint,
            created=self._facts.created,
            fitted_to=self.fitted_to,
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


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
