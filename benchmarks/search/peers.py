"""Hamming search engines behind one face, ours by strategy and those of others, and codes to try them on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks import growth
from transhash.errors import DataError
from transhash.model.fitted import Head, fit_head
from transhash.search import HammingIndex

Codes = NDArray[np.uint8]

EXACT = ("transhash", "transhash scan", "transhash mih", "transhash compact", "faiss Flat")
EFFORTS: dict[str, Sequence[int]] = {  # of the engines that trade recall for time
    "faiss HNSW": (32, 64, 128, 256, 512, 1024, 2048),
    "faiss IVF": (1, 2, 4, 8, 16, 32, 64, 128),
    "faiss MultiHash": (0, 1, 2),
    "usearch HNSW": (32, 64, 128, 256, 512, 1024, 2048),
    "pynear MIH": (2, 4, 8, 12, 16, 24),
    "transhash budget": (500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000),
}
ENGINES = (*EXACT, *EFFORTS)


class Engine(Protocol):
    """What is measured: a search, and where there is one, a search within a radius."""

    def search(self, queries: Codes, k: int) -> NDArray[np.int32]:
        """Distances int32 [Q, k]."""

    def within(self, queries: Codes, radius: int) -> int:
        """Number of hits of all queries."""


class Ours:
    """HammingIndex by one strategy (None: by its own choice)."""

    def __init__(self, index: HammingIndex, strategy: str | None) -> None:
        self.index, self.strategy = index, strategy

    def search(self, queries: Codes, k: int) -> NDArray[np.int32]:
        """As `Engine.search`."""
        return self.index.search(queries, k, strategy=self.strategy)[0]

    def within(self, queries: Codes, radius: int) -> int:
        """As `Engine.within`."""
        return int(self.index.range_search(queries, radius, sort=False, strategy=self.strategy)[0][-1])


class Budget:
    """HammingIndex where a query may cost so much."""

    def __init__(self, codes: Codes) -> None:
        self.index, self.effort = HammingIndex(codes.shape[1] * 8), 0
        self.index.add(codes)

    def set_effort(self, effort: int) -> None:
        """How much to look at."""
        self.effort = effort

    def search(self, queries: Codes, k: int) -> NDArray[np.int32]:
        """As `Engine.search`."""
        return self.index.search_by(self.effort, queries, k).distances


class Faiss:
    """A binary index of Faiss."""

    def __init__(self, kind: str, codes: Codes) -> None:
        import faiss

        bits = codes.shape[1] * 8
        if kind == "IVF":
            lists = max(1, min(4096, len(codes) // 256))
            self.coarse = faiss.IndexBinaryFlat(bits)  # which the index refers to, without holding it
            self.index: Any = faiss.IndexBinaryIVF(self.coarse, bits, lists)
            self.index.train(codes[: 64 * lists])
        elif kind == "HNSW":
            self.index = faiss.IndexBinaryHNSW(bits, 32)
        elif kind == "MultiHash":
            self.index = faiss.IndexBinaryMultiHash(bits, 4, bits // 4)
        else:
            self.index = faiss.IndexBinaryFlat(bits)
        self.index.add(codes)

    def set_effort(self, effort: int) -> None:
        """How much to look at."""
        if hasattr(self.index, "nprobe"):
            self.index.nprobe = effort
        elif hasattr(self.index, "hnsw"):
            self.index.hnsw.efSearch = effort
        else:
            self.index.nflip = effort

    def search(self, queries: Codes, k: int) -> NDArray[np.int32]:
        """As `Engine.search`."""
        return np.asarray(self.index.search(queries, k)[0])

    def within(self, queries: Codes, radius: int) -> int:
        """As `Engine.within`."""
        return int(self.index.range_search(queries, radius + 1)[0][-1])  # faiss leaves the radius itself out


class Usearch:
    """The graph of usearch."""

    def __init__(self, codes: Codes, threads: int) -> None:
        from usearch.index import Index, MetricKind, ScalarKind

        self.threads = threads
        self.index: Any = Index(
            ndim=codes.shape[1] * 8, metric=MetricKind.Hamming, dtype=ScalarKind.B1, connectivity=32
        )
        self.index.add(np.arange(len(codes)), codes, threads=threads)

    def set_effort(self, effort: int) -> None:
        """How much to look at."""
        self.index.expansion_search = effort

    def search(self, queries: Codes, k: int) -> NDArray[np.int32]:
        """As `Engine.search`."""
        found = np.asarray(self.index.search(queries, k, threads=self.threads).distances)
        return found.reshape(len(queries), -1).astype(np.int32)


class Pynear:
    """Multi-index hashing of pynear, with substrings of 16 bits."""

    def __init__(self, codes: Codes) -> None:
        import pynear

        self.index: Any = pynear.MIHBinaryIndex(codes.shape[1] // 2)
        self.index.set(codes)
        self.radius = 8

    def set_effort(self, effort: int) -> None:
        """How far to look."""
        self.radius = effort

    def search(self, queries: Codes, k: int) -> NDArray[np.int32]:
        """As `Engine.search`."""
        ids, distances = self.index.searchKNN_arrays(queries, k, self.radius)
        return np.where(ids < 0, -1, distances).astype(np.int32)


def approximate(name: str, codes: Codes, threads: int) -> Any:
    """An engine that trades recall for time, by its name, filled. Raises ImportError where it is not installed."""
    if name == "usearch HNSW":
        return Usearch(codes, threads)
    if name == "pynear MIH":
        return Pynear(codes)
    return Budget(codes) if name == "transhash budget" else Faiss(name[6:], codes)


def make_codes(kind: str, count: int, bits: int, seed: int = 0) -> Codes:
    """Codes uint8 [count, bits/8]: `uniform`, `clustered` (2,000 centres, 10 % of the bits flipped), `blobs`, or real.

    `blobs` are made as ann-benchmarks makes its random-l-256-hamming: signs of Gaussians around 1,000 centres. Real
    ones come from an `.npy` file. Of embeddings as many as are needed are grown (`benchmarks.growth`), and have codes
    that are fitted to those of the file. Codes are drawn from, each bit flipped at the rate at which a code and its
    ten nearest neighbours differ in it. Whatever the seed, the centres are the same. Raises `DataError` when there is
    no such file.
    """
    rng = np.random.default_rng(seed)
    if kind == "uniform":
        return rng.integers(0, 256, (count, bits // 8), dtype=np.uint8)
    if kind == "blobs":
        from sklearn.datasets import make_blobs

        return np.packbits(make_blobs(count, bits, centers=1000, random_state=1)[0] > 0, axis=1)
    if kind == "clustered":
        centres = np.random.default_rng(2000).integers(0, 256, (2000, bits // 8), dtype=np.uint8)
        return flipped(centres, count, rng, np.full(bits, 0.1, np.float32))
    real = _real(Path(kind), bits)
    if real.dtype == np.uint8:
        return flipped(real.view(np.uint8), count, rng)
    kept = real.view(np.int8)
    return rng.permutation(grown(kept, count, fit_head(kept, bits), seed))


def grown(kept: NDArray[np.int8], count: int, head: Head, seed: int = 0) -> Codes:
    """Codes uint8 [count, bits/8] of embeddings [N, V], first the given ones, then such as lie between them."""
    return np.concatenate([head.codes(part) for part, _ in growth.parts(kept, count, seed)])


def flipped(centres: Codes, count: int, rng: np.random.Generator, rates: NDArray[np.float32] | None = None) -> Codes:
    """Codes uint8 [count, bits/8] drawn from others, each bit flipped at a rate, or at that of their neighbours."""
    if rates is None:
        rates = neighbour_rates(centres, rng)
    codes = np.empty((count, centres.shape[1]), np.uint8)
    for begin in range(0, count, 1 << 18):
        part = codes[begin : begin + (1 << 18)]
        flips = np.packbits(rng.random((len(part), len(rates)), dtype=np.float32) < rates, axis=1)
        part[:] = centres[rng.integers(0, len(centres), len(part))] ^ flips
    return codes


def neighbour_rates(codes: Codes, rng: np.random.Generator) -> NDArray[np.float32]:
    """For each bit, how often a code and its ten nearest neighbours (itself left out) differ in it: float32 [bits]."""
    index = HammingIndex(codes.shape[1] * 8)
    index.add(codes)
    sample = rng.choice(len(codes), min(1000, len(codes)), replace=False)
    _, near = index.search(codes[sample], 11)
    others = near != sample[:, None]
    others[others.all(axis=1), -1] = False  # a code with ten equals before it
    near = near[others].reshape(len(sample), 10)
    differ = np.unpackbits(codes[sample][:, None] ^ codes[near], axis=2)
    return np.asarray(differ.mean(axis=(0, 1)), np.float32)


def _real(path: Path, bits: int) -> NDArray[np.integer]:
    """Codes, or embeddings, of a file."""
    try:
        kept = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DataError(path, "no codes can be read here", "give uniform, clustered, or an .npy file") from error
    if kept.ndim == 2 and len(kept) > 10 and (kept.dtype == np.int8 or (kept.dtype, kept.shape[1] * 8) == ("u1", bits)):
        return np.asarray(kept)
    wanted = f"give codes, uint8 [N, {bits // 8}], or embeddings, int8 [N, V], with N > 10"
    raise DataError(path, f"{kept.dtype} of shape {kept.shape}", wanted)
