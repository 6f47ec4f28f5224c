"""A library checked from end to end: the catalogue, what is derived from it, the model, and the files themselves."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from transhash.errors import ImageError, LibraryError
from transhash.library.catalogue.catalogue import Catalogue
from transhash.library.catalogue.records import Indexed
from transhash.library.catalogue.soundness import damages, misfits
from transhash.library.code_index import CodeIndex
from transhash.library.digests import content_hash, file_digest
from transhash.library.embedding_index import EmbeddingIndex
from transhash.library.files.indexing import unfit
from transhash.library.files.paths import Places, modified
from transhash.library.results import Problem, Verification
from transhash.model.embedder import Embedder
from transhash.model.encoder import is_hash_model, stream
from transhash.progress import Progress

if TYPE_CHECKING:
    from transhash.model import Encoder

EXAMPLES = 5  # paths that a problem names
SAMPLE = 256  # pictures that are encoded again
UNSURE = 0.01  # a bit whose relaxed value is nearer to 0 than this may differ between processors

_REMADE = "restore the catalogue from a copy, or remove the library and index the folders again"
_KINDS = {  # what is wrong with files, and the remedy
    "gone": ("are gone", "mount their drive, or run `transhash index` on their folders"),
    "changed": ("have changed since they were indexed", "run `transhash index` on their folders"),
    "silent": (
        "have another content than was indexed, under the same size and time",
        "restore them from a copy, or `touch` them and run `transhash index`",
    ),
    "unreadable": ("cannot be read", "check their permissions and the drive"),
    "codes": ("are encoded to other codes than the library has", _REMADE),
    "vectors": ("have another vector than was imported, or another code than it gives", "import these vectors again"),
}


def verify(
    catalogue: Catalogue,
    places: Places,
    codes: CodeIndex,
    embeddings: EmbeddingIndex,
    model: Callable[[], Encoder],
    *,
    deep: bool,
    progress: Progress,
) -> Verification:
    """Check a library from end to end (`Library.verify`); `model` gives the model, or raises `LibraryError`."""
    result = Verification()
    result.problems.extend(catalogue_problems(catalogue, codes.bits))
    if result.problems:
        return result
    result.pictures = catalogue.pictures.counts()[0]
    for derived in (codes, embeddings):
        if reason := derived.misfit(catalogue):
            _mend(result, derived, reason, catalogue)
    found: Encoder | None = None
    try:
        found = model()
    except LibraryError as error:
        result.problems.append(Problem(f"{error.where}: {error.reason}", error.remedy))
    if deep:
        FileCheck(catalogue, places, found).run(result, progress)
    return result


def _mend(result: Verification, derived: CodeIndex | EmbeddingIndex, reason: str, catalogue: Catalogue) -> None:
    file = derived.file
    try:
        derived.rebuild(catalogue)
    except OSError as error:
        what = f"{file}: {reason}, and it cannot be replaced ({error.strerror})"
        result.problems.append(Problem(what, "check the permissions of its folder"))
    else:
        result.mended.append(f"{file}: {reason}; it was built again from the catalogue")


def catalogue_problems(catalogue: Catalogue, bits: int) -> Iterator[Problem]:
    """What is wrong with the catalogue by itself."""
    with suppress(LibraryError):  # which is then damaged so much that the check ends
        if found := damages(catalogue.database):
            yield Problem(f"the catalogue is damaged ({'; '.join(found[:EXAMPLES])})", _REMADE)
        for what, count in misfits(catalogue.database, bits // 8).items():
            if count:
                yield Problem(f"{count:,} pictures have {what}", _REMADE)
        return
    yield Problem("the catalogue cannot be read to its end", _REMADE)


class FileCheck:
    """Compares files with what the catalogue says of them, and encodes a sample of them again."""

    def __init__(self, catalogue: Catalogue, places: Places, model: Encoder | None) -> None:
        self._catalogue = catalogue
        self._places = places
        self._model = model
        self._found: dict[str, list[Path]] = {kind: [] for kind in _KINDS}
        self._sample: list[tuple[str, bytes]] = []
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
                    self._keep(sound, (os.fsdecode(path), picture.code))
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

    def _keep(self, number: int, one: tuple[str, bytes]) -> None:
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
        for batch in stream(model, self._sample, source=lambda one: one[0]):
            for encoded in batch:
                path, code = encoded.item
                if isinstance(encoded.error, ImageError) or encoded.code is None:
                    self._found["codes"].append(Path(path))
                    continue
                differing = np.unpackbits(encoded.code ^ np.frombuffer(code, np.uint8)).astype(bool)
                if encoded.values is None or not is_hash_model(model):
                    is_other = differing.any()
                else:
                    unsure = max(UNSURE, model.rounding * float(np.sqrt(np.mean(encoded.values**2))))
                    is_other = (np.abs(encoded.values[differing]) > unsure).any()
                if is_other:
                    self._found["codes"].append(Path(path))


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
