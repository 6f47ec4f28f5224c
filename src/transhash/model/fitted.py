"""Codes fitted to a collection: hash layers learned, without labels, from what a model says of its pictures.

A picture is kept as its embedding: what a linear map makes of the model's features (of a model that has none, the
relaxed code of its longest length), brought to length 1 and rounded to eight bits a value. From embeddings alone codes
are fitted, fitted again when the collection has grown, and hits are ordered; no picture is decoded for it.

    kept = embedding(values)            # float (N, V) to int8 (N, V), a byte a value
    head = fit_head(kept, bits=64)      # smoothed ITQ, in whole numbers
    codes = head.codes(kept)            # uint8 (N, 8)
    head = fit_head(kept, 64, orders=len(kept))
    mapped = head.ordered(kept)         # int8 (N, V), whose cosines order hits

All sums are of whole numbers below 2⁵³, so that codes are the same on every processor.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from transhash.codes import pack
from transhash.errors import DataError
from transhash.system import one_blas_thread

STEP = 1 / 320  # of a value of an embedding: those of 256 values are 20 from zero on average, few pass 127
SAMPLE = 4000  # pictures that a head is fitted to, at most
LARGEST = 32767  # weight of a head, int16
_SHORT, _TINY = 1e-100, float(np.finfo(float).tiny)  # lengths whose squares float64 still holds; the least of all
_TRAILER = struct.Struct("<8sI")  # of bytes that end with a map that orders: what they are, and its values
_ORDERS = b"THorders"
FEW, AT_ONCE = 256, 8  # embeddings, that are mapped so many at once: more, and BLAS wakes threads, and waits for them


@dataclass(frozen=True, eq=False)
class Head:
    """Linear hash layers on embeddings: bit b is 1 where `embedding @ weights[:, b] + offset[b] > 0`.

    They may have a second map, after which cosines tell better what is alike in the collection (`shallow.nearness`).
    """

    weights: NDArray[np.int16]  # [V, B]
    offset: NDArray[np.int64]  # [B]
    order: Head | None = None  # the second map, [V, V]

    @cached_property
    def _floats(self) -> NDArray[np.float64]:
        return self.weights.astype(np.float64)

    @property
    def bits(self) -> int:
        """B, the length of its codes."""
        return len(self.offset)

    def values(self, kept: NDArray[np.int8]) -> NDArray[np.float64]:
        """Relaxed codes of embeddings [N, V]: whole numbers in float64 [N, B], exact in any order of the sum."""
        if len(kept) <= FEW:
            return self._products(kept, AT_ONCE)
        with one_blas_thread():
            return self._products(kept, FEW)

    def _products(self, kept: NDArray[np.int8], some: int) -> NDArray[np.float64]:
        found = np.empty((len(kept), self.bits))
        for first in range(0, len(kept), some):  # few at once, for they become float64
            found[first : first + some] = kept[first : first + some] @ self._floats
        found += self.offset
        return found

    def codes(self, kept: NDArray[np.int8]) -> NDArray[np.uint8]:
        """Packed codes of embeddings [N, V]: uint8 [N, B/8]."""
        return pack(self.values(kept))

    def ordered(self, kept: NDArray[np.int8]) -> NDArray[np.int8]:
        """What the cosines of embeddings [N, V] are taken of: int8 [N, V]; they themselves without a second map."""
        if self.order is None:
            return kept
        return embedding(self.order.values(kept), STEP * (256 / self.order.bits) ** 0.5)

    def to_bytes(self) -> bytes:
        """All of it, to be kept: the weights, then the offsets, little-endian; then those of a second map."""
        kept = self.weights.astype("<i2").tobytes() + self.offset.astype("<i8").tobytes()
        return kept if self.order is None else kept + self.order.to_bytes() + _TRAILER.pack(_ORDERS, self.order.bits)

    @classmethod
    def rounded(cls, linear: NDArray[np.float32]) -> Head:
        """A linear hash function [V + 1, B], whose last row is added, in whole numbers."""
        scale = LARGEST / max(float(np.abs(linear[:-1]).max()), 1e-12)
        offset = np.rint(linear[-1].astype(np.float64) * scale).astype(np.int64)
        return cls(np.rint(linear[:-1] * scale).astype(np.int16), offset)

    @classmethod
    def from_bytes(cls, kept: bytes, bits: int) -> Head:
        """What `to_bytes` gave, of that many bits; raises `DataError` for anything else."""
        own, values = len(kept), 0
        if kept[-_TRAILER.size :].startswith(_ORDERS) and own > _TRAILER.size:
            own, values = own - _TRAILER.size, _TRAILER.unpack(kept[-_TRAILER.size :])[1]
        rows, rest = divmod(own - 8 * (bits + values), 2 * max(bits + values, 1))
        if bits <= 0 or rows <= 0 or rest:
            raise DataError("", f"fitted hash layers of {len(kept)} bytes are not for {bits} bits", "fit them again")
        first = bits * (2 * rows + 8)
        order = cls.from_bytes(kept[first:own], values) if values else None
        weights = np.frombuffer(kept, "<i2", rows * bits).reshape(rows, bits)
        offset = np.frombuffer(kept[:first], "<i8", offset=2 * rows * bits)
        return cls(weights.astype(np.int16), offset.astype(np.int64), order)

    def fingerprint(self, model: str) -> str:
        """What tells its codes from all others, hex: of the model whose embeddings it reads, and its own weights."""
        from hashlib import sha256

        return sha256(model.encode() + self.to_bytes()).hexdigest()


def embedding(values: NDArray[np.floating], step: float = STEP) -> NDArray[np.int8]:
    """Real values [N, V] brought to length 1 and rounded to steps, as a rule of 1/320: int8 [N, V]."""
    kept = np.empty(values.shape, np.int8)
    for first in range(0, len(values), FEW):  # so few at once stay near the core
        some = np.asarray(values[first : first + FEW], np.float64)
        with np.errstate(over="ignore"):
            lengths = np.sqrt(np.square(some).sum(axis=1, keepdims=True))
        if (odd := ~((lengths > _SHORT) & (lengths < 1 / _SHORT)) & some.any(axis=1, keepdims=True)).any():
            some = np.where(odd, some / np.maximum(np.abs(some).max(axis=1, keepdims=True), _TINY), some)
            lengths = np.where(odd, np.sqrt(np.square(some).sum(axis=1, keepdims=True)), lengths)
        steps = np.rint(some / (step * np.maximum(lengths, _SHORT)))
        kept[first : first + FEW] = steps.clip(-127, 127)
    return kept


def cosines(query: NDArray[np.int8], kept: NDArray[np.int8]) -> NDArray[np.float32]:
    """Cosine of one embedding [V] with each of some [N, V]: float32 [N]; exactly 1 for an equal one."""
    one, others = query.astype(np.float64), kept.astype(np.float64)
    lengths = np.sqrt(one @ one) * np.sqrt(np.square(others).sum(axis=1))
    return np.where((kept == query).all(axis=1), 1.0, others @ one / np.maximum(lengths, 1e-12)).astype(np.float32)


def sample_of(count: int) -> NDArray[np.int64]:
    """Which of so many embeddings a head is fitted to: rows int64 [n], ascending, `SAMPLE` at most, drawn by a seed."""
    if count <= SAMPLE:
        return np.arange(count)
    return np.sort(np.random.Generator(np.random.PCG64(0)).choice(count, SAMPLE, replace=False))


def fit_head(kept: NDArray[np.int8], bits: int, *, orders: int = 0) -> Head:
    """Hash layers for codes of `bits` bits, fitted by smoothed ITQ to embeddings [N, V], at most `SAMPLE` of them.

    The sample is drawn by a seed. `orders`: how many pictures there are that a second map shall order; they have one if
    the pictures differ enough to learn it. Raises `DataError` for fewer pictures, or values, than bits.
    """
    if len(kept) > SAMPLE:
        kept = kept[sample_of(len(kept))]
    from transhash.shallow import nearness, smoothed_itq  # imports numba, which a search of few codes does not need

    head = Head.rounded(smoothed_itq(kept, bits))
    linear = nearness(kept, min(1.0, len(kept) / orders)) if orders else None
    return head if linear is None else replace(head, order=Head.rounded(linear))
