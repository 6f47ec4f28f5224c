"""A library checked from end to end: the catalogue, what is derived from it, the model, and the files themselves."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from transhash.errors import ImageError, LibraryError
from transhash.library.catalogue.catalogue import Catalogue
from transhash.library.catalogue.columns import MISFIT, remedy
from transhash.library.catalogue.records import Indexed
from transhash.library.catalogue.soundness import damages, misfits, unfit_columns
from transhash.library.digests import content_hash, file_digest
from transhash.library.files.consistency import EXAMPLES, REMADE, head_of, layer_problems, repair
from transhash.library.files.paths import Places, modified
from transhash.library.files.wanted import unfit
from transhash.library.results import Problem, Verification
from transhash.library.searching import LocalSearch
from transhash.model.embedder import Embedder
from transhash.model.encoder import is_hash_model, stream
from transhash.model.fitted import cosines
from transhash.progress import Progress

if TYPE_CHECKING:
    from transhash.model import Encoded, Encoder

SAMPLE = 256  # pictures that are encoded again
UNSURE = 0.01  # a bit whose relaxed value is nearer to 0 than this may differ between processors
ALIKE = 0.99  # cosine of two embeddings of one picture, at least: values that are rounded otherwise leave far more

_KINDS = {  # what is wrong with files, and the remedy
    "gone": ("are gone", "mount their drive, or run `transhash index` on their folders"),
    "changed": ("have changed since they were indexed", "run `transhash index` on their folders"),
    "silent": (
        "have another content than was indexed, under the same size and time",
        "restore them from a copy, or `touch` them and run `transhash index`",
    ),
    "unreadable": ("cannot be read", "check their permissions and the drive"),
    "codes": ("are encoded to other codes than the library has", REMADE),
    "embeddings": ("are encoded to other embeddings than the library has", REMADE),
    "vectors": ("have another vector than was imported, or another code than it gives", "import these vectors again"),
}


def verify(
    catalogue: Catalogue,
    places: Places,
    searching: LocalSearch,
    *,
    deep: bool,
    progress: Progress,
) -> Verification:
    """Check a library from end to end (`Library.verify`)."""
    result = Verification()
    result.problems.extend(catalogue_problems(catalogue, searching.bits))
    if result.problems:
        return result
    result.pictures = catalogue.pictures.counts()[0]
    result.problems.extend(layer_problems(catalogue, searching.bits))
    try:
        catalogue.calibrations.present()
    except LibraryError as error:
        result.problems.append(Problem(error.reason, error.remedy))
    found: Encoder | None = None
    if not any(problem.remedy == REMADE for problem in result.problems):
        try:
            searching.own.refresh()
            found = searching.model
        except LibraryError as error:
            result.problems.append(Problem(f"{error.where}: {error.reason}", error.remedy))
        repair(result, catalogue, places, found, searching.bits)
    if reason := searching.index.misfit(catalogue):
        _mend(result, searching.index.file, reason, partial(searching.index.rebuild, catalogue))
    with suppress(LibraryError):  # hash layers that are damaged, which is told above
        source = searching.ordering(searching.own.layers)
        if reason := searching.embedding_index.misfit(source):
            rebuild = partial(searching.embedding_index.rebuild, source)
            _mend(result, searching.embedding_index.file, reason, rebuild)
    if deep:
        FileCheck(catalogue, places, found).run(result, progress)
    return result


def _mend(result: Verification, file: Path, reason: str, rebuild: Callable[[], object]) -> None:
    try:
        rebuild()
    except OSError as error:
        what = f"{file}: {reason}, and it cannot be replaced ({error.strerror})"
        result.problems.append(Problem(what, "check the permissions of its folder"))
    else:
        result.mended.append(f"{file}: {reason}; it was built again from the catalogue")


def catalogue_problems(catalogue: Catalogue, bits: int) -> Iterator[Problem]:
    """What is wrong with the catalogue by itself."""
    with suppress(LibraryError):  # which is then damaged so much that the check ends
        if found := damages(catalogue.database):
            yield Problem(f"the catalogue is damaged ({'; '.join(found[:EXAMPLES])})", REMADE)
        for what, count in misfits(catalogue.database, bits // 8).items():
            if count:
                yield Problem(f"{count:,} pictures have {what}", REMADE)
        for name, count in unfit_columns(catalogue.database).items():
            yield Problem(f"{count:,} {MISFIT.format(name)}", remedy(name))
        return
    yield Problem("the catalogue cannot be read to its end", REMADE)


class FileCheck:
    """Compares files with what the catalogue says of them, and encodes a sample of them again."""

    def __init__(self, catalogue: Catalogue, places: Places, model: Encoder | None) -> None:
        self._catalogue = catalogue
        self._places = places
        self._model = model
        self._found: dict[str, list[Path]] = {kind: [] for kind in _KINDS}
        self._sample: list[tuple[str, Indexed]] = []
        self._random = random.Random(0)

    def run(self, result: Verification, progress: Progress) -> None:
        """Add to a result what is found; `progress` is told how many files have been looked at."""
        sound = 0
        for page in self._catalogue.pictures.indexed():
            result.encoded += self._vectors([each for each in page if not each.width])
            for picture in (each for each in page if each.width):
                path = os.path.join(self._places.on_disk(picture.folder), picture.name)
                kind = look(path, picture)
                if kind:
                    self._found[kind].append(Path(os.fsdecode(path)))
                else:
                    sound += 1
                    self._keep(sound, (os.fsdecode(path), picture))
                result.files += 1
            progress("reading files", result.files, result.pictures, "")
        if self._model and self._sample:
            self._encode(self._model)
            result.encoded += len(self._sample)
        for kind, paths in self._found.items():
            if paths:
                what, remedy = _KINDS[kind]
                names = ", ".join(map(str, paths[:EXAMPLES])) + (", …" if len(paths) > EXAMPLES else "")
                result.problems.append(
                    Problem(f"{len(paths):,} {'rows' if kind == 'vectors' else 'files'} {what}: {names}", remedy)
                )

    def _keep(self, number: int, one: tuple[str, Indexed]) -> None:
        """Each of the sound pictures is in the sample with the same probability."""
        if len(self._sample) < SAMPLE:
            self._sample.append(one)
        elif (place := self._random.randrange(number)) < SAMPLE:
            self._sample[place] = one

    def _vectors(self, rows: list[Indexed]) -> int:
        """Look at rows that have no picture, but a vector; returns how many vectors there were."""
        with self._catalogue.reading():
            kept = self._catalogue.embeddings.of(each.id for each in rows)
        for row in rows:
            vector = kept.get(row.id)
            if vector is None:  # it came with an exported library, without
                continue
            is_sound = content_hash(vector).digest() == row.digest
            if is_sound and isinstance(self._model, Embedder):
                code = self._model.head.codes(np.frombuffer(vector, np.int8)[None])
                is_sound = code.tobytes() == row.code
            if not is_sound:
                self._found["vectors"].append(Path(os.fsdecode(os.path.join(row.folder, row.name))))
        return len(kept)

    def _encode(self, model: Encoder) -> None:
        kept = self._catalogue.embeddings.of(picture.id for _, picture in self._sample)
        # codes that hash layers make of embeddings were compared with these, exactly
        derived = head_of(self._catalogue, model, model.bits) is not None
        for batch in stream(model, self._sample, source=lambda one: one[0]):
            for encoded in batch:
                path, picture = encoded.item
                vector = kept.get(picture.id)
                if isinstance(encoded.error, ImageError) or encoded.code is None:
                    self._found["codes"].append(Path(path))
                elif vector is not None and encoded.embedding is not None and not _alike(encoded.embedding, vector):
                    self._found["embeddings"].append(Path(path))
                elif not (derived and vector is not None) and _is_other(model, encoded, picture.code):
                    self._found["codes"].append(Path(path))


def _alike(embedding: NDArray[np.int8], vector: bytes) -> bool:
    other = np.frombuffer(vector, np.int8)
    return len(other) == len(embedding) and float(cosines(embedding, other[None])[0]) >= ALIKE


def _is_other(model: Encoder, encoded: Encoded, code: bytes) -> bool:
    """Whether a picture has another code than was indexed, by more than rounding."""
    assert encoded.code is not None  # it was looked at
    differing = np.unpackbits(encoded.code ^ np.frombuffer(code, np.uint8)).astype(bool)
    if encoded.values is None or not is_hash_model(model):
        return bool(differing.any())
    unsure = max(UNSURE, model.rounding * float(np.sqrt(np.mean(encoded.values**2))))
    return bool((np.abs(encoded.values[differing]) > unsure).any())


def look(path: bytes, picture: Indexed) -> str | None:
    """What is wrong with a file, a key of `_KINDS`."""
    try:
        status = os.stat(path)
        if unfit(status):
            return "unreadable"
        if file_digest(path) == picture.digest:
            return None
        noticed = (status.st_size, modified(status)) != (picture.size, picture.mtime_ns)  # by the next run
        return "changed" if noticed else "silent"
    except (FileNotFoundError, NotADirectoryError):
        return "gone"
    except (OSError, ValueError):
        return "unreadable"
