"""Parquet files, opened by pyarrow: whatever is wrong with one is a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transhash.errors import DataError
from transhash.system import needs


def pyarrow() -> Any:
    """The package, or an error that names the command which installs it."""
    with needs("parquet"):
        import pyarrow
        import pyarrow.compute
        import pyarrow.parquet
    return pyarrow


_OTHERS = {".npz", ".csv", ".tsv", ".txt", ".json", ".jsonl", ".pt", ".pkl", ".safetensors", ".h5", ".hdf5", ".arrow"}
_READ = 1 << 20  # bytes of a column that are in memory, and not all of a row group


@contextmanager
def parquet(path: Path) -> Iterator[Any]:
    """A `pyarrow.parquet.ParquetFile`; raises `DataError` when it is damaged, there and while it is read."""
    arrow = pyarrow()
    try:
        with arrow.parquet.ParquetFile(path, page_checksum_verification=True, buffer_size=_READ) as file:
            yield file
    except FileNotFoundError:
        raise DataError(path, "no such file", "check the path") from None
    except (arrow.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
        if path.suffix.lower() in _OTHERS:
            reason, remedy = "neither a Parquet file nor a .npy array", "save vectors with numpy.save, or as Parquet"
            raise DataError(path, reason, remedy) from None
        said = " ".join(str(error).split())[:200]
        raise DataError(path, f"not a whole Parquet file ({said})", "write it again") from error


def values(path: Path, found: Any) -> list[Any]:
    """The rows of a batch, or the values of a column; raises `DataError` for one that Python does not have."""
    try:
        listed: list[Any] = found.to_pylist()
    except (pyarrow().ArrowException, OverflowError, ValueError) as error:
        said = " ".join(str(error).split())[:100]
        raise DataError(path, f"it has values that cannot be read ({said})", "leave their column out") from error
    return listed


def plain(batch: Any) -> Any:
    """A batch with its moments as whole numbers."""
    arrow = pyarrow()
    arrays = [
        column.cast(arrow.int64()) if arrow.types.is_timestamp(column.type) else column for column in batch.columns
    ]
    return arrow.record_batch(arrays, batch.schema.names)
