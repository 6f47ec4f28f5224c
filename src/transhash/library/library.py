"""Library: the pictures of some folders, indexed once and searched ever after."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack, overload

import numpy as np
from numpy.typing import NDArray

from transhash.errors import LibraryError
from transhash.library import results
from transhash.library import vectors as own
from transhash.library.calibrating import calibrated
from transhash.library.catalogue.catalogue import Catalogue
from transhash.library.catalogue.database import CATALOGUE
from transhash.library.exchange.annotation import Annotations, annotate, drop
from transhash.library.files.indexing import IndexRun
from transhash.library.files.paths import Places
from transhash.library.files.walk import Folders, roots
from transhash.library.fitting import fit, fit_if_due
from transhash.library.models import reopened
from transhash.library.opening import exists, folder_of, located, made
from transhash.library.pictures import described, facts
from transhash.library.ranking import answer
from transhash.library.searchable import Hit, Limits, One, Options, Picture, Several, ids_of
from transhash.library.searching import LocalSearch
from transhash.model.encoder import checked
from transhash.progress import Progress, silent
from transhash.system import StrPath

if TYPE_CHECKING:
    from transhash.images import Source
    from transhash.model import Encoder
    from transhash.model.encoder import AnyEncoder
    from transhash.search import HammingIndex


class Library:
    """An indexed collection: a folder that holds a catalogue, and search over it.

        library = Library.create("photos/.transhash", transhash.load())
        library.index("photos/")
        hits = library.search("query.jpg", k=10)

    Safe to use from any thread; any number of processes may read while one writes. Pictures below the folder that
    contains the library are known relative to it, so that the folder can be moved with its library.
    """

    def __init__(self, path: Path, catalogue: Catalogue, model: Encoder | None) -> None:
        """Use `create` or `open`."""
        self.path = path
        self.catalogue = catalogue
        self.places = Places(os.fsencode(os.path.realpath(path.parent)))
        self.searching = LocalSearch(path, catalogue, self.places, model)

    @classmethod
    def create(
        cls, path: StrPath, model: AnyEncoder | None = None, *, exist_ok: bool = False, **rows: Unpack[own.Rows]
    ) -> Library:
        """Make a library, a folder at `path`; with `exist_ok` open the one that is there.

        `model`: a `HashModel`, an encoder of your own, or what made `vectors`, if it is to read queries. `rows`:
        `vectors`, float (N, F), with `ids`, `columns` and `progress` as `vectors.add` takes them. Raises `LibraryError`
        when it is there, cannot be made, or is of another model, and `ModelError` for what is no encoder.
        """
        encoder = own.encoder_of(model, rows.get("vectors"))
        path = Path(path).absolute()
        if not exist_ok and exists(path):
            raise LibraryError(path, "there is a library already", "open it, or choose another place")
        checked_rows = own.first_rows(encoder, path, rows)  # before anything is made
        library = cls(path, made(path, encoder.name, encoder.fingerprint, encoder.bits, folder_of(encoder)), encoder)
        if checked_rows:
            library.vectors.take(checked_rows, rows.get("progress", silent))
        return library

    @classmethod
    def open(cls, path: StrPath, model: AnyEncoder | None = None) -> Library:
        """Open a library: its folder, or the folder that contains it as `.transhash`.

        Without `model`, its own is loaded when a picture is first encoded. Raises `LibraryError` when there is none,
        when it is damaged or of a newer transhash, or when `model` is another. `transhash.open_library` opens others.
        """
        path = located(path)
        return cls(path, Catalogue(path / CATALOGUE), checked(model) if model else None)

    @classmethod
    def import_(
        cls, file: StrPath, path: StrPath, model: AnyEncoder | None = None, *, progress: Progress = silent
    ) -> tuple[Library, results.ImportReport]:
        """Take an exported library (`export`) into the one at `path`, which is made when there is none.

        Nothing is decoded. A picture takes the place of one of the same path. A new library remembers `model`, or finds
        its own when that ships with the package. The file is checked whole before anything is written: raises
        `DataError` when it is damaged, and `LibraryError` when its model is not the library's.
        """
        from transhash.library.exchange import parquet as carry

        file, path = Path(file), Path(path).absolute()
        head = carry.checked(file)
        if not exists(path):
            carry.accept(file, head, path, checked(model) if model else None)
        library = cls.open(path, model)
        try:
            report = carry.bring(file, library.catalogue, library.places, progress)
            library.searching.settle()
        except BaseException:
            library.close()
            raise
        return library, report

    exists = staticmethod(exists)

    def close(self) -> None:
        """Close the files; the library is not used any more."""
        self.catalogue.close()

    def reopen(self) -> None:
        """Open the same place again, after a drive was away; raises `LibraryError` while the library is not there."""
        base = self.searching.own.base  # while it can be read
        self.close()
        self.catalogue = reopened(self.path, base)
        self.searching = LocalSearch(self.path, self.catalogue, self.places, self.searching.own.unfitted)

    def __enter__(self) -> Library:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        """How many pictures search can find."""
        return self.catalogue.pictures.counts()[0]

    def __repr__(self) -> str:
        return f"Library({str(self.path)!r}, model={self.searching.own.facts.model!r}, bits={self.bits})"

    @property
    def bits(self) -> int:
        """Length of its codes."""
        return self.searching.own.facts.bits

    @property
    def creation(self) -> str:
        """Names this library: another one in its place has another name, and its ids are of other pictures."""
        return self.catalogue.creation()

    @property
    def fingerprint(self) -> str:
        """Of the model that its codes come from, SHA-256 in hex."""
        return self.searching.own.facts.fingerprint

    @property
    def fitted_to(self) -> int:
        """How many pictures its hash layers were fitted to; 0 where the codes are the model's own."""
        return self.searching.own.fitted_to

    @property
    def model(self) -> Encoder:
        """The model that the codes come from; raises `LibraryError` when it cannot be found."""
        return self.searching.model

    @property
    def vectors(self) -> own.OwnVectors:
        """Its vectors, where these are your own: `library.vectors.add(vectors, ids, columns)`."""
        return own.OwnVectors(self.catalogue, self.places, self.searching)

    def index(
        self,
        folders: Folders,
        *,
        prune: bool = False,
        retry: bool = False,
        general: bool = False,
        progress: Progress = silent,
    ) -> results.IndexReport:
        """Bring the library up to date with the pictures below folders; what has been done once is not done again.

        Files with known size and time of change are not opened; files with known content are not decoded. Pictures
        whose files have vanished are no longer found by search; `prune` deletes them. Files that could not be used are
        reported each time, but looked at again only when they change, or with `retry`. Hidden files and folders are
        skipped, and what `.transhashignore` names; links to folders are not followed. `progress` is called after each
        transaction with the files judged so far: what it counts is saved. Interrupted at any moment, the library is
        whole, and the next run goes on.

        Pictures without an embedding are encoded again. Once search can find 100 pictures, and more than a code has
        bits, and whenever their number has doubled, the hash layers are fitted to them and all codes written again
        (`fit`). When most of these are gone, and others came, that is a doubling, too. With `general`, given before
        that, or a model of `transhash fit`, codes stay the model's own, as those of other libraries.

        Raises `LibraryError` when no folder is there or `general` is late, or when the library cannot be written.
        """
        found = roots(folders, some=True)
        self.searching.own.refresh()
        encoder = own.pictured(self.model, self.path)
        self.searching.own.check(general=general)
        report = IndexRun(self.catalogue, self.places, encoder, retry=retry, progress=progress).run(found, prune=prune)
        report.fitted = fit_if_due(self.catalogue, self.searching, added=report.added, general=general)
        return report

    def fit(self) -> int:
        """Fit the hash layers to the library's own pictures, without labels, and write all codes again.

        Codes of one length find more of what belongs together when they are spent on what tells these pictures apart.
        Nothing is decoded: embeddings are kept with the pictures. The library has another fingerprint afterwards, and
        codes from before are not compared with those from after. Returns how many pictures there are. Raises
        `LibraryError` when some pictures have no embedding, or there are fewer pictures than bits.
        """
        pictures = fit(self.catalogue, self.searching.own)
        self.searching.settle()
        return pictures

    def calibrate(self, by: str | None) -> results.CalibrationReport | None:
        """Fit the probabilities of hits to your own kinds of pictures; with None they are the model's again.

        `by`: a column of your own, or `folder`. A probability is then that of having the same value there, also after
        hash layers are fitted again. 50 pictures with a value are needed, up to 2,000 are compared. Raises
        `LibraryError` for a column that does not tell pictures apart, and where hits are ordered by distances.
        """
        return calibrated(self.catalogue, self.searching, by)

    @overload
    def search(self, query: Several, k: int = 10, **limits: Unpack[Limits]) -> list[list[Hit]]: ...
    @overload
    def search(self, query: One, k: int = 10, **limits: Unpack[Limits]) -> list[Hit]: ...
    def search(self, query: Any, k: int = 10, **limits: Unpack[Limits]) -> list[Hit] | list[list[Hit]]:
        """The k pictures most like one, as a list of `Hit`, most similar first; for a list of pictures a list for each.

        A query may be a vector, float (F,), `Words("red car")`, or a `Mixture` of these, where the model reads them;
        or encoded already: `Queries(codes)`, `Queries.of(values)`. Cosines order the nearest by code, where the library
        and the query have embeddings; else distances, then how sure a query is of the bits that differ, then ids.

        At most `max_distance` bits may differ, and the probability of relevance (`Hit`) must be at least
        `min_probability`. `where` is a filter: the nearest of all pictures that pass it, such as `"width >= 800
        and label = 'cat'"` (docs/catalogue.md has the language). Paths that begin with / are compared with absolute
        paths; others with paths relative to the folder that contains the library. With `collapse` copies are one hit.

        Raises `ImageError` for the first query that cannot be used, `FilterError` for a filter that makes no sense, and
        `UncalibratedError` for a probability that the model was not calibrated to tell.
        """
        options = Options(k, **limits)
        return answer(query, lambda: self.model, lambda queries: self.searching.hits(queries, options))

    def codes(self) -> HammingIndex:
        """The codes of all pictures that search can find, brought up to date; to be searched, not changed."""
        return self.searching.codes()

    def passing(self, where: str | None = None, *, stop: Callable[[], bool] | None = None) -> NDArray[np.int64]:
        """Return the ids of the pictures that pass a filter, or of all: int64 [n], ascending. Raises `FilterError`.

        When `stop` returns true while the filter is looked at, the search ends: raises `BrokenOffError`.
        """
        return self.searching.passing(where, stop)

    def pictures(self, ids: Iterable[int]) -> dict[int, Picture]:
        """What is known of pictures, by id; ids that search cannot find, or not any more, are left out."""
        with self.catalogue.reading():
            return described(self.catalogue, self.places, ids_of(ids))

    def add(self, pictures: Iterable[Source], *, max_pixels: int | None = None) -> list[int]:
        """Take pictures in: each is put next to the library, in the folder `added`, and indexed; gives their ids.

        A picture whose content was added before keeps its id, and nothing is written. Paths and bytes are kept as the
        files that they are, images and arrays as PNG. Codes are fitted when that is due (`index`). Raises `ImageError`
        for the first that cannot be used, before anything is written, and `LibraryError` when nothing can be written.
        """
        from transhash.library.files.adding import add

        return add(self.catalogue, self.places, self.searching, list(pictures), max_pixels)

    def remove(self, ids: Iterable[int]) -> int:
        """Forget pictures, and return how many there were.

        The file of a picture that `add` put away is deleted. Any other file is left alone, and the next `index` of its
        folder finds it again, unless `.transhashignore` names it.
        """
        from transhash.library.files.adding import remove

        return remove(self.catalogue, self.places, ids_of(ids))

    def duplicates(
        self,
        max_distance: int = 8,
        *,
        folders: Folders | None = None,
        kinds: Sequence[str] = ("same-file", "same-pixels", "copy"),
        keep: Sequence[str] = ("best",),
        reference: Folders = (),
        within: bool = False,
        progress: Progress = silent,
    ) -> results.DuplicatesReport:
        """Groups of pictures that repeat one another, each with the one to keep; nothing is changed or deleted.

        Compared are, in a fitted library, the pictures with the nearest embeddings, in others those whose codes differ
        in at most `max_distance` bits (docs/duplicates.md). With as many bits as codes have, all are looked at.
        `kinds`: "same-file", "same-pixels", "copy", "edit", "burst", "unsure", "raw+jpeg", or "all"; they replace the
        default, "+edit" adds to it. `keep`: rules, of which the first that tells two pictures apart decides: "best"
        (docs/duplicates.md), "largest", "oldest", "newest", "path:GLOB". Pictures below `reference` are kept, whatever
        the rules say, and only their copies are listed. `within`: only pictures of the same folder. With `folders` only
        pictures below these and `reference` count. Pairs that `--not-duplicates` has noted are left out.

        Raises `LibraryError` for a folder, kind or rule that there is not, `HammingIndexError` for a distance below 0.
        """
        from transhash.library.duplicates.asking import search_for, wishes_of

        wishes = wishes_of(kinds, keep, reference, within, self.path)
        return search_for(self, max_distance, folders, wishes, progress)

    def annotate(self, rows: Annotations, *, key: str = "path") -> results.AnnotationReport:
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
        drop(self.catalogue, [name])

    def export(self, to: StrPath, *, vectors: bool = True, progress: Progress = silent) -> int:
        """Write every picture that search can find to a Parquet file, with its code and all that is known of it.

        `vectors`: with its embedding, if it has one. Returns how many. Raises `DataError` when that cannot be written.
        (`transhash.remote.milvus.send` fills a collection in Milvus.)
        """
        from transhash.library.exchange import parquet

        return parquet.write(Path(to), self.catalogue, progress, vectors=vectors)

    def verify(self, *, deep: bool = False, progress: Progress = silent) -> results.Verification:
        """Check the library from end to end: the catalogue, the files that are derived from it, the model.

        Derived files and codes that do not fit are made again. `deep` reads the files of all pictures again and
        compares them with what was indexed, and encodes a sample; `progress` is then called for each page of them.
        """
        from transhash.library.files.verifying import verify

        return verify(self.catalogue, self.places, self.searching, deep=deep, progress=progress)

    def info(self) -> results.LibraryInfo:
        """The facts of the library."""
        return facts(self.path, self.catalogue, self.searching.index, self.fitted_to)
