"""Groups of pictures that repeat one another: candidates, confirmed pair by pair, and one of each group to keep.

Embeddings, or codes and signs of pictures, say which pairs to confirm (`choosing`). Every picture of a group has been
confirmed against the one to keep. Nothing of the library or of the pictures is changed.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transhash.library.duplicates import keep
from transhash.library.duplicates.choosing import Reading, accompanied, by_embeddings, by_signs
from transhash.library.duplicates.confirmation import Finding
from transhash.library.duplicates.contents import NO_DATE, Contents, equal_contents
from transhash.library.duplicates.kinds import DEFAULT, Kind
from transhash.library.duplicates.neighbours import MOST
from transhash.library.duplicates.pairing import Pairing, Picture
from transhash.library.duplicates.plan import below
from transhash.library.duplicates.presence import Presence
from transhash.library.duplicates.raw import raw_groups
from transhash.library.duplicates.unions import Unions, sets
from transhash.library.files.thumbnails import Thumbnails
from transhash.library.results import Copy, Duplicates, DuplicatesReport
from transhash.progress import Progress, silent

if TYPE_CHECKING:
    from transhash.search.join import Join

Numbers = NDArray[np.int64]
Flags = NDArray[np.bool_]

CONFIRMED_AT_ONCE = 256  # pairs; in the end threads wait for the slowest of them
MANY = 1_000  # pairs that are worth the second or two that processes which help take to start

SAME_FILE = Finding(Kind.SAME_FILE)
KINDS = DEFAULT
LOOSE = (Kind.EDIT, Kind.BURST, Kind.UNSURE)  # of pictures that are not quite one


@dataclass(frozen=True)
class Wishes:
    """What is asked of a search for duplicates."""

    kinds: tuple[Kind, ...] = KINDS
    keep: tuple[str, ...] = ("best",)  # rules
    reference: tuple[str, ...] = ()  # folders of which only copies are listed; real paths
    within: bool = False  # only pictures of the same folder
    not_duplicates: frozenset[tuple[str, str]] = field(default_factory=frozenset)  # pairs of digests, the lesser first


class _Group(NamedTuple):
    """A picture to keep, those that repeat it, and why it is kept."""

    kept: int
    others: list[int]
    why: str


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
        self._progress = progress
        self._wishes = wishes or Wishes()
        self._rules = keep.parse(self._wishes.keep)
        self._thumbnails = thumbnails
        self._embeddings = embeddings
        self._firsts, self._content = equal_contents(contents.digests)
        self._first = self._firsts[self._content]  # the first picture of each one's content
        self._presence = Presence(contents, self._first, paths)
        self._codes = np.empty(len(contents.ids), np.int64)  # the number of each picture's code
        places = np.searchsorted(contents.ids, join.ids)
        self._codes[places] = np.repeat(np.arange(len(join.words)), np.diff(join.starts))
        self._found: dict[tuple[int, int], Finding] = {}  # by pairs of first pictures of their contents

    def run(self) -> DuplicatesReport:
        """Find the groups."""
        every = np.arange(len(self._first))
        self._held = np.bincount(self._content)[self._content]  # files of each picture's content
        alike = self._first if Kind.SAME_FILE in self._wishes.kinds else every
        self._same, self._related = (
            Unions(alike),
            Unions(alike),
        )  # by the kinds of one picture; by all that are asked for
        with closing(Pairing(self._picture, self._thumbnails)) as self._pairing:
            self._compare(self._worth_a_look(self._firsts))
        self._known = self._noted()
        groups = self._groups()
        if Kind.RAW_JPEG in self._wishes.kinds:
            groups += raw_groups(self._copy(each, each, SAME_FILE) for each in self._presence.present(every))
        if self._wishes.reference:
            groups = [group for group in groups if self._is_referred(group.keep.path)]
        counts = Counter(str(found.kind) for found in self._found.values() if found.kind not in self._wishes.kinds)
        if Kind.SAME_FILE not in self._wishes.kinds:
            counts[str(Kind.SAME_FILE)] = self._equal_files()
        skipped = [each for _, each in sorted(self._presence.skipped.items(), key=lambda item: os.fsencode(item[0]))]
        others = {kind: counts[kind] for kind in map(str, Kind) if counts[kind]}
        seen = set(self._presence.paths.values()) - self._presence.skipped.keys()
        return DuplicatesReport(groups, skipped, others, len(seen))

    def _equal_files(self) -> int:
        """How many files repeat the bytes of another one; hard links are one file."""
        inodes, paths = self._presence.inodes, self._presence.paths
        files = {
            (int(self._first[each]), os.path.dirname(paths[each]) if self._wishes.within else "", inodes[each])
            for each in self._presence.present(np.flatnonzero(self._held > 1))
        }
        return len(files) - len({(content, folder) for content, folder, _ in files})

    def _noted(self) -> dict[int, keep.Noted]:
        """What pairs say of their pictures, for the rules of `keep`, by first pictures of their contents."""
        pixels = self._contents.widths * self._contents.heights
        known: dict[int, keep.Noted] = {}
        for pair, found in self._found.items():
            if found.kind in self._wishes.kinds:
                keep.note(known, pair, found, (int(pixels[pair[0]]), int(pixels[pair[1]])))
        return known

    def _worth_a_look(self, first: Numbers) -> list[tuple[int, int]]:
        """The pairs to confirm, of pictures with different contents."""
        reading = Reading(self._presence.with_files, self._picture, self._presence.skip, self._progress)
        known, join = self._embeddings, self._join
        if known is None or self._thumbnails is None or len(first) > MOST or join.radius >= join.bits:
            return by_signs(first[accompanied(join, self._codes[first])], reading, self._pairing)
        turned = any(kind not in KINDS for kind in self._wishes.kinds)
        return by_embeddings(first, known[first], self._thumbnails, reading, turned=turned)

    def _picture(self, picture: int) -> Picture:
        contents = self._contents
        size = int(contents.widths[picture]), int(contents.heights[picture])
        return Picture(Path(self._presence.where[picture]), contents.digest(picture), size)

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
                        self._related.unite(*pair)
                    if finding.kind in self._wishes.kinds and finding.kind in KINDS:
                        self._same.unite(*pair)
            self._progress("comparing", min(begin + CONFIRMED_AT_ONCE, len(waiting)), len(waiting), "")

    def _is_open(self, one: int, other: int) -> bool:
        """Whether a pair must still be looked at: it is not one picture yet, and nobody has said that it differs."""
        if self._same.leader(one) == self._same.leader(other) or self._is_refused(one, other):
            return False
        if not (self._wishes.within or self._wishes.reference) or self._held[one] > 1 or self._held[other] > 1:
            return True  # of several files of one content each may lie in another folder
        if self._is_reference(one) and self._is_reference(other):
            return False
        paths = self._presence.paths
        return not self._wishes.within or os.path.dirname(paths[one]) == os.path.dirname(paths[other])

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

    def _groups(self) -> list[Duplicates]:
        """The united pictures, so that in each group every one is confirmed against the one to keep.

        First what is one picture: equal files stay together. What they keep is then grouped by the other kinds.
        """
        groups: dict[int, _Group] = {}  # by the one to keep
        gone: set[int] = set()  # in a group of another one, or its file under another name
        every = [(KINDS, self._same), ((*KINDS, *LOOSE), self._related)]
        for kinds, unions in every if set(LOOSE) & set(self._wishes.kinds) else every[:1]:
            present = (self._presence.present(each) for each in self._sets(unions))
            parts = [part for each in present for part in self._parts(each)]
            waiting = [[each for each in part if each not in gone] for part in parts]
            while waiting:
                ordered = [self._by_worth(rest) for rest in waiting if len(rest) > 1]
                self._look_at((kept, other) for (kept, *others), _ in ordered for other in others)
                waiting = []
                for rest, why in ordered:
                    others, left = self._parted(rest, kinds, gone)
                    self._add(groups, rest[0], others, why)
                    waiting.append(left)
        return sorted(map(self._shown, groups.values()), key=lambda group: os.fsencode(group.keep.path))

    def _sets(self, unions: Unions) -> list[Numbers]:
        leaders = unions.leaders()
        if Kind.SAME_FILE not in self._wishes.kinds:  # equal files follow the one of them that was looked at
            leaders = np.where(self._first == np.arange(len(leaders)), leaders, leaders[self._first])
        return sets(leaders)

    def _parts(self, group: list[int]) -> list[list[int]]:
        if not self._wishes.within:
            return [group]
        folders: dict[str, list[int]] = {}
        for picture in group:
            folders.setdefault(os.path.dirname(self._presence.paths[picture]), []).append(picture)
        return list(folders.values())

    def _parted(self, rest: list[int], kinds: tuple[Kind, ...], gone: set[int]) -> tuple[list[int], list[int]]:
        """Those that repeat the first of some pictures as these kinds, and the others; adds to what is `gone`."""
        kept, others, left = rest[0], [], []
        inodes = self._presence.inodes
        files = {inodes[kept]}
        for other in rest[1:]:
            if inodes[other] in files:
                gone.add(other)  # the same file under another name
            elif self._repeats(kept, other, kinds):
                others.append(other)
                files.add(inodes[other])
            else:
                left.append(other)
        gone.update(others)
        return others, left

    def _repeats(self, kept: int, other: int, kinds: tuple[Kind, ...]) -> bool:
        kind = self._finding(kept, other).kind
        if kind not in kinds or kind not in self._wishes.kinds:
            return False
        return not (self._is_reference(kept) and self._is_reference(other))

    def _add(self, groups: dict[int, _Group], kept: int, others: list[int], why: str) -> None:
        """Add pictures to the group of the one to keep. One that is kept for copies of its own keeps them, except
        those that are copies of this one, too.
        """
        if not others:
            return
        found = list(others)
        for other in others:
            if other in groups and self._finding(kept, other).kind in KINDS:
                theirs = groups.pop(other)
                self._look_at((kept, each) for each in theirs.others)
                taken = [each for each in theirs.others if self._repeats(kept, each, KINDS)]
                found += taken
                self._add(groups, other, [each for each in theirs.others if each not in taken], theirs.why)
        if kept in groups:
            found += groups[kept].others
        if len(found) > len(others):
            found = [each for each in self._by_worth([kept, *found])[0] if each != kept]
        groups[kept] = _Group(kept, found, why)

    def _shown(self, group: _Group) -> Duplicates:
        kept = group.kept
        copies = [self._copy(other, kept, self._finding(kept, other)) for other in group.others]
        return Duplicates(self._copy(kept, kept, SAME_FILE), copies, group.why)

    def _by_worth(self, group: Sequence[int]) -> tuple[list[int], str]:
        """Pictures, the one to keep first, and why it is."""
        contents = self._contents

        def candidate(picture: int) -> keep.Candidate:
            date = int(contents.dates[picture])
            return keep.Candidate(
                self._presence.paths[picture], int(contents.widths[picture]), int(contents.heights[picture]),
                int(contents.sizes[picture]), int(contents.mtimes[picture]), None if date == NO_DATE else date,
                **self._known.get(int(self._first[picture]), {}),
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
        return self._is_referred(self._presence.paths[picture])

    def _is_referred(self, path: str | Path) -> bool:
        return below(os.path.realpath(path), self._wishes.reference)

    def _copy(self, picture: int, kept: int, finding: Finding) -> Copy:
        contents = self._contents
        words = self._join.words
        names = ("it", "the one to keep")
        apart = np.bitwise_count(words[self._codes[picture]] ^ words[self._codes[kept]]).sum(dtype=np.int64)
        return Copy(
            path=Path(self._presence.paths[picture]),
            id=int(contents.ids[picture]),
            width=int(contents.widths[picture]),
            height=int(contents.heights[picture]),
            bytes=int(contents.sizes[picture]),
            distance=int(apart),
            identical=finding.kind is Kind.SAME_FILE,
            kind=str(finding.kind),
            why=finding.evidence.text(*(names if self._first[picture] < self._first[kept] else names[::-1])),
        )
