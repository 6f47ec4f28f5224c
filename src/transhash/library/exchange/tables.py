"""Rows of a user's own columns from a file: CSV (comma, semicolon or tab) by the standard library, Parquet by pyarrow.

A file is read twice, a row at a time: for the kinds of its columns, and for the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from transhash.errors import DataError
from transhash.library.catalogue.kinds import Kind, UnfitError, common, is_missing, kind_of, kind_of_text, of_python
from transhash.library.exchange.parquet_file import parquet, values

Row = Mapping[str, object]
Rows = Callable[[], Iterator[Row]]  # anew at each call

_DELIMITERS = ",;\t"
_BATCH = 4096


def read(path: Path) -> Rows:
    """The rows of a file; raises `DataError` when it is missing, of another kind or damaged."""
    suffix = path.suffix.lower()
    if not path.is_file():
        raise DataError(path, "no such file", "check the path")
    if suffix == ".parquet":
        return lambda: _parquet(path)
    if suffix in (".csv", ".tsv", ".txt"):
        return lambda: _csv(path)
    raise DataError(path, "neither CSV nor Parquet by its name", "call it .csv or .parquet")


def kinds(rows: Iterator[Row], columns: list[str], *, written: bool) -> dict[str, Kind]:
    """The kinds of these columns by their values, which in `written` rows are texts; a column without any has none."""
    found: dict[str, set[Kind]] = {column: set() for column in columns}
    for number, row in enumerate(rows, 1):
        for column in columns:
            value = of_python(row.get(column))
            if is_missing(value.strip() if isinstance(value, str) else value):
                continue
            try:
                found[column].add(kind_of_text(str(value).strip()) if written else kind_of(value))
            except UnfitError as error:
                raise unfit(number, column, value, error) from None
    return {column: common(looks) for column, looks in found.items() if looks}


def unfit(number: int, column: str, value: object, error: UnfitError) -> DataError:
    """The error about a value."""
    return DataError(
        f"row {number}, column {column!r}", f"expected {error}, but found {str(value)[:40]!r}", "change it"
    )


def _csv(path: Path) -> Iterator[Row]:
    import csv

    # A path need not be UTF-8; that texts are is checked where they are stored.
    with _damage(path), path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        first = file.readline()
        file.seek(0)
        reader = csv.reader(file, delimiter=max(_DELIMITERS, key=first.count), strict=True)
        header = [name.strip() for name in next(reader, [])]
        if not any(header) or len(set(header)) < len(header):
            raise DataError(path, "its first line must name the columns, each once", "add that line")
        for row in reader:
            if len(row) != len(header) and row:
                raise DataError(
                    f"{path}, line {reader.line_num}",
                    f"{len(row)} values for {len(header)} columns",
                    "correct the line",
                )
            if row:
                yield dict(zip(header, row, strict=True))


def _parquet(path: Path) -> Iterator[Row]:
    with parquet(path) as file:
        for batch in file.iter_batches(batch_size=_BATCH):
            yield from values(path, batch)


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    from csv import Error

    try:
        yield
    except (OSError, Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(path, f"cannot be read as CSV ({reason})", "correct it, or save it again as CSV") from error
