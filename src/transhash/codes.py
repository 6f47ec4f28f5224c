"""Codes: bits and packed bytes, distances between them, and code files.

A packed code is uint8 (B/8,); bit 0 is the most significant bit of byte 0. NumPy alone.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transhash.errors import DataError

_FORMAT = "transhash codes 1"
_BLOCK_BYTES = 64 << 20  # of intermediate results in `hamming`


def pack(bits: ArrayLike) -> NDArray[np.uint8]:
    """Bits or relaxed codes (N, B) to packed codes, uint8 (N, B/8): a value above 0 is a one, zero itself is not.

    Raises `DataError` when B is not a positive multiple of 8 or a value is not a number.
    """
    values = np.asarray(bits)
    if values.ndim != 2 or values.shape[1] == 0 or values.shape[1] % 8:
        raise DataError(f"cannot pack an array of shape {values.shape}: give (N, B) with B a positive multiple of 8")
    if values.dtype.kind == "f" and np.isnan(values).any():
        raise DataError("cannot pack codes with NaN among their values: the model that made them is broken")
    return np.packbits(values > 0, axis=1)


def unpack(codes: ArrayLike) -> NDArray[np.uint8]:
    """Packed codes, uint8 (N, B/8), to their bits, uint8 (N, B) of zeros and ones."""
    return np.unpackbits(check_codes(codes), axis=1)


def to_signs(codes: ArrayLike) -> NDArray[np.float32]:
    """Packed codes, uint8 (N, B/8), to float32 (N, B) of -1 and +1."""
    return unpack(codes).astype(np.float32) * 2 - 1


def hamming(a: ArrayLike, b: ArrayLike) -> NDArray[np.int32]:
    """Every distance between packed codes a (Na, B/8) and b (Nb, B/8): int32 (Na, Nb). Brute force; an oracle."""
    a = check_codes(a)
    b = check_codes(b, bits=8 * a.shape[1])
    distances = np.empty((len(a), len(b)), np.int32)
    rows = max(1, _BLOCK_BYTES // max(1, b.size))
    for start in range(0, len(a), rows):
        differing = np.bitwise_count(a[start : start + rows, None] ^ b[None])
        distances[start : start + rows] = differing.sum(axis=2, dtype=np.int32)
    return distances


def check_codes(codes: ArrayLike, bits: int | None = None) -> NDArray[np.uint8]:
    """The codes as a contiguous uint8 (N, B/8) array; raises `DataError` when they are something else."""
    array = np.asarray(codes)
    if array.dtype != np.uint8 or array.ndim != 2 or array.shape[1] == 0:
        raise DataError(
            f"not packed codes: an array of {array.dtype}, shape {array.shape}; "
            "give uint8 (N, bits/8), as `HashModel.encode` returns and `transhash.codes.pack` makes"
        )
    if bits is not None and array.shape[1] * 8 != bits:
        raise DataError(f"codes of {array.shape[1] * 8} bits where {bits} are needed: use one model for both")
    return np.ascontiguousarray(array)


@dataclass(frozen=True)
class CodeFile:
    """The content of a code file."""

    codes: NDArray[np.uint8]  # (N, B/8)
    uris: list[str]  # what each code is of
    fingerprint: str  # of the model that made them


def save_codes(path: str | os.PathLike[str], codes: ArrayLike, uris: list[str], fingerprint: str) -> None:
    """Write a code file (NumPy's `.npz`, without pickle), replacing an older one at once or not at all."""
    array = check_codes(codes)
    if len(uris) != len(array):
        raise DataError(f"{len(array)} codes but {len(uris)} names: give one for each")
    final = Path(path)
    writing = final.with_name(f".{final.name}.writing")
    with writing.open("wb") as file:
        np.savez_compressed(
            file, format=np.array(_FORMAT), codes=array, uris=_to_bytes(uris), fingerprint=np.array(fingerprint)
        )
    writing.replace(final)


def load_codes(path: str | os.PathLike[str]) -> CodeFile:
    """Read a code file; raises `DataError` when it is missing, damaged or something else."""
    try:
        with np.load(path, allow_pickle=False) as file:
            if str(file["format"]) != _FORMAT:
                raise KeyError("format")
            uris = file["uris"].tobytes().decode("utf-8", "surrogateescape")
            found = CodeFile(check_codes(file["codes"]), uris.split("\0")[:-1], str(file["fingerprint"]))
    except FileNotFoundError:
        raise DataError(f"{path}: no such code file") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, BadZipFile, EOFError) as error:
        raise DataError(f"{path}: not a whole code file; write it again with `save_codes`") from error
    if len(found.uris) != len(found.codes):
        raise DataError(f"{path}: {len(found.codes)} codes but {len(found.uris)} names; write it again")
    return found


def _to_bytes(uris: list[str]) -> NDArray[Any]:
    """Names as one run of bytes, each ended by a zero byte, which no path or address contains."""
    if any("\0" in uri for uri in uris):
        raise DataError("a name with a zero byte cannot be kept in a code file: leave it out")
    return np.frombuffer("".join(f"{uri}\0" for uri in uris).encode("utf-8", "surrogateescape"), np.uint8)
