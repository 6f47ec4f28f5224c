"""The official CIFAR-10 archives (Krizhevsky, 2009): the Python one, which is a pickle, and the binary one."""

from __future__ import annotations

import io
import pickle
import pickletools
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transhash.errors import DataError

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_FILES = (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")
_ARCHIVES = ("cifar-10-python.tar.gz", "cifar-10-binary.tar.gz")
_FOLDERS = ("cifar-10-batches-py", "cifar-10-batches-bin")

# what pickle's reader and the calls it makes raise on damaged files, its own error aside
_READER_ERRORS = (EOFError, AttributeError, LookupError, TypeError, ValueError, OverflowError, MemoryError)


def find_archive(root: Path) -> Path | None:
    """The official archive at `root`: a .tar.gz, an extracted folder, or a folder that holds one of them."""
    if root.is_file():
        return root if root.name.endswith((".tar.gz", ".tgz", ".tar")) else None
    if any((root / name).is_file() for name in (_FILES[0], f"{_FILES[0]}.bin")):
        return root
    return next((root / name for name in (*_FOLDERS, *_ARCHIVES) if (root / name).exists()), None)


def read_archive(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64], int]:
    """Pixels uint8 (60000, 32, 32, 3), labels int64 (60000,), and how many training images come first: 50,000.

    Raises `DataError` for an archive that is not whole.
    """
    files = _from_folder(path) if path.is_dir() else _from_tar(path)
    pixels, labels = [], []
    for name in _FILES:
        if name in files:
            rows, classes = _read_pickle(files[name], f"{path}: {name}")
        elif f"{name}.bin" in files:
            rows, classes = _read_binary(files[f"{name}.bin"], f"{path}: {name}.bin")
        else:
            raise DataError(path, f"{name} is missing", "extract the whole archive again")
        pixels.append(rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
        labels.append(classes)
    return np.concatenate(pixels), np.concatenate(labels), sum(map(len, labels[:-1]))


def _from_folder(path: Path) -> dict[str, bytes]:
    names = [name for file in _FILES for name in (file, f"{file}.bin") if (path / name).is_file()]
    return {name: (path / name).read_bytes() for name in names}


def _from_tar(path: Path) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                name = Path(member.name).name
                if member.isfile() and name.removesuffix(".bin") in _FILES:
                    content = archive.extractfile(member)
                    files[name] = content.read() if content else b""
            while archive.fileobj and archive.fileobj.read(1 << 20):
                pass  # the checksum is at the very end, behind what tarfile reads
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise DataError(path, f"not a whole archive ({error})", "download it again") from error
    return files


def _read_binary(content: bytes, where: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    if len(content) % 3073 or not content:
        raise DataError(where, f"{len(content):,} bytes are no whole number of records of 3,073", "download it again")
    records = np.frombuffer(content, np.uint8).reshape(-1, 3073)
    return _checked(records[:, 1:], records[:, 0].astype(np.int64), where)


class _Inert:
    """Stands where a pickle wants an array or its dtype: keeps what the pickle says of it and makes nothing of it."""

    def __init__(self, *arguments: object) -> None:
        self.arguments = arguments
        self.state: object = None

    def __setstate__(self, state: object) -> None:
        self.state = state


class _ArraysOnly(pickle.Unpickler):
    """Reads the one pickle that the field cannot do without, and nothing but the description of arrays in it.

    A pickle can name any function and have it called; whatever this one names beyond the parts of an array ends the
    reading before anything is called. NumPy's own parts are not called either: a dtype that a pickle sets up can have
    NumPy take bytes of the file for addresses of objects.
    """

    _ARRAY = frozenset(
        {
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy._core.multiarray", "_reconstruct"),
        }
    )

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        if (module, name) in self._ARRAY:
            return _Inert
        if (module, name) == ("_codecs", "encode"):  # how Python 3 writes bytes in Python 2's protocol
            return lambda text, encoding: text.encode("latin-1")
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def _read_pickle(content: bytes, where: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    try:
        _check_numbers(content)
        batch = _ArraysOnly(io.BytesIO(content), encoding="bytes").load()
        match batch:
            case {b"data": _Inert() as array, b"labels": list(labels)} if all(type(label) is int for label in labels):
                return _checked(_pixels(array), np.array(labels, np.int64), where)
        raise pickle.UnpicklingError("it is no dictionary of `data` and `labels`")
    except (pickle.UnpicklingError, *_READER_ERRORS) as error:
        reason = str(error) or type(error).__name__
        raise DataError(where, f"not a batch of CIFAR-10 ({reason})", "download the archive again") from error


def _check_numbers(content: bytes) -> None:
    """Refuse a pickle that numbers more objects than it can hold: its reader takes memory up to the highest number."""
    for operation, number, _ in pickletools.genops(content):
        if operation.name in ("PUT", "LONG_BINPUT") and isinstance(number, int) and number > len(content):
            raise pickle.UnpicklingError(f"it numbers {number:,} objects")


def _pixels(array: _Inert) -> NDArray[np.uint8]:
    """The array that a pickle describes by (version, shape, dtype, whether in Fortran's order, content)."""
    match array.state:
        case (_, (int(n), int(width)), _Inert(arguments=("u1" | b"u1", *_)), fortran, bytes(content)):
            return np.frombuffer(content, np.uint8).reshape((n, width), order="F" if fortran else "C")
    raise pickle.UnpicklingError("its `data` is no table of bytes")


def _checked(
    rows: NDArray[np.uint8], classes: NDArray[np.int64], where: str
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    if rows.ndim != 2 or rows.shape[1] != 3072 or classes.shape != (len(rows),):
        raise DataError(where, f"pixels of shape {rows.shape} with {classes.shape} labels", "download it again")
    if len(classes) and not (classes.min() >= 0 and classes.max() < len(CLASSES)):
        raise DataError(where, "labels outside 0 to 9", "download it again")
    return rows, classes
