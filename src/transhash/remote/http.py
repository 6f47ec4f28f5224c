"""A library behind a server (`transhash serve`), to be searched and written to; needs nothing but Python.

library = transhash.open_library("http://host:8017")
hits = library.search("query.jpg", k=10)
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, Unpack, overload
from urllib.parse import urlencode

import numpy as np

from transhash.codes import MOST_BITS
from transhash.errors import DataError, ImageError, LibraryError
from transhash.images import Source
from transhash.library.catalogue.kinds import RESERVED, Kind, UnfitError, Value, to_stored, to_value
from transhash.library.exchange.annotation import Annotations
from transhash.library.exchange.tables import Rows, kinds, read, unfit
from transhash.library.ranking import is_picture
from transhash.library.results import AnnotationReport, Copy, Duplicates, DuplicatesReport, LibraryInfo
from transhash.library.searchable import Hit, Limits, One, Options, Picture, Queries, Several, Words, ids_of
from transhash.plain import JsonObject
from transhash.remote.bodies import MOST_BYTES, as_json, batches, form, name_of, parts
from transhash.remote.connection import Connection

if TYPE_CHECKING:
    from types import TracebackType

    from transhash.model import Encoder

MOST_HITS = 1000
FACTS = (
    "id", "name", "pictures", "skipped", "vanished", "model", "bits", "fingerprint", "created", "bytes", "columns",
)  # fmt: skip


class HttpLibrary:
    """A library that a server has (`Searchable`). Used from one thread. Paths are as the library stores them."""

    def __init__(self, url: str, model: Encoder | None = None, *, token: str | None = None) -> None:
        """`token` is the server's, by default that in TRANSHASH_TOKEN.

        Raises `LibraryError` when it cannot be reached, or its codes do not come from `model`, if one is given.
        """
        self._connection = Connection(url, token)
        self.url = self._connection.url
        self._facts: dict[str, Any] = self._connection.ask("GET", "/library") or {}
        if missing := [name for name in FACTS if name not in self._facts]:
            self.close()
            raise LibraryError(self.url, f"no transhash server: it tells no {missing[0]}", "check the address")
        self._connection.mean(self._facts["id"])
        if model and model.fingerprint != self._facts["fingerprint"]:
            self.close()
            raise LibraryError(
                self.url,
                f"its codes come from model {self._facts['model']} ({self._facts['fingerprint'][:12]}) and cannot "
                f"be compared with those of {model.name} ({model.fingerprint[:12]})",
                "give no model",
            )

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.close()

    def __len__(self) -> int:
        """How many pictures search can find."""
        return self.info().pictures

    def __repr__(self) -> str:
        return f"HttpLibrary({self.url!r}, model={self._facts['model']!r}, bits={self._facts['bits']})"

    @property
    def bits(self) -> int:
        """Length of its codes."""
        return int(self._facts["bits"])

    def info(self) -> LibraryInfo:
        """The facts of the library; `path` is its name."""
        self._facts = facts = self._connection.ask("GET", "/library")
        newer = ("fitted_to", "general", "calibrated_by")  # of which older servers say nothing
        known = {name: facts[name] for name in (*FACTS[2:], *newer) if name in FACTS or name in facts}
        return LibraryInfo(path=facts["name"], **known)

    @property
    def fingerprint(self) -> str:
        """Of the model that its codes come from, SHA-256 in hex."""
        return str(self._facts["fingerprint"])

    @overload
    def search(self, query: Several, k: int = 10, **limits: Unpack[Limits]) -> list[list[Hit]]: ...
    @overload
    def search(self, query: One, k: int = 10, **limits: Unpack[Limits]) -> list[Hit]: ...
    def search(self, query: Any, k: int = 10, **limits: Unpack[Limits]) -> Any:
        """As `Library.search`: the k pictures most like one picture, one of a list of pictures, or one of some codes.

        Words and vectors (F,) are sent where the server's library reads these.

        The server encodes the pictures, which are sent as they are. Raises what `Library.search` does, and
        `LibraryError` when the server does not answer.
        """
        options = Options(k, **limits)
        if isinstance(query, Queries):
            if query.values is not None:
                rows = query.values.tolist()
                kept = (
                    [None] * len(rows)
                    if query.embeddings is None
                    else [row.tobytes().hex() for row in query.embeddings]
                )
                what = {"of_words": True} if query.of_words else {}
                relaxed = [{**_relaxed(*one), **what} for one in zip(rows, kept, strict=True)]
                return [self._paged("by-values", one, options) for one in relaxed]
            known = {"fingerprint": self.fingerprint} if "fitted_to" in self._facts else {}  # older servers take none
            return [self._paged("by-code", {"codes": [bytes(row).hex()], **known}, options) for row in query.codes]
        several = isinstance(query, list | tuple)
        asked = list(query) if several else [query]
        if all(is_picture(each) for each in asked):
            hits = self._of_pictures(asked, options)
        else:
            hits = [self._paged(*_described(each), options) for each in asked]
        return hits if several else hits[0]

    @property
    def reads(self) -> list[str]:
        """What can be searched with: pictures, words, vectors."""
        return list(self._facts.get("reads", []))

    @property
    def _most_bytes(self) -> int:
        """Of the pictures in a request, which the server's limit on requests holds with all that is around them."""
        return min(MOST_BYTES, 3 * int(self._facts.get("limits", {}).get("upload_bytes", 2 * MOST_BYTES)) // 4)

    def _of_pictures(self, sources: list[Source], options: Options) -> list[list[Hit]]:
        found: list[dict[str, Any]] = []
        for batch in batches(sources, self._most_bytes):
            names = [name_of(sources[len(found) + number]) for number in range(len(batch))]
            asked = urlencode(_asked(options, min(options.k, MOST_HITS)))
            try:
                answer = self._connection.ask("POST", f"/search?{asked}", *form(batch), where=options.where)
            except ImageError as error:
                raise ImageError(names[0], error.reason, error.remedy) from None
            for name, result in zip(names, answer["results"], strict=True):
                if "fault" in result:
                    raise ImageError(name, result["fault"]["reason"], result["fault"]["remedy"])
            found += answer["results"]
        if options.k > MOST_HITS:  # the rest by the relaxed codes that came back
            return [self._paged("by-values", _relaxed(each["values"], each["embedding"]), options) for each in found]
        return [self._hits(each) for each in found]

    def add(self, pictures: Iterable[Source]) -> list[int]:
        """Take pictures in, as `Library.add`; the server must have been started with --writable."""
        ids: list[int] = []
        for batch in batches(list(pictures), self._most_bytes):
            ids += self._connection.ask("POST", "/pictures", *form(batch))["ids"]
        return ids

    def remove(self, ids: Iterable[int]) -> int:
        """Forget pictures, as `Library.remove`; the server must have been started with --writable."""
        return sum(self._connection.ask("DELETE", f"/pictures/{id_}", missing=True) is None for id_ in ids_of(ids))

    def annotate(self, rows: Annotations, *, key: str = "path") -> AnnotationReport:
        """Add your own columns to pictures, as `Library.annotate`; the server must be --writable."""
        source, written = _rows(rows, key)
        listed, dates = _typed(source, key, written=written)
        report = AnnotationReport()
        for part in parts(listed):
            body = {"rows": part, "key": key, "dates": dates}
            try:
                answer = self._connection.ask("POST", "/annotations", *as_json(body))
            except DataError as error:
                begins = f"of the rows after {report.rows:,}, " if report.rows else ""
                raise DataError(error.where, begins + error.reason, error.remedy) from None
            report.rows += answer["rows"]
            report.matched += answer["matched"]
            report.columns |= answer["columns"]
            report.left_out = list(dict.fromkeys([*report.left_out, *answer["left_out"]]))
        return report

    def duplicates(
        self,
        max_distance: int = 8,
        *,
        kinds: Sequence[str] = ("same-file", "same-pixels", "copy"),
        keep: Sequence[str] = ("best",),
    ) -> DuplicatesReport:
        """Groups of pictures that repeat one another, each with the one to keep, as `Library.duplicates`."""
        asked: dict[str, Any] = {
            "max_distance": max_distance, "kinds": ",".join(kinds), "keep": ",".join(keep), "limit": MOST_HITS,
        }  # fmt: skip
        answer = self._connection.ask("GET", f"/duplicates?{urlencode({**asked, 'again': True})}")
        while "groups" not in answer:
            time.sleep(0.3)
            answer = self._connection.ask("GET", f"/duplicates?{urlencode(asked)}")
        groups = answer["groups"]
        for offset in range(MOST_HITS, answer["total"], MOST_HITS):
            groups += self._connection.ask("GET", f"/duplicates?{urlencode({**asked, 'offset': offset})}")["groups"]
        found = [Duplicates(_copy(each["keep"]), [*map(_copy, each["same"])], each["why"]) for each in groups]
        return DuplicatesReport(found, [], answer["others"])

    def _paged(self, way: str, query: dict[str, Any], options: Options) -> list[Hit]:
        hits: list[Hit] = []
        offset, more = 0, True
        while more and offset < options.k:
            size = min(options.k - offset, MOST_HITS)
            asked = {**query, **_asked(options, size), "offset": offset}
            (result,) = self._connection.ask("POST", f"/search/{way}", *as_json(asked), where=options.where)["results"]
            hits += self._hits(result)
            offset, more = offset + size, result["more"]
        return hits

    def _hits(self, result: dict[str, Any]) -> list[Hit]:
        return [
            Hit(self._picture(hit), hit["distance"], hit["probability"], tuple(hit["copies"])) for hit in result["hits"]
        ]

    def _picture(self, told: dict[str, Any]) -> Picture:
        return Picture(
            id=told["id"],
            folder=told["folder"],
            name=told["name"],
            base="",
            width=told["width"],
            height=told["height"],
            bytes=told["bytes"],
            taken=datetime.fromisoformat(told["taken"]) if told["taken"] else None,
            modified=datetime.fromisoformat(told["modified"]).replace(tzinfo=None),
            digest=told["version"],
            code=told["code"],
            columns={name: self._value(name, value) for name, value in told["columns"].items()},
        )

    def _value(self, column: str, value: Value) -> Value:
        if isinstance(value, str) and column not in self._facts["columns"]:
            self.info()  # a new column
        is_date = self._facts["columns"].get(column) == Kind.DATE
        return datetime.fromisoformat(value) if is_date and isinstance(value, str) else value


def _asked(options: Options, k: int) -> dict[str, Any]:
    asked = {
        "k": k,
        "max_distance": None if options.max_distance is None else min(options.max_distance, MOST_BITS),
        "min_probability": options.min_probability,
        "where": options.where,
        "collapse": options.collapse or None,
    }
    return {name: value for name, value in asked.items() if value is not None}


def _rows(rows: Annotations, key: str) -> tuple[Rows, bool]:
    """The rows of a file, a mapping or a list; whether their values are written, as those of CSV are."""
    if isinstance(rows, str | os.PathLike):
        return read(Path(rows)), Path(rows).suffix.lower() != ".parquet"
    if isinstance(rows, Mapping):
        rows = [{**values, key: picture} for picture, values in rows.items()]
    return partial(iter, list(rows)), False


def _typed(rows: Rows, key: str, *, written: bool) -> tuple[list[JsonObject], list[str]]:
    """Rows as they are sent, each value of the kind that all of its column are of; and the columns of dates."""
    names = dict.fromkeys(name for row in rows() for name in row if name != key)
    found = kinds(rows(), [name for name in names if str(name).lower() not in RESERVED], written=written)
    listed = []
    for number, row in enumerate(rows(), 1):
        sent: JsonObject = {}
        for name, value in row.items():
            if name == key:
                sent[name] = os.fsdecode(value) if isinstance(value, bytes | os.PathLike) else value
                continue
            try:
                stored = to_stored(value, found[name]) if name in found else None
            except UnfitError as error:
                raise unfit(number, name, value, error) from None
            sent[name] = None if stored is None else to_value(stored, found[name])
        listed.append(sent)
    return listed, sorted(name for name, kind in found.items() if kind == Kind.DATE)


def _copy(copy: dict[str, Any]) -> Copy:
    names = ("id", "width", "height", "bytes", "distance", "identical", "kind", "why")
    return Copy(path=Path(copy["path"]), **{name: copy[name] for name in names})


def _described(query: One) -> tuple[str, dict[str, Any]]:
    """Where words or a vector are sent, and how; raises `LibraryError` for what goes with neither."""
    if isinstance(query, Words):
        return "by-words", {"words": [query.text]}
    if isinstance(query, np.ndarray):
        return "by-vector", {"vectors": [query.tolist()]}
    raise LibraryError("", "a server is asked for pictures, for words or for vectors alone", "ask for one kind at once")


def _relaxed(values: list[float], embedding: str | None) -> dict[str, Any]:
    """A relaxed code and, where it is known, its picture's embedding in hex, as the server takes them."""
    return {"values": [values], "embeddings": None if embedding is None else [embedding]}
