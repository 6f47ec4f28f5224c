"""What every library answers that can be searched: a folder here, one behind a server, a collection in Milvus."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias, TypedDict, Unpack, overload, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from transhash.codes import pack, whole
from transhash.errors import HammingIndexError
from transhash.library.catalogue.kinds import Value
from transhash.plain import JsonObject, unicode

if TYPE_CHECKING:
    from transhash.images import Source
    from transhash.library.results import LibraryInfo
    from transhash.model import Encoded, Encoder


class Limits(TypedDict, total=False):
    """Which hits a search may give."""

    max_distance: int | None  # bits that may differ, at most
    min_probability: float | None  # of relevance, where the model or the library is calibrated
    where: str | None  # a filter (`transhash.library.catalogue.where`)
    collapse: bool  # hits that are copies of one another become one (`Hit.copies`)


@dataclass(frozen=True)
class Queries:
    """Pictures to search for that are encoded already."""

    codes: NDArray[np.uint8]  # packed, (Q, bits/8)
    values: NDArray[np.float32] | None = None  # relaxed, (Q, bits): they order what is at equal distances
    embeddings: NDArray[np.int8] | None = None  # (Q, V): they order the nearest, where the library keeps its pictures'
    of_words: bool = False  # their cosines with pictures are others than those of pictures

    @classmethod
    def of(cls, values: NDArray[np.float32], embeddings: NDArray[np.int8] | None = None) -> Queries:
        """Queries by their relaxed codes, float32 [Q, bits] (`HashModel.values`), and their embeddings, int8 [Q, V]."""
        return cls(pack(values), values, embeddings)

    @classmethod
    def of_encoded(cls, encoded: Iterable[Encoded], bits: int) -> Queries:
        """Queries by what a model made of pictures; those that it could not use are left out."""
        good = [each for each in encoded if each.code is not None]
        if any(each.values is None for each in good):  # of an encoder that gives codes alone
            return cls(np.array([each.code for each in good], np.uint8).reshape(len(good), bits // 8))
        kept = [each.embedding for each in good if each.embedding is not None]
        values = np.array([each.values for each in good], np.float32).reshape(len(good), bits)
        return cls.of(values, np.stack(kept) if kept else None)

    def some(self, own: slice) -> Queries:
        """Some of them."""
        values = None if self.values is None else self.values[own]
        embeddings = None if self.embeddings is None else self.embeddings[own]
        return Queries(self.codes[own], values, embeddings, self.of_words)


@dataclass(frozen=True)
class Words:
    """A query by words, for a model that has a text tower."""

    text: str


@dataclass(frozen=True)
class Mixture:
    """A query of several: the vectors of `plus` less those of `minus`, each brought to length 1 first."""

    plus: Sequence[Source | Words | NDArray[np.floating]]
    minus: Sequence[Source | Words | NDArray[np.floating]] = ()


_ADDRESS = re.compile(r"\A([A-Za-z][A-Za-z0-9+.-]+:)/(?=[^/])")  # of which a path keeps one slash


def _with_slashes(found: re.Match[str]) -> str:
    return f"{found[1]}///" if found[1].lower() == "file:" else f"{found[1]}//"


One: TypeAlias = "Source | Words | Mixture | NDArray[np.floating]"
"""A query: a picture, words, a vector (F,), or a mixture of these."""
Several: TypeAlias = "list[Source] | list[Words] | list[Mixture] | list[NDArray[np.floating]] | Queries"
"""Several queries."""


@dataclass(frozen=True)
class Options:
    """The options of a search. Raises `HammingIndexError` for a `k` below 1, and for limits that nothing can have."""

    k: int = 10  # hits, at most
    max_distance: int | None = None  # bits that may differ
    min_probability: float | None = None  # of relevance, where the model or the library is calibrated
    where: str | None = None  # a filter (`transhash.library.catalogue.where`)
    offset: int = 0  # hits to leave out at the beginning
    collapse: bool = False  # hits that are copies of one another become one (`Hit.copies`)

    def __post_init__(self) -> None:
        if (whole(self.k) or 0) < 1:
            raise HammingIndexError("", f"k is {self.k!r:.40}", "ask for 1 result or more")
        distance, probability = self.max_distance, self.min_probability
        if distance is not None and ((bits := whole(distance)) is None or bits < 0):
            raise HammingIndexError("", f"max_distance is {distance!r:.40}", "give a whole number of bits, 0 or more")
        if probability is not None and (
            not isinstance(probability, int | float | np.number) or not 0 <= probability <= 1
        ):
            raise HammingIndexError("", f"min_probability is {probability!r:.40}", "give a number from 0 to 1")

    @property
    def ranked(self) -> int:
        """How many of the nearest pictures have to be found."""
        return self.offset + int(self.k)


def ids_of(ids: Iterable[int]) -> list[int]:
    """Ids that a user gives as Python's numbers, without those that no picture can have."""
    return [id_ for id_ in map(int, ids) if 0 <= id_ < 1 << 63]


def in_json(columns: Mapping[str, Value]) -> JsonObject:
    """Users' own columns in JSON's own types."""
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in columns.items()}


@dataclass(frozen=True, slots=True)
class Picture:
    """What a library knows of a picture."""

    id: int
    folder: str  # as the library stores it: relative to `base` where it is below, else absolute
    name: str
    base: str  # the folder that contains the library; empty where only a server knows it
    width: int  # pixels, upright
    height: int
    bytes: int
    taken: datetime | None  # by the camera's clock, in no time zone
    modified: datetime  # UTC, in no time zone
    digest: str  # BLAKE2b of the file's content in hex, 16 bytes; elsewhere its first bytes, or nothing
    code: str  # hex
    columns: Mapping[str, Value] = field(default_factory=dict, hash=False)  # the user's own that have a value

    @property
    def stored_path(self) -> str:
        """The path as the library stores it; an address of the web, where that is the id of a vector."""
        path = os.path.join(self.folder, self.name)
        return _ADDRESS.sub(_with_slashes, path) if ":/" in path else path

    @property
    def path(self) -> Path:
        """Where the file is."""
        return Path(self.base, self.folder, self.name)

    @property
    def address(self) -> str:
        """The path of its file, or the address of the web that is the id of a vector."""
        stored = self.stored_path
        return stored if "://" in stored else str(self.path)

    def to_dict(self) -> JsonObject:
        """The same in JSON's own types, as the server tells it: moments as texts, `version` for the digest."""
        return {
            "id": self.id,
            "path": unicode(self.stored_path),
            "folder": unicode(self.folder),
            "name": unicode(self.name),
            "width": self.width,
            "height": self.height,
            "bytes": self.bytes,
            "taken": None if self.taken is None else self.taken.isoformat(),
            "modified": self.modified.isoformat() + "Z",
            "code": self.code,
            "columns": in_json(self.columns),
            "version": self.digest[:12],
        }


@dataclass(frozen=True, slots=True)
class Hit:
    """A picture found, and how far from the query: bits that differ.

    `probability` is that of having the same value as the query in the column that the library was calibrated by
    (`Library.calibrate`), else of being relevant in a collection like the one that the model was calibrated on; None
    where neither was.
    """

    picture: Picture
    distance: int
    probability: float | None = None
    copies: tuple[int, ...] = ()  # ids of further hits that are copies of it, where those were collapsed

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self.picture.path

    @property
    def id(self) -> int:
        """The picture's id in the library."""
        return self.picture.id

    @property
    def width(self) -> int:
        """Pixels."""
        return self.picture.width

    @property
    def height(self) -> int:
        """Pixels."""
        return self.picture.height

    @property
    def columns(self) -> Mapping[str, Value]:
        """The user's own columns that have a value."""
        return self.picture.columns

    def to_dict(self) -> JsonObject:
        """A flat description: what `transhash search --json` prints."""
        return {
            "path": self.picture.address,
            "distance": self.distance,
            "id": self.id,
            "width": self.width,
            "height": self.height,
            "columns": dict(self.columns),
            "probability": self.probability,
            **({"copies": list(self.copies)} if self.copies else {}),
        }


class Searchable(Protocol):
    """A library that can be searched, wherever it is (`transhash.open_library`)."""

    @property
    def bits(self) -> int:
        """Length of its codes."""

    @property
    def fingerprint(self) -> str:
        """Of the model that its codes come from."""

    def info(self) -> LibraryInfo:
        """The facts of the library."""

    def __len__(self) -> int:
        """How many pictures search can find."""

    @overload
    def search(self, query: list[Source] | Queries, k: int = 10, **limits: Unpack[Limits]) -> list[list[Hit]]: ...
    @overload
    def search(self, query: Source, k: int = 10, **limits: Unpack[Limits]) -> list[Hit]: ...
    def search(self, query: Any, k: int = 10, **limits: Unpack[Limits]) -> Any:
        """The k pictures most like one, most similar first (`Library.search`)."""

    def close(self) -> None:
        """The library is not used any more."""

    def __enter__(self) -> Self: ...

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None: ...


@runtime_checkable
class HasModel(Protocol):
    """A library whose queries are encoded here, and not by a server."""

    @property
    def model(self) -> Encoder:
        """The model that its codes come from."""
