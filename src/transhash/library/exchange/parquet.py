"""A library as one Parquet file and back: its pictures in batches, its model's name and fingerprint in the metadata.

Columns: path (relative to the folder that contains the library; absolute for a picture elsewhere), path_bytes (only
where the path is not UTF-8), code (bits/8 bytes), width, height, size, modified (UTC), digest (BLAKE2b of the file, 16
bytes), taken (by the camera's clock), embedding (where there is one: what the model says, int8), then the user's own.
A file that comes in may be anyone's: its schema is compared with ours and every row is checked.
"""

from __future__ import annotations

import json
import os
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from transhash.codes import MOST_BITS
from transhash.errors import DataError, LibraryError
from transhash.images import MAX_SIDE
from transhash.library.catalogue.catalogue import Catalogue
from transhash.library.catalogue.database import NewLayers
from transhash.library.catalogue.kinds import MAX_NAME, RESERVED, YEARS, Kind, Stored, UnfitError, to_stored
from transhash.library.catalogue.records import Coded, File, Indexed, Origin
from transhash.library.exchange.merging import prepare
from transhash.library.exchange.parquet_file import parquet, plain, pyarrow
from transhash.library.files.paths import Places
from transhash.library.opening import folder_of, made
from transhash.library.results import ImportReport
from transhash.model import fitted
from transhash.model.embedder import MOST_VALUES
from transhash.plain import parsed
from transhash.progress import Progress
from transhash.system import replacing

if TYPE_CHECKING:
    from transhash.model import Encoder

FORMAT = 2  # of the file, with embeddings; 1 without. A newer one needs a newer transhash
BATCH = 8192  # rows in memory at a time
GROUP = 1 << 17  # rows of a row group: a million pictures are eight of them
_PREFIX = b"transhash."


class Carried(NamedTuple):
    """A picture as it is carried."""

    file: File
    coded: Coded
    own: dict[str, Stored | None]


class Head(NamedTuple):
    """What a file says of itself."""

    model: str
    fingerprint: str
    bits: int
    columns: dict[str, Kind]
    base: str = ""  # where hash layers were fitted to the library: the fingerprint of the model that they read,
    layers: bytes = b""  # they themselves,
    fitted_to: int = 0  # and how many pictures there were
    embedding: int = 0  # values of the embeddings in it
    general: bool = False  # the codes are to stay the model's own

    @property
    def origin(self) -> Origin:
        """Which model its codes come from."""
        return Origin(self.base or self.fingerprint, self.fingerprint)


def write(path: Path, catalogue: Catalogue, progress: Progress, *, vectors: bool = True) -> int:
    """Write every picture that search can find; a reader sees the old file or the new one. Returns how many."""
    arrow = pyarrow()
    rows = total = 0
    try:
        with catalogue.reading(), replacing(path) as file:
            facts, columns, total = catalogue.facts(), catalogue.columns.all(), catalogue.pictures.counts()[0]
            real = {column.id: catalogue.columns.has_reals(column.id) for column in columns.values()}
            kinds = {name: each.kind for name, each in columns.items()}
            head = Head(facts.model, facts.fingerprint, facts.bits, kinds, general=catalogue.embeddings.are_general())
            if layers := catalogue.embeddings.layers(facts.bits):
                head = head._replace(base=layers.base, layers=layers.head.to_bytes(), fitted_to=layers.pictures)
            if vectors:
                head = head._replace(embedding=catalogue.embeddings.values() or 0)
            if head.embedding and "embedding" in map(str.lower, columns):
                remedy = "drop it, or export without vectors (--no-vectors)"
                raise DataError(path, "a column of your own is called embedding", remedy)
            schema = _schema(head, {name for name, column in columns.items() if real[column.id]})
            options = {"compression": "zstd", "write_page_checksum": True}
            with arrow.parquet.ParquetWriter(file, schema, **options) as writer:
                waiting: list[Any] = []
                for page in catalogue.pictures.indexed():
                    own = catalogue.columns.range(page[0].id, page[-1].id)
                    kept = catalogue.embeddings.of(each.id for each in page) if head.embedding else {}
                    if any(len(each) != head.embedding for each in kept.values()):
                        raise catalogue.damaged()
                    waiting.append(_batch(schema, page, kept, {c.name: own.get(c.id, {}) for c in columns.values()}))
                    rows += len(page)
                    if sum(len(batch) for batch in waiting) >= GROUP:
                        writer.write_table(arrow.Table.from_batches(waiting, schema), row_group_size=GROUP)
                        waiting = []
                        progress("exporting", rows, total, "")
                if waiting:
                    writer.write_table(arrow.Table.from_batches(waiting, schema), row_group_size=GROUP)
                # Pages have checksums, but nothing says how many there should be.
                writer.add_key_value_metadata({_PREFIX + b"pictures": str(rows).encode()})
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(path, f"cannot be written ({reason})", "free space or choose another place") from error
    progress("exporting", rows, total, "")
    return rows


def head(path: Path) -> Head:
    """What a file says of itself; raises `DataError` when it is damaged or is not what `write` writes."""
    with parquet(path) as file:
        return _head(path, file.schema_arrow)


def holds_vectors(path: Path) -> bool:
    """Whether a file has vectors of one's own, and not what `write` writes; raises `DataError` for a damaged one."""
    if path.suffix.lower() == ".npy":
        return True
    with parquet(path) as file:
        return _PREFIX + b"format" not in (file.schema_arrow.metadata or {}) and any(
            "list" in str(field.type) for field in file.schema_arrow
        )


def checked(path: Path) -> Head:
    """The same of a file that was read as a whole; raises `DataError` for the first picture that cannot be."""
    for _ in rows(path):
        pass
    return head(path)


def accept(file: Path, head: Head, path: Path, model: Encoder | None) -> None:
    """Make an empty library in a folder for what a file holds; raises `LibraryError` when `model` is not the file's."""
    if model and model.fingerprint not in (head.fingerprint, head.base):
        raise LibraryError(
            file,
            f"its codes come from model {head.model} ({head.fingerprint[:12]}), not from {model.name} ("
            f"{model.fingerprint[:12]})",
            "name that model, or none",
        )
    folder = folder_of(model) if model else ""
    fitted = NewLayers(head.base, head.layers, head.fitted_to) if head.layers else None
    layers = NewLayers(head.fingerprint, b"", 0) if head.general else fitted
    made(path, head.model, head.fingerprint, head.bits, folder, layers).close()


def rows(path: Path) -> Iterator[list[Carried]]:
    """The pictures of a file in batches; raises `DataError` for the first that cannot be."""
    with parquet(path) as file:
        facts = _head(path, file.schema_arrow)
        number = 0
        for batch in file.iter_batches(batch_size=BATCH):
            yield [_carried(path, number + at, row, facts) for at, row in enumerate(plain(batch).to_pylist(), 1)]
            number += len(batch)
        if str(number).encode() != (file.metadata.metadata or {}).get(_PREFIX + b"pictures"):
            raise DataError(path, f"it has {number:,} pictures, which are not all", "export the library again")


def bring(path: Path, catalogue: Catalogue, places: Places, progress: Progress) -> ImportReport:
    """Take all pictures of a checked file into a catalogue of the same model, in place of those of the same path."""
    found = head(path)
    report = ImportReport()
    known = catalogue.columns.by_lower()
    for name, kind in found.columns.items():
        if name.lower() in known and known[name.lower()].kind != kind:
            raise DataError(
                path,
                f"column {name!r} holds a {kind}, but a {known[name.lower()].kind} in the library",
                "drop it there (`transhash annotate --drop`) or rename it",
            )
    prepare(path, found, catalogue)
    with catalogue.writing(patient=True):
        own = catalogue.columns.added(found.columns)
    for batch in rows(path):
        with catalogue.writing(patient=True):
            catalogue.columns.require(own.values())
            for one in batch:
                file = one.file._replace(folder=places.stored(one.file.folder))
                id_ = catalogue.pictures.at(file.folder, file.name)
                report.replaced += id_ is not None
                report.added += id_ is None
                catalogue.pictures.put(file, one.coded)
                if one.own:
                    id_ = id_ or catalogue.pictures.at(file.folder, file.name)
                    assert id_ is not None  # it has just been put there
                    catalogue.columns.set_values([(id_, {own[name].id: value for name, value in one.own.items()})])
        progress("importing", report.added + report.replaced, 0, "")
    return report


def _schema(found: Head, reals: set[str]) -> Any:
    arrow = pyarrow()
    metadata = {
        "format": str(FORMAT if found.embedding else 1),
        "model": found.model,
        "fingerprint": found.fingerprint,
        "bits": str(found.bits),
    }
    metadata["columns"] = json.dumps({name: str(kind) for name, kind in found.columns.items()})
    if found.layers:
        metadata |= {"base": found.base, "layers": b64encode(found.layers).decode(), "fitted_to": str(found.fitted_to)}
    metadata |= {"embedding": str(found.embedding)} if found.embedding else {}
    metadata |= {"general": "yes"} if found.general else {}
    own = [
        arrow.field(name, arrow.float64() if name in reals else _type(arrow, kind))
        for name, kind in found.columns.items()
    ]
    fixed = [arrow.field(name, kind, nullable) for name, (kind, nullable) in _fixed(arrow, found).items()]
    return arrow.schema([*fixed, *own], {_PREFIX + key.encode(): value.encode() for key, value in metadata.items()})


def _fixed(arrow: Any, found: Head) -> dict[str, tuple[Any, bool]]:
    """Our columns: type, and whether a value may be missing."""
    return {
        "path": (arrow.string(), False),
        "path_bytes": (arrow.binary(), True),
        "code": (arrow.binary(found.bits // 8), False),
        "width": (arrow.int32(), False),
        "height": (arrow.int32(), False),
        "size": (arrow.int64(), False),
        "modified": (arrow.timestamp("ns", tz="UTC"), False),
        "digest": (arrow.binary(16), False),
        "taken": (arrow.timestamp("ms"), True),
        **({"embedding": (arrow.binary(found.embedding), True)} if found.embedding else {}),
    }


def _type(arrow: Any, kind: Kind) -> Any:
    types = {Kind.NUMBER: arrow.int64(), Kind.BOOLEAN: arrow.bool_(), Kind.DATE: arrow.timestamp("ms")}
    return types.get(kind, arrow.string())


def _batch(schema: Any, page: list[Indexed], kept: dict[int, bytes], own: dict[str, dict[int, Stored]]) -> Any:
    arrow = pyarrow()
    paths = [os.path.join(each.folder, each.name) for each in page]
    texts = [path.decode("utf-8", "replace") for path in paths]
    values: dict[str, list[Any]] = {
        "path": texts,
        "path_bytes": [None if text.encode() == path else path for text, path in zip(texts, paths, strict=True)],
        "code": [each.code for each in page],
        "width": [each.width for each in page],
        "height": [each.height for each in page],
        "size": [each.size for each in page],
        "modified": [each.mtime_ns for each in page],
        "digest": [each.digest for each in page],
        "taken": [each.taken for each in page],
        "embedding": [kept.get(each.id) for each in page],
    }
    values |= {name: [of.get(each.id) for each in page] for name, of in own.items()}
    arrays = []
    for field in schema:
        column = values[field.name]
        if arrow.types.is_timestamp(field.type):
            units = 1000 if field.type.unit == "ms" else 1
            moments = [None if each is None else each * units for each in column]
            arrays.append(arrow.array(moments, arrow.int64()).cast(field.type))
        elif field.type == arrow.float64():
            arrays.append(arrow.array([_real(field.name, each) for each in column], field.type))
        elif field.type == arrow.bool_():
            arrays.append(arrow.array([None if each is None else bool(each) for each in column], field.type))
        else:
            arrays.append(arrow.array(column, field.type))
    return arrow.record_batch(arrays, schema)


def _real(name: str, value: float | None) -> float | None:
    """A number of a column that has fractions too; raises `DataError` when it would be altered."""
    if value is None or float(value) == value:
        return value if value is None else float(value)
    raise DataError(
        "",
        f"column {name!r} holds the whole number {value} and fractions, and a Parquet column of fractions "
        "would round it",
        "annotate with the whole numbers in a column of their own, and drop this one (`transhash annotate --drop`)",
    )


def _head(path: Path, schema: Any) -> Head:
    arrow = pyarrow()
    said = {
        key.removeprefix(_PREFIX): value for key, value in (schema.metadata or {}).items() if key.startswith(_PREFIX)
    }
    try:
        if int(said[b"format"]) > FORMAT:
            raise DataError(path, "written by a newer transhash", "update transhash to import it")
        columns = {str(name): Kind(kind) for name, kind in parsed(said[b"columns"]).items()}
        found = Head(said[b"model"].decode(), said[b"fingerprint"].decode(), int(said[b"bits"]), columns)
        found = found._replace(embedding=int(said.get(b"embedding", 0)), general=b"general" in said)
        if layers := b64decode(said.get(b"layers", b""), validate=True):
            found = found._replace(base=said[b"base"].decode(), layers=layers, fitted_to=int(said[b"fitted_to"]))
            fits = fitted.Head.from_bytes(layers, found.bits).fingerprint(found.base) == found.fingerprint
            if not fits or found.fitted_to < 1:
                raise ValueError
    except (KeyError, ValueError, AttributeError, TypeError, RecursionError, ZeroDivisionError) as error:
        remedy = "give that, or vectors: a column of lists"
        raise DataError(path, "not a library that transhash has exported", remedy) from error
    sound = 0 <= found.embedding <= MOST_VALUES and found.bits % 8 == 0 and 8 <= found.bits <= MOST_BITS
    sound &= len(found.fingerprint) == 64 and len(found.model) <= 1000
    sound &= len({name.lower() for name in columns}) == len(columns) and not {n.lower() for n in columns} & RESERVED
    sound &= all(name.isprintable() and 1 <= len(name) <= MAX_NAME for name in columns)
    sound &= not set(columns.values()) & {Kind.PATH, Kind.BYTES}
    expected = {name: kind for name, (kind, _) in _fixed(arrow, found).items()} if sound else {}
    sound &= schema.names == [*expected, *columns]
    for field in schema if sound else ():
        kind = columns.get(field.name)
        types = [expected[field.name]] if kind is None else [_type(arrow, kind)]
        sound &= field.type in types or (kind == Kind.NUMBER and field.type == arrow.float64())
    if not sound:
        raise DataError(path, "its columns are not those that transhash exports", "export the library again")
    return found


def _carried(path: Path, number: int, row: dict[str, Any], found: Head) -> Carried:
    try:
        place = row["path_bytes"] if row["path_bytes"] is not None else (row["path"] or "").encode()
        parts = place.split(b"/")[place.startswith(b"/") :]
        _require(b"\0" not in place and not {b"", b".", b".."} & set(parts), "the path of a picture")
        _require(row["code"] is not None and row["digest"] is not None, "a code and a digest")
        sides = (row["width"], row["height"])
        sized = all(side is not None and 0 < side <= MAX_SIDE for side in sides)
        _require(sized or sides == (0, 0), "a picture's size")  # a vector has none
        _require(row["size"] is not None and row["size"] >= 0 and row["modified"] is not None, "a file's size and time")
        own = {name: _own(row[name], kind) for name, kind in found.columns.items()}
        taken, kept = _own(row["taken"], Kind.DATE), row.get("embedding")
        coded = Coded(row["width"], row["height"], row["code"], None, None, taken, kept, found.origin)
    except UnfitError as error:
        raise DataError(f"{path}, row {number}", f"expected {error}", "export the library again") from None
    return Carried(File(*os.path.split(place), row["size"], row["modified"], row["digest"]), coded, own)


def _own(value: Any, kind: Kind) -> Any:
    """A value as the catalogue stores it; moments come in milliseconds."""
    if kind != Kind.DATE or value is None:
        return to_stored(value, kind)
    _require(YEARS[0] <= value // 1000 < YEARS[1], "a date from the year 1 to 9999")
    return value // 1000


def _require(sound: bool, what: str) -> None:
    if not sound:
        raise UnfitError(what)
