"""Where pictures come from in bulk: a folder of files, Parquet, or Lance; by path or URL.

A source is cut into pieces that are always the same, so that a piece can be done anywhere and again. Pieces are plain
dictionaries, as they are kept in a plan: `file` pieces name pictures, the others rows of a data set.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from transhash.bulk.files import Place, place
from transhash.errors import DataError, ImageError
from transhash.images import IMAGE_SUFFIXES
from transhash.plain import JsonObject
from transhash.system import needs

IMAGE_COLUMNS = ("image", "img", "bytes", "picture", "jpg")
_ROWS = 256  # read from a data set at a time


class Item(NamedTuple):
    """A picture of a source: what to call it, where it is or its bytes, and what else is known of it."""

    uri: str
    read: Place | bytes | None  # None: the row has no picture
    known: JsonObject

    def source(self) -> bytes:
        """The encoded picture."""
        if not isinstance(self.read, Place):
            return self.read or b""
        try:
            data: bytes = self.read.files.cat_file(self.read.path)
        except FileNotFoundError:
            raise ImageError(self.uri, "not there any more", "check the file") from None
        except OSError as error:  # of a network, perhaps: no fact about the picture
            raise DataError(self.uri, f"cannot be read now ({error})", "the same command goes on from here") from error
        return data


def pieces(source: str, size: int, column: str | None) -> Iterator[JsonObject]:
    """The source in pieces of at most `size` pictures; raises `DataError` when there is nothing to encode."""
    root = place(source)
    if not root.files.exists(root.path):
        raise DataError(source, "nothing there", "check the path")
    found = 0
    if source.rstrip("/").endswith(".lance"):
        for piece in _ranges(source, _lance(source).count_rows(), size, "lance", column):
            found += 1
            yield piece
    else:
        paths = [root.path] if root.files.isfile(root.path) else sorted(root.files.find(root.path))
        tables = [path for path in paths if path.endswith(".parquet") and not _hidden(path, root.path)]
        if tables:
            with needs("encode"):
                import pyarrow.parquet as pq
            for path in tables:
                with root.files.open(path, "rb") as file:
                    rows = pq.ParquetFile(file).metadata.num_rows
                for piece in _ranges(root.files.unstrip_protocol(path), rows, size, "parquet", column):
                    found += 1
                    yield piece
        else:
            names = [path[len(root.path) :].lstrip("/") for path in paths if not _hidden(path, root.path)]
            names = [name for name in names if f".{name.rpartition('.')[2].lower()}" in IMAGE_SUFFIXES]
            for start in range(0, len(names), size):
                found += 1
                yield {"kind": "file", "source": source, "names": names[start : start + size]}
    if not found:
        raise DataError(source, "no pictures, and no Parquet or Lance of any", "check the path")


def items(piece: JsonObject) -> Iterator[Item]:
    """The pictures of a piece, in order."""
    if piece["kind"] == "file":
        root = place(piece["source"])
        for name in piece["names"]:
            folder = name.rpartition("/")[0].rpartition("/")[2]
            yield Item(root.below(name).url, root.below(name), {"label": folder or None})
        return
    number, known = piece["begin"], list(columns(piece))
    for batch in _batches(piece):
        column = piece["column"] or next((name for name in IMAGE_COLUMNS if name in batch.schema.names), None)
        if column is None or column not in batch.schema.names:
            raise DataError(
                f"{piece['source']}",
                f"no column {column or ', '.join(IMAGE_COLUMNS)} of pictures, but {', '.join(batch.schema.names)}",
                "name it (--column)",
            )
        named = ["uri"] if "uri" in batch.schema.names and column != "uri" else []
        for row in batch.select([column, *named, *known]).to_pylist():
            cell = row.pop(column)
            data = cell.get("bytes") if isinstance(cell, dict) else cell
            uri = row.pop("uri", None) or (cell.get("path") if isinstance(cell, dict) else None)
            if isinstance(data, str):  # a column of paths or URLs
                yield Item(data, place(data), row)
            else:
                yield Item(f"{piece['source']}#{number}" + (f"/{uri}" if uri else ""), data, row)
            number += 1


def columns(piece: JsonObject) -> JsonObject:
    """The source's own columns that go into the result, and their Arrow types."""
    import pyarrow as pa

    if piece["kind"] == "file":
        return {"label": pa.string()}
    if piece["kind"] == "lance":
        schema = _lance(piece["source"]).schema
    else:
        import pyarrow.parquet as pq

        root = place(piece["source"])
        with root.files.open(root.path, "rb") as file:
            schema = pq.read_schema(file)
    pictures = piece["column"] or next((name for name in IMAGE_COLUMNS if name in schema.names), None)
    left_out = {pictures, "uri", "code", "width", "height", "error", "fingerprint"}
    return {field.name: field.type for field in schema if field.name not in left_out and _plain(field.type)}


def _ranges(url: str, rows: int, size: int, kind: str, column: str | None) -> Iterator[JsonObject]:
    for begin in range(0, rows, size):
        yield {"kind": kind, "source": url, "begin": begin, "end": min(begin + size, rows), "column": column}


def _batches(piece: JsonObject) -> Iterator[Any]:
    begin, end = piece["begin"], piece["end"]
    if piece["kind"] == "lance":
        dataset = _lance(piece["source"])
        yield from dataset.to_batches(offset=begin, limit=end - begin, batch_size=_ROWS)
        return
    with needs("encode"):
        import pyarrow.parquet as pq
    root = place(piece["source"])
    with root.files.open(root.path, "rb") as opened:
        file, first = pq.ParquetFile(opened), 0
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if first < end and first + rows > begin:
                at = first
                for batch in file.iter_batches(_ROWS, row_groups=[group]):
                    low, high = max(begin - at, 0), min(end - at, len(batch))
                    if low < high:
                        yield batch.slice(low, high - low)
                    at += len(batch)
            first += rows


def _lance(source: str) -> Any:
    with needs("lance"):
        import lance
    return lance.dataset(source)


def _hidden(path: str, root: str) -> bool:
    return any(part.startswith((".", "_")) for part in path[len(root) :].split("/"))


def _plain(kind: Any) -> bool:
    """Whether a column's values go into the result: numbers, texts, booleans, moments."""
    import pyarrow as pa

    types = pa.types
    return bool(types.is_primitive(kind) or types.is_string(kind) or types.is_large_string(kind))
