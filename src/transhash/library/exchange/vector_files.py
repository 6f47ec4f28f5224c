"""Files of vectors, which stay there: NumPy's `.npy`, mapped, and Parquet with a column of lists, a page at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transhash.errors import DataError
from transhash.library.catalogue.kinds import RESERVED, Kind, UnfitError, Value, to_stored, to_value
from transhash.library.exchange.parquet_file import parquet, pyarrow, values
from transhash.library.exchange.streams import Stream, Vectors, VectorStream
from transhash.library.exchange.tables import Row, Rows, kinds, read, unfit

IDS = "id"  # the column of ids in a Parquet file, where none is named
OWN_ID = "own_id"  # the column that keeps them where paths of pictures are the ids
_BATCH = 4096  # rows


class VectorFile(NamedTuple):
    """Vectors, and what is known of them."""

    vectors: Vectors  # (N, F)
    ids: Stream[object] | None = None
    names: Sequence[str] = ()  # of columns
    rows: Rows | None = None  # that have these columns
    left_out: Sequence[str] = ()  # columns of which a library holds nothing


def read_vectors(
    file: Path,
    column: str | None = None,
    ids: str | None = None,
    columns: Path | None = None,
    pictures: str | None = None,
) -> VectorFile:
    """The vectors of a file.

    Of Parquet `column` names the vectors (by default the only column of lists) and `ids` a column of texts or numbers;
    all other columns come along. For `.npy`, `ids` is a file with a line for each. `columns`: a CSV or Parquet file
    with a row for each. `pictures`: the column with the path of each row's picture, which becomes its id; ids that
    there were are then a column, `own_id`. Raises `DataError` for what is missing or something else.
    """
    reserved = set[str | None](RESERVED) - {pictures}  # names that no other column can have
    found = _parquet(file, column, ids, reserved) if file.suffix.lower() == ".parquet" else _npy(file, ids)
    if column is not None and file.suffix.lower() == ".npy":
        raise DataError(file, f"a .npy file has no columns such as {column!r}", "leave --vectors out")
    if columns is not None:
        found = _with_columns(found, columns, reserved)
    return found if pictures is None else _with_pictures(found, pictures)


def _with_columns(found: VectorFile, columns: Path, reserved: set[str | None]) -> VectorFile:
    given = read(columns)
    count, names = 0, dict.fromkeys(found.names)
    for row in given():
        count, names = count + 1, names | dict.fromkeys(row)
    if count != len(found.vectors):
        raise DataError(columns, f"it has {count:,} rows for {len(found.vectors):,} vectors", "give one for each")
    held = [name for name in names if name.lower() not in reserved]
    left_out = [*found.left_out, *(name for name in names if name not in held)]
    looks = kinds(given(), held, written=columns.suffix.lower() != ".parquet")  # in CSV all are texts

    def rows() -> Iterator[Row]:
        pairs = zip(given(), found.rows() if found.rows else repeat({}), strict=False)
        for number, (row, own) in enumerate(pairs, 1):
            yield {**own, **{name: _value(number, name, row.get(name), kind) for name, kind in looks.items()}}

    return found._replace(names=held, rows=rows, left_out=left_out)


def _with_pictures(found: VectorFile, column: str) -> VectorFile:
    """The same, known by the paths in a column."""
    given, others = found.rows, [name for name in found.names if name != column]
    if given is None or len(others) == len(found.names):
        raise DataError("", f"no column {column!r} of paths, but {', '.join(others) or 'none'}", "name another")
    paths = Stream[object](len(found.vectors), lambda: (row[column] for row in given()))
    if missing := sum(not isinstance(path, str) or not path for path in paths):
        raise DataError("", f"{missing:,} rows have no path in {column!r}", "leave these rows out")

    def rows() -> Iterator[Row]:
        for row, own_id in zip(given(), found.ids or repeat(None), strict=False):
            kept = {name: value for name, value in row.items() if name != column}
            yield kept if found.ids is None else {**kept, OWN_ID: str(own_id)}

    names = [*others, *([] if found.ids is None else [OWN_ID])]
    return VectorFile(found.vectors, paths, names, rows, found.left_out)


def _value(row: int, column: str, written: object, kind: Kind) -> Value | None:
    try:
        stored = to_stored(written, kind)
    except UnfitError as error:
        raise unfit(row, column, written, error) from None
    return None if stored is None else to_value(stored, kind)


def read_npy(file: Path, *, one: bool = False) -> NDArray[np.generic]:
    """The array (N, F) in a `.npy` file, mapped; raises `DataError` when it is none of numbers.

    `one`: it may be a single vector (F,).
    """
    try:
        array = np.load(file, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise DataError(file, "no such file", "check the path") from None
    except (OSError, ValueError, EOFError) as error:
        raise DataError(file, f"not an array of NumPy ({error})", "save it with numpy.save") from error
    if one and isinstance(array, np.ndarray) and array.ndim == 1:
        array = array[None]
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fi" or array.ndim != 2:
        said = f": {array.dtype} {array.shape}" if isinstance(array, np.ndarray) else ""
        raise DataError(file, f"not vectors, float or int (N, F){said}", "save these with numpy.save")
    return array


def _npy(file: Path, ids: str | None) -> VectorFile:
    vectors = read_npy(file)
    if ids is None:
        return VectorFile(vectors)
    path = Path(ids)

    def lines() -> Iterator[object]:
        try:
            with path.open(encoding="utf-8-sig", errors="surrogateescape") as opened:  # paths need not be UTF-8
                for line in opened:
                    yield line.rstrip("\n")
        except OSError as error:
            raise DataError(
                path, f"cannot be read ({error.strerror})", "give a file with an id in each line"
            ) from error

    return VectorFile(vectors, Stream(sum(1 for _ in lines()), lines))


def _parquet(file: Path, column: str | None, ids: str | None, reserved: set[str | None]) -> VectorFile:
    types = pyarrow().types
    with parquet(file) as opened:
        schema, count = opened.schema_arrow, opened.metadata.num_rows
    lists = [
        field.name
        for field in schema
        if (types.is_list(field.type) or types.is_large_list(field.type) or types.is_fixed_size_list(field.type))
        and (types.is_floating(field.type.value_type) or types.is_integer(field.type.value_type))
    ]
    if column is None and len(lists) != 1:
        raise DataError(file, f"columns of vectors: {', '.join(lists) or 'none'}", "name one (--vectors)")
    column = column or lists[0]
    for wanted in filter(None, (column, ids)):
        if wanted not in schema.names:
            raise DataError(file, f"no column {wanted!r}, but {', '.join(schema.names)}", "name another")
    if column not in lists:
        raise DataError(file, f"column {column!r} has no lists of numbers", "name another (--vectors)")
    if not count:
        raise DataError(file, "it has no rows", "give at least one vector")
    key = ids or (IDS if IDS in schema.names else None)
    others = [field for field in schema if field.name not in (column, key)]
    names = [field.name for field in others if field.name.lower() not in reserved and _is_held(types, field.type)]
    first = next(_batches(file, [column])).column(0)
    width = first.type.list_size if types.is_fixed_size_list(first.type) else len(first[0].as_py() or ())
    if not width:
        raise DataError(f"{file}, row 1", f"{column!r} has no vector", "leave this row out")
    vectors = VectorStream((count, width), lambda: _arrays(file, column, width))
    of_key = None if key is None else Stream(count, lambda: _ids(file, key))

    def rows() -> Iterator[Row]:
        for batch in _batches(file, names):
            yield from values(file, batch)

    left_out = [field.name for field in others if field.name not in names]
    return VectorFile(vectors, of_key, names, rows if names else None, left_out)


def _is_held(types: Any, kind: Any) -> bool:
    """Whether a column of a library can hold values of a type of Arrow's."""
    if types.is_dictionary(kind):
        kind = kind.value_type
    tests = ("string", "large_string", "integer", "floating", "boolean", "date", "timestamp", "null")
    return any(getattr(types, f"is_{test}")(kind) for test in tests)


def _batches(file: Path, columns: list[str]) -> Iterator[Any]:
    with parquet(file) as opened:
        missing = opened.metadata.num_rows
        for batch in opened.iter_batches(_BATCH, columns=columns):
            missing -= len(batch)
            yield batch
        if missing:
            raise DataError(file, "it has not as many rows as it says", "write the file again")


def _arrays(file: Path, column: str, width: int) -> Iterator[NDArray[np.generic]]:
    """The vectors of a column; raises `DataError` for rows that have none, or one of another length."""
    arrow, before = pyarrow(), 0
    for batch in _batches(file, [column]):
        lists = batch.column(0)
        lengths = arrow.compute.list_value_length(lists).fill_null(-1).to_numpy()
        for row in np.flatnonzero(lengths != width)[:1]:
            said = "no vector" if lengths[row] < 0 else f"{lengths[row]} values, where others have {width}"
            raise DataError(f"{file}, row {before + row + 1:,}", f"{column!r} has {said}", "leave this row out")
        before += len(lists)
        yield lists.flatten().to_numpy(zero_copy_only=False).reshape(-1, width)


def _ids(file: Path, column: str) -> Iterator[object]:
    """The ids in a column; raises `DataError` for a row that has none."""
    found = (value for batch in _batches(file, [column]) for value in values(file, batch.column(0)))
    for row, value in enumerate(found, 1):
        if value is None:
            raise DataError(f"{file}, row {row:,}", f"{column!r} has no id", "give this row one, or leave it out")
        yield value
