"""Groups of pictures that repeat one another: candidates, confirmed pair by pair, and one of each group to keep.

Embeddings, or codes and signs of pictures, say which pairs to confirm (`choosing`). Every picture of a group has been
confirmed against the one to keep. Nothing of the library or of the pictures is changed.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from transhash.errors import LibraryError
from transhash.library.digests import file_digest
from transhash.library.duplicates import keep
from transhash.library.duplicates.choosing import Reading, accompanied, by_embeddings, by_signs
from transhash.library.duplicates.confirmation import Finding
from transhash.library.duplicates.contents import NO_DATE, Contents, equal_contents
from transhash.library.duplicates.kinds import Kind
from transhash.library.duplicates.neighbours import MOST
from transhash.library.duplicates.pairing import Pairing, Picture
from transhash.library.duplicates.plan import below
from transhash.library.duplicates.raw import raw_groups
from transhash.library.files.paths import modified
from transhash.library.files.thumbnails import Thumbnails
from transhash.library.results import Copy, Duplicates, DuplicatesReport, Skipped
from transhash.progress import Progress, silent

if TYPE_CHECKING:
    from transhash.search.join import Join

Numbers = NDArray[np.int64]
Flags = NDArray[np.bool_]

CONFIRMED_AT_ONCE = 256  # pairs; in the end threads wait for the slowest of them
MANY = 1_000  # pairs that are worth the second or two that processes which help take to start
COARSE = 2_000_000_000  # ns: some drives keep times of change no better

CHANGED = "changed since it was indexed"
SAME_FILE = Finding(Kind.SAME_FILE)
KINDS = (Kind.SAME_FILE, Kind.SAME_PIXELS, Kind.COPY)


@dataclass(frozen=True)
class Wishes:
    """What is asked of a search for duplicates."""

    kinds: tuple[Kind, ...] = KINDS
    keep: tuple[str, ...] = ("best",)  # rules
    reference: tuple[str, ...] = ()  # folders whose pictures are kept; real paths
    within: bool = False  # only pictures of the same folder
    not_duplicates: frozenset[tuple[str, str]] = field(default_factory=frozenset)  # pairs of digests, the lesser first


class Search:
    """One search for duplicates. Pictures are numbered by their place in `contents`."""

    def __init__(
        self,
        contents: Contents,
        join: Join,
        paths: Callable[[list[int]], dict[int, str]],
        progress: Progress = silent,
        *,
        wishes: Wishes | None = None,
        thumbnails: Thumbnails | None = None,
        embeddings: NDArray[np.int8] | None = None,
    ) -> None:
        """`join` has the codes of these pictures; `paths` tells where the pictures of some ids are.

        With `embeddings` [N, V] of all these pictures, not their codes but these say which ones are compared.
        """
        self._contents = contents
        self._join = join
        self._paths_of = paths
        self._progress = progress
        self._wishes = wishes or Wishes()
        self._rules = keep.parse(self._wishes.keep)
        self._thumbnails = thumbnails
        self._embeddings = embeddings
        self._skipped: dict[str, Skipped] = {}
        self._paths: dict[int, str] = {}  # of the pictures that are as the catalogue has them
        self._inodes: dict[int, tuple[int, int]] = {}  # the files that they are: hard links are one
        self._where: dict[int, str] = {}  # a file of each content, by the first picture that has it
        self._codes = np.empty(len(contents.ids), np.int64)  # the number of each picture's code
        places = np.searchsorted(contents.ids, join.ids)
        self._codes[places] = np.repeat(np.arange(len(join.words)), np.diff(join.starts))
        self._found: dict[tuple[int, int], Finding] = {}  # by pairs of first pictures of their contents

    def run(self) -> DuplicatesReport:
        """Find the groups."""
        first, content = equal_contents(self._contents.digests)
        self._first = first[content]
        self._held = np.bincount(content)[content]  # files of each picture's content
        # what is united leads to the same picture, the first of them
        self._leaders = self._first.copy() if Kind.SAME_FILE in self._wishes.kinds else np.arange(len(content))
        with closing(Pairing(self._picture, self._thumbnails)) as self._pairing:
            self._compare(self._worth_a_look(first))
        self._lost = self._losses()
        groups = self._groups()
        if Kind.RAW_JPEG in self._wishes.kinds:
            groups += raw_groups(self._copy(each, each, SAME_FILE) for each in self._present(np.arange(len(content))))
        counts = Counter(str(found.kind) for found in self._found.values() if found.kind not in self._wishes.kinds)
        skipped = [self._skipped[path] for path in sorted(self._skipped, key=os.fsencode)]
        return DuplicatesReport(groups, skipped, {kind: counts[kind] for kind in map(str, Kind) if counts[kind]})

    def _losses(self) -> dict[int, dict[str, bool]]:
        """What pictures have lost that others of their groups have, by first pictures of their contents."""
        pixels = self._contents.widths * self._contents.heights
        lost: dict[int, dict[str, bool]] = {}
        for pair, found in self._found.items():
            if found.kind in self._wishes.kinds:
                for what, whose in keep.losses(found, (int(pixels[pair[0]]), int(pixels[pair[1]]))).items():
                    lost.setdefault(pair[whose], {})[what] = True
        return lost

    def _worth_a_look(self, first: Numbers) -> list[tuple[int, int]]:
        """The pairs to confirm, of pictures with different contents."""
        reading = Reading(self._present, self._picture, self._skip, self._progress)
        known, join = self._embeddings, self._join
        if known is None or self._thumbnails is None or len(first) > MOST or join.radius >= join.bits:
            return by_signs(first[accompanied(join, self._codes[first])], reading, self._pairing)
        turned = any(kind not in KINDS for kind in self._wishes.kinds)
        return by_embeddings(first, known[first], self._thumbnails, reading, turned=turned)

    def _picture(self, picture: int) -> Picture:
        contents = self._contents
        size = int(contents.widths[picture]), int(contents.heights[picture])
        return Picture(Path(self._where[picture]), contents.digest(picture), size)

    def _present(self, pictures: Numbers) -> list[int]:
        """Those of some pictures that are still as the catalogue has them."""
        missing = [picture for picture in pictures.tolist() if picture not in self._paths]
        paths = self._paths_of(self._contents.ids[missing].tolist()) if missing else {}
        for picture in missing:
            path = paths.get(int(self._contents.ids[picture]))
            if path is not None and self._is_current(picture, path):
                self._paths[picture] = path
                self._where.setdefault(int(self._first[picture]), path)
        return [picture for picture in pictures.tolist() if picture in self._paths]

    def _is_current(self, picture: int, path: str) -> bool:
        try:
            status = os.lstat(path)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            self._skip(picture, f"cannot be read ({reason})", "run `transhash index`", path)
            return False
        if stat.S_ISLNK(status.st_mode):  # it and what it leads to are one picture
            return False
        self._inodes[picture] = status.st_dev, status.st_ino
        apart = abs(modified(status) - int(self._contents.mtimes[picture]))
        # a library that was copied without the dates of its files has the same pictures
        if status.st_size == self._contents.sizes[picture] and (
            apart <= COARSE or self._has_its_content(picture, path)
        ):
            return True
        self._skip(picture, CHANGED, "run `transhash index`, then this again", path)
        return False

    def _has_its_content(self, picture: int, path: str) -> bool:
        try:
            return file_digest(path) == bytes(self._contents.digests[picture])
        except OSError:
            return False

    def _skip(self, picture: int, reason: str, remedy: str, path: str | None = None) -> None:
        path = self._paths[picture] if path is None else path
        self._skipped[path] = Skipped(Path(path), reason, remedy)

    def _compare(self, waiting: list[tuple[int, int]]) -> None:
        """Confirm pairs, and unite those that are of a kind that is asked for."""
        for begin in range(0, len(waiting), CONFIRMED_AT_ONCE):
            if begin == CONFIRMED_AT_ONCE and len(waiting) >= MANY:  # what is compiled has been kept by now
                self._pairing.have_help()
            some = [pair for pair in waiting[begin : begin + CONFIRMED_AT_ONCE] if self._is_open(*pair)]
            for pair, finding in zip(some, self._pairing.confirm(some), strict=True):
                if finding.kind is not None:
                    self._found[pair] = finding
                    if finding.kind in self._wishes.kinds:
                        self._unite(*pair)
            self._progress("comparing", min(begin + CONFIRMED_AT_ONCE, len(waiting)), len(waiting), "")

    def _is_open(self, one: int, other: int) -> bool:
        """Whether a pair must still be looked at: it is not together already, and nobody has said that it differs."""
        if self._leader(one) == self._leader(other) or self._is_refused(one, other):
            return False
        if self._wishes.within and os.path.dirname(self._paths[one]) != os.path.dirname(self._paths[other]):
            return bool(self._held[one] > 1 or self._held[other] > 1)  # files of the same content may lie in one folder
        return True

    def _is_refused(self, one: int, other: int) -> bool:
        a, b = sorted((self._contents.digest(one), self._contents.digest(other)))
        return (a, b) in self._wishes.not_duplicates

    def _finding(self, one: int, other: int) -> Finding:
        """What two pictures are to each other, looked up: `_look_at` has looked."""
        a, b = self._key(one, other)
        if a == b:
            return SAME_FILE
        return Finding(None) if self._is_refused(a, b) else self._found[a, b]

    def _look_at(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Confirm pairs that were not looked at, side by side."""
        keys = dict.fromkeys(self._key(*pair) for pair in pairs)
        missing = [key for key in keys if key[0] != key[1] and key not in self._found and not self._is_refused(*key)]
        for begin in range(0, len(missing), CONFIRMED_AT_ONCE):
            some = missing[begin : begin + CONFIRMED_AT_ONCE]
            self._found.update(zip(some, self._pairing.confirm(some), strict=True))
            self._progress("grouping", min(begin + CONFIRMED_AT_ONCE, len(missing)), len(missing), "")

    def _key(self, one: int, other: int) -> tuple[int, int]:
        a, b = int(self._first[one]), int(self._first[other])
        return min(a, b), max(a, b)

    def _unite(self, one: int, other: int) -> None:
        one, other = self._leader(one), self._leader(other)
        self._leaders[max(one, other)] = min(one, other)

    def _leader(self, one: int) -> int:
        while self._leaders[one] != one:
            self._leaders[one] = self._leaders[self._leaders[one]]
            one = int(self._leaders[one])
        return one

    def _groups(self) -> list[Duplicates]:
        """The united pictures, so that in each group every one is confirmed against the one to keep."""
        leaders = self._leaders
        if Kind.SAME_FILE not in self._wishes.kinds:  # equal files follow the one of them that was looked at
            leaders = np.where(self._first == np.arange(len(leaders)), leaders, leaders[self._first])
        while (leaders[leaders] != leaders).any():
            leaders = leaders[leaders]
        united = np.flatnonzero(np.bincount(leaders)[leaders] > 1) if len(leaders) else leaders
        order = united[np.argsort(leaders[united], kind="stable")]
        found: list[Duplicates] = []
        united_ones = np.split(order, np.flatnonzero(np.diff(leaders[order])) + 1) if len(order) else []
        waiting = [part for each in united_ones for part in self._parts(self._present(each))]
        while waiting:
            ordered = [self._by_worth(rest) for rest in waiting if len(rest) > 1]
            self._look_at((kept, other) for (kept, *others), _ in ordered for other in others)
            parted = [self._parted(*each) for each in ordered]
            found += [group for group, _ in parted if group.same]
            waiting = [left for _, left in parted]
        return sorted(found, key=lambda group: os.fsencode(group.keep.path))

    def _parts(self, group: list[int]) -> list[list[int]]:
        if not self._wishes.within:
            return [group]
        folders: dict[str, list[int]] = {}
        for picture in group:
            folders.setdefault(os.path.dirname(self._paths[picture]), []).append(picture)
        return list(folders.values())

    def _parted(self, rest: list[int], why: str) -> tuple[Duplicates, list[int]]:
        """The first of some pictures with those that repeat it, and the others."""
        kept, others, left = rest[0], [], []
        files = {self._inodes[kept]}
        for other in rest[1:]:
            if self._inodes[other] in files:
                continue  # the same file under another name
            finding = self._finding(kept, other)
            if finding.kind in self._wishes.kinds and not (self._is_reference(kept) and self._is_reference(other)):
                others.append(self._copy(other, kept, finding))
                files.add(self._inodes[other])
            else:
                left.append(other)
        return Duplicates(self._copy(kept, kept, SAME_FILE), others, why), left

    def _by_worth(self, group: Sequence[int]) -> tuple[list[int], str]:
        """Pictures, the one to keep first, and why it is."""
        contents = self._contents

        def candidate(picture: int) -> keep.Candidate:
            date = int(contents.dates[picture])
            return keep.Candidate(
                self._paths[picture], int(contents.widths[picture]), int(contents.heights[picture]),
                int(contents.sizes[picture]), int(contents.mtimes[picture]), None if date == NO_DATE else date,
                **self._lost.get(int(self._first[picture]), {}),
            )  # fmt: skip

        referred = [picture for picture in group if self._is_reference(picture)]
        others = [picture for picture in group if picture not in set(referred)]
        ordered, whys = [], []
        for some in (referred, others):
            places, why = keep.order([candidate(picture) for picture in some], self._rules)
            ordered += [some[place] for place in places]
            whys.append(why)
        return ordered, "it is in a reference folder" if referred else whys[1]

    def _is_reference(self, picture: int) -> bool:
        return below(os.path.realpath(self._paths[picture]), self._wishes.reference)

    def _copy(self, picture: int, kept: int, finding: Finding) -> Copy:
        contents = self._contents
        words = self._join.words
        names = ("it", "the one to keep")
        apart = np.bitwise_count(words[self._codes[picture]] ^ words[self._codes[kept]]).sum(dtype=np.int64)
        return Copy(
            path=Path(self._paths[picture]),
            id=int(contents.ids[picture]),
            width=int(contents.widths[picture]),
            height=int(contents.heights[picture]),
            bytes=int(contents.sizes[picture]),
            distance=int(apart),
            identical=finding.kind is Kind.SAME_FILE,
            kind=str(finding.kind),
            why=finding.evidence.text(*(names if self._first[picture] < self._first[kept] else names[::-1])),
        )


def kinds_of(texts: Sequence[str]) -> tuple[Kind, ...]:
    """Kinds by their names, or `all`; raises `LibraryError` for another name."""
    found = []
    for text in texts:
        if text == "all":
            return tuple(Kind)
        if text not in [str(kind) for kind in Kind]:
            raise LibraryError(text, "no kind of duplicates", f"there are {', '.join(Kind)}, and all")
        found.append(Kind(text))
    return tuple(found)
