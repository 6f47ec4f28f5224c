"""Groups of near-identical pictures: candidates by their codes, confirmed by their content or their pixels.

Codes within a radius make candidates. Learned codes collapse, so a code may be shared by thousands of pictures that
are merely of one kind: these are never compared each with each. Of every content that has a candidate a small copy is
made once, kept in a temporary file, and hashed; the engine joins these hashes, and what they bring together, and the
codes allow, is compared (`likeness`). Nothing of the library or of the pictures is changed.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transhash.errors import ImageError, LibraryError
from transhash.library.duplicates import confirmation as likeness
from transhash.library.results import Copy, Duplicates, DuplicatesReport, Skipped
from transhash.search import HammingIndex
from transhash.threads import spread

if TYPE_CHECKING:
    from transhash.search.join import Join

Numbers = NDArray[np.int64]
Flags = NDArray[np.bool_]
Progress = Callable[[str, int, int], None]

READ_AT_ONCE = 256
COMPARED_AT_ONCE = 1 << 16
LOOKED_AT_ONCE = 1 << 12  # pairs whose thumbnails are in memory
COARSE = 2_000_000_000  # ns: some drives keep times of change no better

CHANGED = "changed since it was indexed"


class Contents(NamedTuple):
    """What the catalogue knows of the pictures, ids ascending."""

    ids: Numbers
    digests: NDArray[np.void]
    sizes: Numbers  # bytes
    mtimes: Numbers  # ns
    widths: Numbers
    heights: Numbers

    @classmethod
    def of(cls, pages: Iterable[list[tuple[int, bytes, int, int, int, int]]]) -> Contents:
        """From pages of (id, digest, size, mtime_ns, width, height)."""
        digests, numbers = bytearray(), bytearray()
        for page in pages:
            digests += b"".join(row[1] for row in page)
            numbers += np.array([(row[0], *row[2:]) for row in page], np.int64).tobytes()
        table = np.frombuffer(numbers, np.int64).reshape(-1, 5)
        order = np.argsort(table[:, 0], kind="stable")
        marks = np.frombuffer(digests, np.dtype("V16")) if len(digests) == 16 * len(table) else None
        if marks is None:
            raise ValueError("digests of another length")
        return cls(table[order, 0], marks[order], *(table[order, column] for column in range(1, 5)))


class Search:
    """One search for duplicates. Pictures are numbered by their place in `contents`."""

    def __init__(
        self,
        contents: Contents,
        join: Join,
        paths: Callable[[list[int]], dict[int, str]],
        progress: Progress | None = None,
    ) -> None:
        """`join` has the codes of these pictures; `paths` tells where the pictures of some ids are."""
        self._contents = contents
        self._join = join
        self._paths = paths
        self._progress = progress or (lambda what, done, total: None)
        self._skipped: dict[str, Skipped] = {}
        self._shapes = np.log(np.maximum(contents.widths, 1) / np.maximum(contents.heights, 1))
        self._codes = np.empty(len(contents.ids), np.int64)  # the number of each picture's code
        places = np.searchsorted(contents.ids, join.ids)
        self._codes[places] = np.repeat(np.arange(len(join.words)), np.diff(join.starts))

    def run(self) -> DuplicatesReport:
        """Find the groups."""
        first, content = _equal_contents(self._contents.digests)
        self._content = content
        self._leaders = first[content]  # what is united leads to the same picture, the first of them
        wanted = self._candidates(first)
        self._slots = np.full(len(first), -1, np.int64)  # of each content in the file of thumbnails
        try:
            with tempfile.TemporaryFile(prefix="transhash-") as file:
                kept, hashes = self._read(first[wanted], file)
                self._slots[content[kept]] = np.arange(len(kept))
                file.flush()
                shape = (len(kept), likeness.SIZE)
                thumbnails = np.memmap(file, np.uint8, "r", shape=shape) if len(kept) else np.empty(shape, np.uint8)
                self._thumbnails: NDArray[np.uint8] = thumbnails
                self._compare(kept, hashes)
                groups = list(self._groups())
        except OSError as error:
            raise LibraryError(
                f"{tempfile.gettempdir()}: no room for small copies of the pictures ({error.strerror}); make some, or "
                "name another folder in TMPDIR"
            ) from error
        return DuplicatesReport(groups, [self._skipped[path] for path in sorted(self._skipped, key=os.fsencode)])

    def _candidates(self, first: Numbers) -> Flags:
        """Which contents have another one within the radius of their code."""
        codes = self._codes[first]
        held = np.bincount(codes, minlength=len(self._join.words))
        if self._join.radius >= self._join.bits:
            return np.full(len(first), len(first) > 1)
        accompanied = held > 1
        for some in self._join.pairs():
            accompanied[some.first] = True
            accompanied[some.second] = True
        return np.asarray(accompanied[codes])

    def _read(self, pictures: Numbers, file: BinaryIO) -> tuple[Numbers, NDArray[np.uint8]]:
        """Write the thumbnails of pictures one behind the other: (those that could be read, their hashes)."""
        kept, hashes = [np.empty(0, np.int64)], [np.empty((0, likeness.HASH_BITS // 8), np.uint8)]
        for begin in range(0, len(pictures), READ_AT_ONCE):
            some = self._present(pictures[begin : begin + READ_AT_ONCE])
            read = spread(_thumbnail, [path for _, path in some])
            good = [picture for (picture, _), one in zip(some, read, strict=True) if not isinstance(one, ImageError)]
            for (_, path), one in zip(some, read, strict=True):
                if isinstance(one, ImageError):
                    self._skip(path, one.reason, one.remedy)
            rows = np.array([one for one in read if not isinstance(one, ImageError)], np.uint8)
            if good:
                file.write(rows.tobytes())
                kept.append(np.array(good, np.int64))
                hashes.append(likeness.hashes(rows))
            self._progress("reading", min(begin + READ_AT_ONCE, len(pictures)), len(pictures))
        return np.concatenate(kept), np.concatenate(hashes)

    def _present(self, pictures: Numbers) -> list[tuple[int, str]]:
        """Those of some pictures that are still as the catalogue has them, with their paths."""
        ids = self._contents.ids[pictures].tolist()
        paths = self._paths(ids)
        present = []
        for picture, id_ in zip(pictures.tolist(), ids, strict=True):
            if id_ not in paths:
                continue  # pruned meanwhile
            try:
                status = os.stat(paths[id_])
            except OSError as error:
                reason = (error.strerror or str(error)).lower()
                self._skip(paths[id_], f"cannot be read ({reason})", "run `transhash index`")
                continue
            apart = abs(status.st_mtime_ns - int(self._contents.mtimes[picture]))
            if status.st_size == self._contents.sizes[picture] and apart <= COARSE:
                present.append((picture, paths[id_]))
            else:
                self._skip(paths[id_], CHANGED, "run `transhash index`, then this again")
        return present

    def _skip(self, path: str, reason: str, remedy: str) -> None:
        self._skipped[path] = Skipped(Path(path), reason, remedy)

    def _compare(self, kept: Numbers, hashes: NDArray[np.uint8]) -> None:
        """Unite what is alike among the pictures that have a thumbnail."""
        index = HammingIndex(likeness.HASH_BITS)
        index.add(hashes)
        join = index.join(likeness.HASH_RADIUS)
        entries = kept[join.ids]
        speaks = np.ones(len(entries), np.bool_)  # of pictures that share a hash and are copies only the first does
        for number in np.flatnonzero(np.diff(join.starts) > 1).tolist():
            rest = np.arange(join.starts[number], join.starts[number + 1])
            while len(rest) > 1:
                one, rest = int(entries[rest[0]]), rest[1:]
                same = self._alike(np.full(len(rest), one), entries[rest])
                speaks[rest[same]] = False
                for other in entries[rest[same]].tolist():
                    self._unite(one, other)
                rest = rest[~same]
            self._progress("comparing", int(join.starts[number]), len(kept))
        before: Numbers = np.concatenate((np.zeros(1, np.int64), np.cumsum(speaks)))
        starts = before[join.starts]
        flat = entries[speaks]
        for some in join.pairs():
            for ones, others in _expanded(some.first, some.second, starts, flat):
                same = self._alike(ones, others)
                for one, other in zip(ones[same].tolist(), others[same].tolist(), strict=True):
                    self._unite(one, other)
        self._progress("comparing", len(kept), len(kept))

    def _alike(self, ones: Numbers, others: Numbers) -> Flags:
        """Which pairs of pictures are copies: near codes, like shapes, like pixels."""
        near = self._distances(ones, others) <= self._join.radius
        near &= np.abs(self._shapes[ones] - self._shapes[others]) <= np.log(likeness.ELONGATION)
        slots = self._slots[self._content[ones]], self._slots[self._content[others]]
        near &= (slots[0] >= 0) & (slots[1] >= 0)
        places = np.flatnonzero(near)
        for begin in range(0, len(places), LOOKED_AT_ONCE):
            some = places[begin : begin + LOOKED_AT_ONCE]
            near[some] = likeness.alike(self._thumbnails[slots[0][some]], self._thumbnails[slots[1][some]])
        return near

    def _distances(self, ones: Numbers, others: Numbers) -> Numbers:
        words = self._join.words
        differing = words[self._codes[ones]] ^ words[self._codes[others]]
        return np.asarray(np.bitwise_count(differing).sum(axis=1, dtype=np.int64))

    def _unite(self, one: int, other: int) -> None:
        one, other = self._leader(one), self._leader(other)
        self._leaders[max(one, other)] = min(one, other)

    def _leader(self, one: int) -> int:
        while self._leaders[one] != one:
            self._leaders[one] = self._leaders[self._leaders[one]]
            one = int(self._leaders[one])
        return one

    def _groups(self) -> Iterator[Duplicates]:
        """The united pictures, so that in each group every one is a copy of the one to keep."""
        leaders = self._leaders
        while (leaders[leaders] != leaders).any():
            leaders = leaders[leaders]
        united = np.flatnonzero(np.bincount(leaders)[leaders] > 1) if len(leaders) else leaders
        order = united[np.argsort(leaders[united], kind="stable")]
        found = []
        for group in np.split(order, np.flatnonzero(np.diff(leaders[order])) + 1) if len(order) else []:
            found += self._split(group)
        yield from sorted(found, key=lambda group: os.fsencode(group.keep.path))

    def _split(self, group: Numbers) -> list[Duplicates]:
        rest = self._by_worth(group)
        found = []
        while len(rest) > 1:
            keep, others = rest[0], np.array([picture for picture, _ in rest[1:]], np.int64)
            kept = np.full(len(others), keep[0])
            identical = self._content[others] == self._content[kept]
            same = identical.copy()
            same[~identical] = self._alike(kept[~identical], others[~identical])
            distances = self._distances(kept, others).tolist()
            copies = [
                self._copy(*picture, distance, alike)
                for picture, distance, alike, is_copy in zip(
                    rest[1:], distances, identical.tolist(), same.tolist(), strict=True
                )
                if is_copy
            ]
            if copies:
                found.append(Duplicates(self._copy(*keep, 0, True), copies))
            rest = [picture for picture, is_copy in zip(rest[1:], same.tolist(), strict=True) if not is_copy]
        return found

    def _by_worth(self, group: Numbers) -> list[tuple[int, str]]:
        """Pictures that are there and their paths: most pixels, largest file, oldest, by path."""
        contents = self._contents

        def worth(one: tuple[int, str]) -> tuple[int, int, int, bytes]:
            picture, path = one
            pixels = int(contents.widths[picture]) * int(contents.heights[picture])
            return -pixels, -int(contents.sizes[picture]), int(contents.mtimes[picture]), os.fsencode(path)

        return sorted(self._present(group), key=worth)

    def _copy(self, picture: int, path: str, distance: int, identical: bool) -> Copy:
        contents = self._contents
        return Copy(
            path=Path(path),
            id=int(contents.ids[picture]),
            width=int(contents.widths[picture]),
            height=int(contents.heights[picture]),
            bytes=int(contents.sizes[picture]),
            distance=distance,
            identical=identical,
        )


def _equal_contents(digests: NDArray[np.void]) -> tuple[Numbers, Numbers]:
    """(the first picture of each content, the content of each picture)."""
    if len(digests) == 0:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    halves = np.ascontiguousarray(digests).view(np.int64).reshape(-1, 2)
    order = np.lexsort((halves[:, 1], halves[:, 0]))
    new = np.append(True, (halves[order][1:] != halves[order][:-1]).any(axis=1))
    content = np.empty(len(digests), np.int64)
    content[order] = np.cumsum(new) - 1
    return order[new], content


def _expanded(ones: Numbers, others: Numbers, starts: Numbers, flat: Numbers) -> Iterator[tuple[Numbers, Numbers]]:
    """All pairs of a member of group `ones[i]` and one of group `others[i]`, some at a time."""
    sizes = np.diff(starts)
    counts = sizes[ones] * sizes[others]
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    for begin in range(0, total, COMPARED_AT_ONCE):
        places = np.arange(begin, min(begin + COMPARED_AT_ONCE, total))
        pair = np.searchsorted(ends, places, side="right")
        within = places - (ends[pair] - counts[pair])
        breadth = sizes[others[pair]]
        yield flat[starts[ones[pair]] + within // breadth], flat[starts[others[pair]] + within % breadth]


def _thumbnail(path: str) -> NDArray[np.uint8] | ImageError:
    try:
        return likeness.thumbnail(path)
    except ImageError as error:
        return error
