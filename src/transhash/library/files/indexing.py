"""One indexing run: compare the folders with the catalogue, encode what is new, save in small transactions.

Both sides come sorted by name, so that they are compared like two sorted lists, a folder at a time, and memory does not
grow with the collection. A file with known size and time of change is not opened. Any other is hashed: content that is
known under another path needs no decoding, and is the same picture, moved, when nothing is left at that path.

A folder that had pictures and has nothing in it now may be the place of a drive that is away: it counts as one that
cannot be read.

A file that was changed just before it was looked at may change once more within the same tick of its clock (2 s on some
drives). It is remembered under a time that it does not have, so that the next run hashes it again.
"""

from __future__ import annotations

import os
import stat
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from transhash.images import PASSING_REASONS
from transhash.library import digests
from transhash.library.catalogue.catalogue import Catalogue
from transhash.library.catalogue.kinds import seconds
from transhash.library.catalogue.records import Coded, File, Known, Origin, Twin
from transhash.library.files.absence import emptied
from transhash.library.files.moves import Moves
from transhash.library.files.paths import Places, modified
from transhash.library.files.thumbnails import Thumbnails
from transhash.library.files.walk import Folder, walk
from transhash.library.files.wanted import NOTHING_THERE, Wanted, changed, fault_of, remembered, stamp, unfit
from transhash.library.results import IndexReport, Skipped
from transhash.model.encoder import stream
from transhash.progress import Progress

if TYPE_CHECKING:
    from transhash.model import Encoded, Encoder

ROWS, _SECONDS = 1024, 0.5  # a transaction is written after so many changes or so much time
_MOST_REPLACED = 4096  # files of a folder with other content than before that are held back, some hundred bytes each
_UNSETTLED = "it changed a moment ago and is perhaps still being copied: index again"


class IndexRun:
    """One run over some folders."""

    def __init__(
        self, catalogue: Catalogue, places: Places, model: Encoder, *, retry: bool, progress: Progress
    ) -> None:
        self.report = IndexReport()
        self._catalogue = catalogue
        self._places = places
        self._model = model
        self._origin = origin_of(model)
        self._embeds = hasattr(model, "embedding_values")  # what it encodes has an embedding
        self._retry = retry
        self._progress = progress
        self._started = time.time_ns()
        self._since = catalogue.revision().number  # folders were looked at later: what came since is not missing
        self._changes: list[Callable[[], object]] = []
        self._unread: list[bytes] = []  # folders that say nothing about what is below them, each with a separator
        self._empty: dict[bytes, bytes] = {}  # folders without anything, and the root of each
        self._moves = Moves(catalogue, places)
        self._replaced: list[tuple[Wanted, Known]] = []  # files of one folder that are no longer what was known there
        self._written = time.monotonic()

    def run(self, roots: list[bytes], *, prune: bool) -> IndexReport:
        """Bring the catalogue up to date with the pictures below `roots` (absolute, none below another)."""
        self._moves.roots = tuple(roots)
        for batch in stream(self._model, self._files(roots), source=_path):
            for encoded in batch:
                if encoded.error and encoded.error.reason in PASSING_REASONS:  # a drive that went away, for example
                    self._skip(encoded.item.path, encoded.error.reason, encoded.error.remedy)
                    continue
                if fault := changed(encoded.item):
                    self._skip(encoded.item.path, *fault)
                    continue
                if encoded.item.is_known:
                    self._complete(encoded.item, coded(encoded, self._origin))
                    continue
                self.report.first_frames += encoded.is_first
                self._put(encoded.item, coded(encoded, self._origin))
        self._write()
        self._name_empty(prune=prune)
        self.report.removed = self._catalogue.pictures.vanished(self._started)
        self.report.skipped.sort(key=lambda skipped: os.fsencode(skipped.path))
        if prune:
            with self._catalogue.writing(patient=True):
                for root in roots:
                    for folder in self._catalogue.folders.within(self._places.ranges(root)):
                        if self._is_readable(folder):
                            self.report.pruned += self._catalogue.pictures.prune(folder)
        if self.report.pruned:
            self._catalogue.database.shrink()
        if prune:  # small copies also of contents that were replaced
            Thumbnails(self._catalogue.path.parent).sweep(self._catalogue.pictures.known_digests)
        self.report.unembedded = self._catalogue.embeddings.missing() if self._embeds else 0
        return self.report

    def _files(self, roots: Iterable[bytes]) -> Iterator[Wanted]:
        """The files that need a code; everything else that is found out on the way is noted."""
        for root in roots:
            seen: set[bytes] = set()
            for folder in walk(root):
                if folder.error:
                    self._unread.append(os.path.join(folder.path, b""))
                    self._skip(folder.path, *fault_of(folder.error))
                elif not folder.is_empty:
                    stored = self._places.stored(folder.path)
                    seen.add(stored)
                    self.report.unread = dict(folder.unread + Counter(self.report.unread))
                    yield from self._compare(folder, stored)
            if not os.path.isdir(root):  # went away meanwhile, and with it what is below
                self._unread.append(os.path.join(root, b""))
                self._skip(root, "no such folder", "check that its drive is connected, and index again")
                continue
            # A folder that cannot be read now says nothing about the pictures in it.
            for stored in filter(self._is_readable, self._catalogue.folders.within(self._places.ranges(root)) - seen):
                if empty := emptied(self._places.on_disk(stored), root):
                    self._empty[empty] = root
                else:
                    self._later(partial(self._catalogue.pictures.vanish_folder, stored, self._started, self._since))

    def _is_readable(self, stored: bytes) -> bool:
        """Whether a known folder is below none that could not be read."""
        return not os.path.join(self._places.on_disk(stored), b"").startswith(tuple(self._unread))

    def _name_empty(self, *, prune: bool) -> None:
        """Name the empty folders whose pictures are nowhere else; before any is pruned also those that had vanished."""
        for folder, root in self._empty.items():
            if self._catalogue.folders.have_pictures(self._places.ranges(folder), vanished=prune):
                emptied_by_user = "put any file into it" if folder == root else "delete the folder"
                remedy = f"check that its drive is connected; if you emptied it, {emptied_by_user}"
                self._skip(folder, "empty, though pictures of it are known", remedy)
                self._unread.append(os.path.join(folder, b""))

    def _compare(self, folder: Folder, stored: bytes) -> Iterator[Wanted]:
        known = self._catalogue.pictures.known(stored)
        row = next(known, None)
        for name in folder.names:
            while row and row.name < name:
                self._gone(stored, row)
                row = next(known, None)
            if row and row.name == name:
                match, row = row, next(known, None)
            else:
                match = None
            wanted = self._judge(os.path.join(folder.path, name), stored, name, match)
            if wanted:
                yield wanted
            if len(self._replaced) >= _MOST_REPLACED:
                yield from self._settle()
            self._write_when_due()
        yield from self._settle()
        while row:
            self._gone(stored, row)
            row = next(known, None)

    def _gone(self, stored: bytes, row: Known | None) -> None:
        if row and not row.vanished:
            self._later(partial(self._catalogue.pictures.vanish, stored, row.name, self._started, self._since))

    def _judge(self, path: bytes, stored: bytes, name: bytes, row: Known | None) -> Wanted | None:
        """What a file needs: nothing, a change that is noted, or (it is returned) a code."""
        replaces = row is not None
        if row and row.id in self._moves.left:
            row = None
        try:
            status = os.stat(path)
            reason = unfit(status)
            if reason:
                if not stat.S_ISDIR(status.st_mode):  # a link to one is passed over, as all links to folders
                    self._skip(path, *reason)
                self._gone(stored, row)
                return None
            size, mtime_ns = status.st_size, remembered(modified(status), time.time_ns())
            again = self._retry and row is not None and row.reason is not None
            if row and not again and (row.size, row.mtime_ns) == (size, modified(status)):
                return self._same(path, row, stored, status)
            digest = digests.file_digest(path)
        except OSError as error:
            self._skip(path, *fault_of(error))
            if error.errno in NOTHING_THERE and os.path.islink(path):  # not when a whole drive goes away
                self._gone(stored, row)
            return None
        if row and not again and row.digest == digest:
            if (row.size, row.mtime_ns) != (size, mtime_ns):
                touched = File(stored, name, size, mtime_ns, digest)
                self._later(partial(self._catalogue.pictures.touch, row.id, touched))
            return self._same(path, row._replace(size=size, mtime_ns=mtime_ns), stored, status)
        findable = row is not None and row.reason is None and not row.vanished
        is_settled = mtime_ns == modified(status)
        wanted = Wanted(path, File(stored, name, size, mtime_ns, digest), stamp(status), findable, is_settled)
        return wanted if again else self._place(wanted, row, replaces=replaces)

    def _same(self, path: bytes, row: Known, stored: bytes, status: os.stat_result) -> Wanted | None:
        """Count a file whose content is known; it is handed back where its embedding is missing."""
        is_lacking = row.reason is None and not row.is_embedded and self._embeds
        if row.vanished and not is_lacking:  # whose code may be of other hash layers: it is back when it is encoded
            self._later(partial(self._catalogue.pictures.restore, row.id))
        if row.reason is not None:
            self._skip(path, row.reason, row.remedy or "")
        elif row.vanished:
            self.report.added += 1
        else:
            self.report.unchanged += 1
        if not is_lacking:
            return None
        file = File(stored, row.name, row.size, row.mtime_ns, row.digest)
        return Wanted(path, file, stamp(status), True, row.mtime_ns == modified(status), is_known=True)

    def _place(self, wanted: Wanted, row: Known | None, *, replaces: bool) -> Wanted | None:
        """Find out which picture a file with new content is; it is handed back where it needs a code.

        At the path of a known picture it waits for the other files of the folder: that picture may be among them.
        """
        twins = self._catalogue.pictures.twins(wanted.file.digest)
        twin = self._moves.moved(wanted, twins, replaces=replaces)
        if twin is None:
            if row is None:
                return self._reuse(wanted, twins)
            self._replaced.append((wanted, row))
            return None
        self._later(partial(self._catalogue.pictures.move, twin.id, wanted.file, self._started))
        if twin.coded.reason is None:
            self.report.moved += 1
        else:
            self._skip(wanted.path, twin.coded.reason, twin.coded.remedy or "")
        return None if self._is_whole(twin.coded) else wanted._replace(is_known=True)

    def _settle(self) -> Iterator[Wanted]:
        """The files that need a code among those that are no longer what was known at their paths."""
        for wanted, row in self._replaced:
            if row.id in self._moves.left:
                wanted = wanted._replace(findable=False)
            else:
                self._moves.kept.add(row.id)
            if needed := self._reuse(wanted, self._catalogue.pictures.twins(wanted.file.digest)):
                yield needed
        self._replaced.clear()

    def _reuse(self, wanted: Wanted, twins: list[Twin]) -> Wanted | None:
        """Take the code from a picture with the same content, if there is one; otherwise hand the file back."""
        whole = next((twin.coded for twin in twins if self._is_whole(twin.coded)), None)
        if whole is None:
            return wanted
        self._put(wanted, whole)
        return None

    def _is_whole(self, coded: Coded) -> bool:
        """Whether nothing is missing that encoding would give."""
        return coded.reason is not None or coded.embedding is not None or not self._embeds

    def _complete(self, wanted: Wanted, coded: Coded) -> None:
        """Write the embedding of a known picture; one that cannot be read any more keeps the code that it has."""
        if coded.reason is not None:
            self._skip(wanted.path, coded.reason, coded.remedy or "")
            return
        self._later(partial(self._catalogue.pictures.put, wanted.file, coded))
        self.report.embedded += 1

    def _put(self, wanted: Wanted, coded: Coded) -> None:
        self._later(partial(self._catalogue.pictures.put, wanted.file, coded))
        if coded.reason is not None:
            self._skip(wanted.path, coded.reason, (coded.remedy or "") if wanted.is_settled else _UNSETTLED)
        elif wanted.findable:
            self.report.updated += 1
        else:
            self.report.added += 1

    def _skip(self, path: bytes, reason: str, remedy: str) -> None:
        self.report.skipped.append(Skipped(Path(os.fsdecode(path)), reason, remedy))

    def _later(self, change: Callable[[], object]) -> None:
        self._changes.append(change)
        self._write_when_due()

    def _write_when_due(self) -> None:
        if len(self._changes) >= ROWS or time.monotonic() - self._written > _SECONDS:
            self._write()

    def _write(self) -> None:
        if self._changes:
            with self._catalogue.writing(patient=True):
                for change in self._changes:
                    change()
        self._changes.clear()
        self._moves.waiting.clear()
        self._written = time.monotonic()
        skipped = len(self.report.skipped)
        self._progress("indexing", self.report.seen, 0, f"{skipped:,} skipped" if skipped else "")


def _path(wanted: Wanted) -> str:
    return os.fsdecode(wanted.path)


def origin_of(model: Encoder) -> Origin:
    """Which model its codes come from."""
    unfitted: Encoder = getattr(model, "unfitted", model)
    return Origin(unfitted.fingerprint, model.fingerprint)


def coded(encoded: Encoded, origin: Origin) -> Coded:
    """What the catalogue keeps of a picture that a model encoded, or could not."""
    if encoded.code is not None:
        taken = None if encoded.taken is None else seconds(encoded.taken)
        kept = None if encoded.embedding is None else encoded.embedding.tobytes()
        return Coded(encoded.width, encoded.height, encoded.code.tobytes(), None, None, taken, kept, origin)
    assert encoded.error is not None  # there is one or the other
    return Coded(encoded.width, encoded.height, None, encoded.error.reason, encoded.error.remedy)
