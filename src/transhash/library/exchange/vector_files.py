"""Files of vectors: NumPy's `.npy`, mapped and not read at once, and Parquet with a column of lists."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from transhash.errors import DataError
from transhash.library.catalogue.kinds import RESERVED, Kind, Value, to_stored, to_value
from transhash.library.exchange.parquet_file import parquet, pyarrow
from transhash.library.exchange.tables import kinds, read

IDS = "id"  # the column of ids in a Parquet file, where none is named
OWN_ID = "own_id"  # the column that keeps them where paths of pictures are the ids


class VectorFile(NamedTuple):
    """Vectors, and what is known of them."""

    vectors: NDArray[np.generic]  # (N, F)
    ids: Sequence[object] | None
    columns: dict[str, Sequence[object]]


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
    found = _parquet(file, column, ids) if file.suffix.lower() == ".parquet" else _npy(file, ids)
    if columns is not None:
        found = _with_columns(found, columns)
    return found if pictures is None else _with_pictures(found, pictures)


def _with_columns(found: VectorFile, columns: Path) -> VectorFile:
    rows = list(read(columns)())
    names = list({name: None for row in rows for name in row})
    looks = kinds(iter(rows), names, written=columns.suffix.lower() != ".parquet")  # in CSV all are texts
    own = {name: [_value(row.get(name), kind) for row in rows] for name, kind in looks.items()}
    return found._replace(columns={**found.columns, **own})


def _with_pictures(found: VectorFile, column: str) -> VectorFile:
    """The same, known by the paths in a column."""
    others = dict(found.columns)
    paths = others.pop(column, None)
    if paths is None:
        raise DataError("", f"no column {column!r} of paths, but {', '.join(others) or 'none'}", "name another")
    if missing := sum(not isinstance(path, str) or not path for path in paths):
        raise DataError("", f"{missing:,} rows have no path in {column!r}", "leave these rows out")
    if found.ids is not None:
        others[OWN_ID] = [str(each) for each in found.ids]
    return VectorFile(found.vectors, paths, others)


def _value(written: object, kind: Kind) -> Value | None:
    stored = to_stored(written, kind)
    return None if stored is None else to_value(stored, kind)


def read_npy(file: Path) -> NDArray[np.generic]:
    """The array in a `.npy` file, mapped; raises `DataError` when it is none of numbers."""
    try:
        array = np.load(file, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise DataError(file, "no such file", "check the path") from None
    except (OSError, ValueError, EOFError) as error:
        raise DataError(file, f"not an array of NumPy ({error})", "save it with numpy.save") from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fi" or array.ndim != 2:
        raise DataError(file, "not vectors, numbers (N, F)", "save these with numpy.save")
    return array


def _npy(file: Path, ids: str | None) -> VectorFile:
    if ids is None:
        return VectorFile(read_npy(file), None, {})
    try:
        lines = Path(ids).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(ids, "cannot be read as lines of text", "give a file with an id in each line") from error
    return VectorFile(read_npy(file), lines, {})


def _parquet(file: Path, column: str | None, ids: str | None) -> VectorFile:
    arrow = pyarrow()
    with parquet(file) as opened:
        schema = opened.schema_arrow
        types = arrow.types
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
        key = ids or (IDS if IDS in schema.names else None)
        table = opened.read()
    chunks = table[column].combine_chunks()
    lengths = {len(row) for row in chunks} if not types.is_fixed_size_list(chunks.type) else {chunks.type.list_size}
    if chunks.null_count or len(lengths) != 1:
        raise DataError(
            file, f"the vectors of column {column!r} differ in length", "leave out those that are not whole"
        )
    vectors = chunks.flatten().to_numpy(zero_copy_only=False).reshape(len(table), -1)
    others = [name for name in table.column_names if name not in (column, key, *lists) and name not in RESERVED]
    return VectorFile(
        vectors, None if key is None else table[key].to_pylist(), {name: table[name].to_pylist() for name in others}
    )
