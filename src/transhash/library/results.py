"""What a library reports of its work: indexing, verifying, importing, duplicates; and the facts of a library."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple


class Facets(NamedTuple):
    """What filters can choose from, as far as it is few: folders, and the values of the user's own texts."""

    folders: list[str]  # below the folder that contains the library relative to it ("" is that folder), else absolute
    texts: dict[str, list[str]]  # by column; one with more values than `MOST_VALUES` has the first of them


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file, or a folder, that could not be used: a short reason that can be grouped, and the remedy."""

    path: Path
    reason: str
    remedy: str


@dataclass(slots=True)
class IndexReport:
    """What an indexing run did, in pictures."""

    added: int = 0  # newly found by search, returned ones included
    updated: int = 0  # content changed
    moved: int = 0  # same content under a new path; the code and the id are kept
    removed: int = 0  # the file has vanished: no longer found by search
    unchanged: int = 0
    embedded: int = 0  # of pictures counted above: encoded again, because they had a code and no embedding
    unembedded: int = 0  # pictures of the library that still have none, where the model gives embeddings
    pruned: int = 0  # rows of vanished files, deleted for good
    fitted: int = 0  # that the hash layers were fitted to in this run, whose codes are all new; 0: codes stay
    first_frames: int = 0  # of those decoded, animations and documents of several pages: the first frame is taken
    skipped: list[Skipped] = field(default_factory=list)
    unread: dict[str, int] = field(default_factory=dict)  # files of kinds that are not read, by their names' ends

    @property
    def usable(self) -> int:
        """Pictures that were there and that search can find."""
        return self.added + self.updated + self.moved + self.unchanged

    @property
    def seen(self) -> int:
        """Files and folders judged so far."""
        return self.usable + len(self.skipped)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with a library, and the remedy."""

    what: str
    remedy: str


@dataclass(slots=True)
class Verification:
    """What `Library.verify` found."""

    pictures: int = 0
    files: int = 0  # looked at
    encoded: int = 0  # encoded again
    problems: list[Problem] = field(default_factory=list)
    mended: list[str] = field(default_factory=list)  # what did not fit, and was made again from the catalogue


@dataclass(slots=True)
class ImportReport:
    """What came of an exported library, in pictures."""

    added: int = 0
    replaced: int = 0  # a picture of the same path was there


@dataclass(slots=True)
class AnnotationReport:
    """What came of rows with a user's own columns."""

    rows: int = 0
    matched: int = 0  # rows whose picture is in the library
    unmatched: list[str] = field(default_factory=list)  # the first of the others: what was looked for
    columns: dict[str, str] = field(default_factory=dict)  # imported: name and kind
    left_out: list[str] = field(default_factory=list)  # columns with the name of something known of every picture


@dataclass(frozen=True, slots=True)
class CalibrationReport:
    """How well the probabilities of a library hold for its own pictures.

    An error is the mean difference of what is stated of the 50 nearest pictures and what is so, in ten steps of
    probability: expected calibration error.
    """

    by: str  # the column in which pictures of one kind are equal
    pictures: int  # that were compared with one another
    values: int  # different ones, of the column
    error: float  # of the library's own probabilities, each half judged by those of the other half
    error_before: float | None  # of the model's, on the same pictures; None where it gives none


@dataclass(frozen=True, slots=True)
class LibraryInfo:
    """The facts of a library."""

    path: Path | str  # of a library elsewhere, its address or name
    pictures: int  # that search can find
    skipped: int  # files remembered as unusable
    vanished: int  # pictures whose files were gone at the last look
    model: str
    bits: int
    fingerprint: str  # of the model, SHA-256 in hex
    created: str  # ISO 8601, UTC
    bytes: int  # on disk
    columns: dict[str, str] = field(default_factory=dict, hash=False)  # the user's own: name and kind
    fitted_to: int = 0  # pictures that its hash layers were fitted to; 0: its codes are the model's own
    general: bool = False  # and are to stay so: nothing is fitted by itself
    calibrated_by: str = ""  # the column that its probabilities are calibrated by; "": they are the model's


@dataclass(frozen=True, slots=True)
class Copy:
    """A picture in a group of near-identical ones."""

    path: Path
    id: int
    width: int
    height: int
    bytes: int
    distance: int  # of its code to that of the one to keep
    identical: bool  # the same bytes as the one to keep
    kind: str = "same-file"  # what it is to the one to keep (`transhash.library.duplicates.kinds.Kind`)
    why: str = ""  # the evidence, in words


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Pictures that repeat one another: the one to keep, and what each other one is to it, the best first.

    A picture that is kept for its copies may be an edit or a burst in another group.
    """

    keep: Copy
    same: list[Copy]
    why: str = ""  # the one to keep is kept


@dataclass(frozen=True, slots=True)
class DuplicatesReport:
    """What a search for duplicates found, by the paths to keep, and pictures that it could not look at."""

    groups: list[Duplicates]
    skipped: list[Skipped]
    others: dict[str, int] = field(default_factory=dict)  # pairs of kinds that were not asked for, by kind
    seen: int = 0  # pictures that may repeat others, and whose files could be read
