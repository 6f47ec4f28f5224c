"""The official CIFAR-10 archives (Krizhevsky, 2009): the Python one, which is a pickle, and the binary one."""

from __future__ import annotations

import io
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transhash.errors import DataError

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_FILES = (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")
_ARCHIVES = ("cifar-10-python.tar.gz", "cifar-10-binary.tar.gz")
_FOLDERS = ("cifar-10-batches-py", "cifar-10-batches-bin")


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
            raise DataError(f"{path}: {name} is missing; extract the whole archive again")
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
    except (tarfile.TarError, EOFError, OSError) as error:
        raise DataError(f"{path}: not a whole archive ({error}); download it again") from error
    return files


def _read_binary(content: bytes, where: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    if len(content) % 3073 or not content:
        raise DataError(f"{where}: {len(content):,} bytes are no whole number of records of 3,073; download it again")
    records = np.frombuffer(content, np.uint8).reshape(-1, 3073)
    return _checked(records[:, 1:], records[:, 0].astype(np.int64), where)


class _ArraysOnly(pickle.Unpickler):
    """Reads the one pickle that the field cannot do without, and nothing but arrays in it.

    A pickle can name any function and have it called. This one may name the three that rebuild an array of plain
    numbers; whatever else it asks for ends the reading before anything is called.
    """

    _ALLOWED = frozenset({"_reconstruct", "ndarray", "dtype"})

    def find_class(self, module: str, name: str) -> Any:
        if module in ("numpy.core.multiarray", "numpy._core.multiarray", "numpy") and name in self._ALLOWED:
            return {"_reconstruct": np._core.multiarray._reconstruct, "ndarray": np.ndarray, "dtype": np.dtype}[name]  # type: ignore[attr-defined]
        if (module, name) == ("_codecs", "encode"):  # how Python 3 writes bytes in Python 2's protocol
            return lambda text, encoding: text.encode("latin-1" if encoding == "latin1" else "ascii")
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def _read_pickle(content: bytes, where: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    try:
        batch = _ArraysOnly(io.BytesIO(content), encoding="bytes").load()
        rows = np.asarray(batch[b"data"], np.uint8)
        classes = np.asarray(batch[b"labels"], np.int64)
    except Exception as error:
        raise DataError(f"{where}: not a batch of CIFAR-10 ({error}); download the archive again") from error
    return _checked(rows, classes, where)


def _checked(
    rows: NDArray[np.uint8], classes: NDArray[np.int64], where: str
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    if rows.ndim != 2 or rows.shape[1] != 3072 or classes.shape != (len(rows),):
        raise DataError(f"{where}: pixels of shape {rows.shape} with {classes.shape} labels; download it again")
    if len(classes) and not (classes.min() >= 0 and classes.max() < len(CLASSES)):
        raise DataError(f"{where}: labels outside 0 to 9; download it again")
    return rows, classes
