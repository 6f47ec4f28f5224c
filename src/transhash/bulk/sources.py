"""Where pictures come from in bulk: a folder of files, Parquet, or Lance; by path or URL.

A source is cut into pieces that are always the same, so that a piece can be done anywhere and again. Pieces are plain
dictionaries, as they are kept in a plan: `file` pieces name pictures, the others rows of a data set.
"""

from __future__ import annotations

import errno
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from transhash.bulk.files import GO_ON, Place, place, reason
from transhash.bulk.ignoring import left
from transhash.errors import DataError, ImageError, TransHashWarning
from transhash.images import IMAGE_SUFFIXES, read_file
from transhash.plain import JsonObject
from transhash.system import needs

IMAGE_COLUMNS = ("image", "img", "bytes", "picture", "jpg")
OURS = ("uri_bytes", "code", "width", "height", "error", "fingerprint")  # columns of the result that no source gives
CHANGED = "it is not what it was when the run began"
_ROWS = 256  # read from a data set at a time
_OF_A_FILE = {errno.ELOOP, errno.ENAMETOOLONG, errno.ENOTDIR}  # errors that stay, however often it is read


class Item(NamedTuple):
    """A picture of a source: what to call it, and where it is (a row may say that in a text) or its bytes."""

    uri: str
    read: Place | str | bytes | None  # None: the row has no picture

    def source(self) -> bytes:
        """The encoded picture; raises `ImageError`, and `DataError` where that is no fact about the picture."""
        if not self.read:
            raise ImageError(self.uri, "the row has no picture", "give it one, or leave it out")
        if not isinstance(self.read, Place | str):
            return self.read
        at = self.read if isinstance(self.read, Place) else _addressed(self.read)
        try:
            return _on_disk(at.path) if at.is_local else at.files.cat_file(at.path)
        except FileNotFoundError:
            raise ImageError(self.uri, "no such file", "check the path") from None
        except ImageError:
            raise
        except ValueError as error:
            raise ImageError(self.uri, "cannot be read", f"check its address ({reason(error)})") from None
        except Exception as error:  # of a network, perhaps, and each file system has errors of its own
            raise DataError(self.uri, f"cannot be read now ({reason(error)})", GO_ON) from error


def _on_disk(path: str) -> bytes:
    try:
        return read_file(path)
    except ImageError as error:
        cause = error.__cause__
        if isinstance(cause, OSError) and cause.errno not in _OF_A_FILE:  # the disk fails, not the picture
            raise cause from None
        raise


def _addressed(address: str) -> Place:
    """What a row calls its picture; raises `ImageError` for what is no address."""
    try:
        return place(address)
    except DataError as error:
        if isinstance(error.__cause__, ImportError):  # so are all of them
            raise
        raise ImageError(f"{address:.200}", error.reason, error.remedy) from None


def pieces(source: str, size: int, column: str | None) -> Iterator[JsonObject]:
    """The source in pieces of at most `size` pictures; raises `DataError` when there is nothing to encode."""
    root = place(source)
    if not root.files.exists(root.path):
        raise DataError(source, "nothing there", "check the path")
    found = 0
    if source.rstrip("/").endswith(".lance"):
        dataset = _lance(root.whole)
        _pictures(source, dataset.schema, column)
        of_it = {"kind": "lance", "source": root.whole, "version": dataset.version, "column": column}
        for piece in _ranges(of_it, dataset.count_rows(), size):
            found += 1
            yield piece
    else:
        is_file = root.files.isfile(root.path)
        paths = [root.path] if is_file else _files(root)
        names = [name for path in paths if _is_picture(name := path[len(root.path) :].lstrip("/"))]
        for path in paths:
            if not path.endswith(".parquet") or _is_hidden(path, root.path, (".", "_")):
                continue
            at = Place(root.files, path, root.files.unstrip_protocol(path))
            of_it = {"kind": "parquet", "source": at.url, "bytes": at.files.size(path), "column": column}
            for piece in _ranges(of_it, _rows(at, column), size):
                found += 1
                yield piece
        if found and names:
            said = (
                f"{source}: {len(names):,} pictures in files of their own are left out, for its Parquet files have some"
            )
            warnings.warn(TransHashWarning(said), stacklevel=2)
        for start in range(0, 0 if found else len(names), size):
            found += 1
            yield {"kind": "file", "source": source, "root": root.whole, "names": names[start : start + size]}
    if not found:
        raise DataError(source, "no pictures, and no Parquet or Lance of any", "check the path")


def _files(root: Place) -> list[str]:
    """The files of a folder that are not skipped, sorted; raises `DataError` for a folder that cannot be read."""
    if not root.is_local:
        return sorted(left(root, root.files.find(root.path)))
    failed: list[OSError] = []  # which fsspec would leave out in silence
    walked = os.walk(root.path, onerror=failed.append)
    found = [os.path.join(folder, name).replace(os.sep, "/") for folder, _, names in walked for name in names]
    unread = {f"{error.filename}/": error for error in failed if not isinstance(error, FileNotFoundError)}
    paths = sorted(left(root, [*found, *unread]))
    if wrong := next((path for path in paths if path in unread), None):
        said = f"cannot be read ({reason(unread[wrong])})"
        raise DataError(wrong.rstrip("/"), said, "make it readable, or name it in .transhashignore")
    return paths


def items(piece: JsonObject) -> Iterator[Item]:
    """The pictures of a piece, in order."""
    if piece["kind"] == "file":
        root = _root(piece)
        for name in piece["names"]:
            yield Item(f"{piece['source'].rstrip('/')}/{name}", root.below(name))
        return
    number, schema = piece["begin"], _schema(piece)
    column = _pictures(piece["source"], schema, piece["column"])
    named = ["uri"] if "uri" in schema.names and column != "uri" else []
    for batch in _batches(piece, [column, *named]):
        for row in batch.to_pylist():
            cell = row[column]
            path = cell.get("path") if isinstance(cell, dict) else None
            data = (cell.get("bytes") or path) if isinstance(cell, dict) else cell
            if isinstance(cell, str) and cell:  # a column of paths or URLs
                yield Item(cell, cell)
            else:
                uri = row.get("uri") or path
                yield Item(f"{piece['source']}#{number}" + (f"/{uri}" if uri else ""), data)
            number += 1


def check_there(piece: JsonObject) -> None:
    """Raises `DataError` where a piece's folder is gone or empty, for so a drive looks that went away."""
    if piece["kind"] != "file" or not (root := _root(piece)).is_local:
        return
    with suppress(OSError), os.scandir(root.path) as found:
        if any(found):
            return
    raise DataError(root.url, "it is gone or empty, as the folder of a drive that is away", GO_ON)


def _root(piece: JsonObject) -> Place:
    return place(piece["root"] if "root" in piece else piece["source"])  # plans had none


def known(piece: JsonObject) -> Any:
    """The source's own columns that go into the result, as a table of Arrow with a row for each picture."""
    import pyarrow as pa

    if piece["kind"] == "file":
        folders = [utf8(name.rpartition("/")[0].rpartition("/")[2]) or None for name in piece["names"]]
        return pa.table({"label": pa.array(folders, pa.string())})
    schema = _schema(piece)
    left_out = {_pictures(piece["source"], schema, piece["column"]), "uri", *OURS}
    fields = [field for field in schema if field.name not in left_out and _plain(field.type)]
    return pa.Table.from_batches(_batches(piece, [field.name for field in fields]), pa.schema(fields))


def utf8(name: str) -> str:
    """A name as a text; what is not UTF-8 in it is replaced."""
    return name if name.isascii() else os.fsencode(name).decode("utf-8", "replace")


def _ranges(of_it: JsonObject, rows: int, size: int) -> Iterator[JsonObject]:
    for begin in range(0, rows, size):
        yield {**of_it, "begin": begin, "end": min(begin + size, rows)}


def _rows(at: Place, column: str | None) -> int:
    """How many pictures a Parquet file has: none where transhash wrote it. Raises `DataError` without a column."""
    with _parquet(at) as file:
        if any(key.startswith(b"transhash.") for key in file.schema_arrow.metadata or {}):
            return 0
        rows: int = file.metadata.num_rows
        if rows:
            _pictures(at.url, file.schema_arrow, column)
        return rows


def _pictures(url: str, schema: Any, column: str | None) -> str:
    """The column of pictures; raises `DataError` when there is none, and where columns cannot be told apart."""
    if twice := [name for name in schema.names if schema.names.count(name) > 1]:
        raise DataError(url, f"several columns are called {twice[0]!r}", "rename them")
    found = column or next((name for name in IMAGE_COLUMNS if name in schema.names), None)
    if found is None or found not in schema.names:
        said = f"no column {found or ', '.join(IMAGE_COLUMNS)} of pictures, but {', '.join(schema.names)}"
        raise DataError(url, said, "name it (--column)")
    return found


def _schema(piece: JsonObject) -> Any:
    if piece["kind"] == "lance":
        return _lance(piece["source"], piece.get("version")).schema
    at = place(piece["source"])
    if at.files.size(at.path) != piece.get("bytes", at.files.size(at.path)):
        raise DataError(at.url, CHANGED, "choose another --to")
    with _parquet(at) as file:
        return file.schema_arrow


def _batches(piece: JsonObject, names: list[str]) -> Iterator[Any]:
    begin, end = piece["begin"], piece["end"]
    if piece["kind"] == "lance":
        dataset = _lance(piece["source"], piece.get("version"))
        yield from dataset.to_batches(columns=names, offset=begin, limit=end - begin, batch_size=_ROWS)
        return
    with _parquet(place(piece["source"])) as file:
        at = 0
        for group in range(file.num_row_groups):
            if at >= end:
                return
            rows = file.metadata.row_group(group).num_rows
            if at + rows <= begin:
                at += rows
                continue
            for batch in file.iter_batches(_ROWS, row_groups=[group], columns=names):
                batch.validate(full=True)  # of texts, too, which need not be UTF-8
                low, high = max(begin - at, 0), min(end - at, len(batch))
                if low < high:
                    yield batch.slice(low, high - low)
                at += len(batch)
                if at >= end:
                    return


@contextmanager
def _parquet(at: Place) -> Iterator[Any]:
    """A Parquet file; raises `DataError` when it is damaged, there and while it is read."""
    with needs("encode"):
        import pyarrow as pa
        import pyarrow.parquet as pq
    try:
        with at.files.open(at.path, "rb") as opened:
            yield pq.ParquetFile(opened)
    except (pa.ArrowException, OSError) as error:
        raise DataError(at.url, f"cannot be read as Parquet ({reason(error)})", GO_ON) from error


def _lance(source: str, version: int | None = None) -> Any:
    """A Lance dataset as it was when a run began; raises `DataError` when that cannot be read."""
    with needs("lance"):
        import lance
    try:
        return lance.dataset(source, version=version)
    except (OSError, ValueError) as error:
        raise DataError(source, f"cannot be read as Lance ({reason(error)})", GO_ON) from error


def _is_picture(name: str) -> bool:
    return f".{name.rpartition('.')[2].lower()}" in IMAGE_SUFFIXES and not _is_hidden(name, "", (".",))


def _is_hidden(path: str, root: str, marks: tuple[str, ...]) -> bool:
    return any(part.startswith(marks) for part in path[len(root) :].split("/"))


def _plain(kind: Any) -> bool:
    """Whether a column's values go into the result: numbers, texts, booleans, moments."""
    import pyarrow as pa

    types = pa.types
    kind = kind.value_type if types.is_dictionary(kind) else kind
    tests = (types.is_primitive, types.is_decimal, types.is_string, types.is_large_string)
    return any(is_one(kind) for is_one in tests)
