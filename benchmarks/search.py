"""Hamming search against its peers, on the same codes, in one run: a table, raw times in a JSON file, a plot.

    pip install transhash faiss-cpu usearch matplotlib
    python benchmarks/search.py --codes clustered uniform --sizes 1e5 1e6 1e7
    python benchmarks/search.py --plot-only

Codes: `uniform`; `clustered` (2,000 centres, 10 % of the bits flipped); or a .npy file of real codes uint8
[n, bits/8], enlarged to each size by flipping each bit of codes drawn from it at the rate at which nearest neighbours
differ in it. Peers that are not installed are left out. Times are wall clock, two threads unless --threads says so.
"""

# ruff: noqa: D102 -- every engine builds, searches and lists what is within a radius

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

RESULTS = Path(__file__).parent / "results" / "search.json"
QUERIES, K = 500, 100


def make_codes(kind: str, count: int, bits: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    out = np.empty((count, bits // 8), np.uint8)
    if kind == "uniform":
        return rng.integers(0, 256, out.shape, dtype=np.uint8)
    if kind == "clustered":
        centres = rng.integers(0, 256, (2000, bits // 8), dtype=np.uint8)
        rates = np.full(bits, 0.1, np.float32)
    else:
        centres = np.load(kind)
        rates = neighbour_rates(centres, rng)
    for begin in range(0, count, 1 << 18):
        part = out[begin : begin + (1 << 18)]
        flips = np.packbits(rng.random((len(part), bits), dtype=np.float32) < rates, axis=1)
        part[:] = centres[rng.integers(0, len(centres), len(part))] ^ flips
    return out


def neighbour_rates(codes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """For each bit, how often a code and its ten nearest neighbours (itself left out) differ in it."""
    from transhash.search import HammingIndex

    index = HammingIndex(codes.shape[1] * 8)
    index.add(codes)
    sample = rng.choice(len(codes), min(1000, len(codes)), replace=False)
    _, near = index.search(codes[sample], 11)
    differ = np.unpackbits(codes[sample][:, None] ^ codes[near[:, 1:]], axis=2)
    return differ.mean(axis=(0, 1)).astype(np.float32)


class Ours:
    """HammingIndex, with or without a forced strategy."""

    def __init__(self, strategy: str | None = None) -> None:
        self.strategy = strategy

    def build(self, codes: np.ndarray) -> None:
        from transhash.search import HammingIndex

        self.index = HammingIndex(codes.shape[1] * 8)
        self.index.add(codes)

    def search(self, queries: np.ndarray) -> np.ndarray:
        return self.index.search(queries, K, strategy=self.strategy)[0]

    def within(self, queries: np.ndarray, radius: int) -> int:
        return int(self.index.range_search(queries, radius, strategy=self.strategy)[0][-1])


class Faiss:
    """A binary index of Faiss by kind."""

    def __init__(self, kind: str, effort: int = 0) -> None:
        self.kind, self.effort = kind, effort

    def build(self, codes: np.ndarray) -> None:
        import faiss

        bits = codes.shape[1] * 8
        if self.kind == "IVF":
            self.coarse = faiss.IndexBinaryFlat(bits)
            self.index = faiss.IndexBinaryIVF(self.coarse, bits, 1024)
            self.index.train(codes[:100_000])
        elif self.kind == "HNSW":
            self.index = faiss.IndexBinaryHNSW(bits, 32)
        elif self.kind == "MultiHash":
            self.index = faiss.IndexBinaryMultiHash(bits, 4, 16)
        else:
            self.index = faiss.IndexBinaryFlat(bits)
        self.index.add(codes)

    def search(self, queries: np.ndarray) -> np.ndarray:
        if self.kind == "IVF":
            self.index.nprobe = self.effort
        elif self.kind == "HNSW":
            self.index.hnsw.efSearch = self.effort
        elif self.kind == "MultiHash":
            self.index.nflip = self.effort
        return self.index.search(queries, K)[0]

    def within(self, queries: np.ndarray, radius: int) -> int:
        return int(self.index.range_search(queries, radius + 1)[0][-1])  # faiss leaves the radius itself out


class Usearch:
    """The graph of usearch."""

    def __init__(self, effort: int, threads: int) -> None:
        self.effort, self.threads = effort, threads

    def build(self, codes: np.ndarray) -> None:
        from usearch.index import Index, MetricKind, ScalarKind

        self.index = Index(ndim=codes.shape[1] * 8, metric=MetricKind.Hamming, dtype=ScalarKind.B1, connectivity=32)
        self.index.add(np.arange(len(codes)), codes, threads=self.threads)

    def search(self, queries: np.ndarray) -> np.ndarray:
        self.index.expansion_search = self.effort
        found = self.index.search(queries, K, threads=self.threads)
        return np.asarray(found.distances).reshape(len(queries), K).astype(np.int32)


def times(action: Callable[[], Any], repeats: int) -> list[float]:
    taken = []
    for _ in range(repeats):
        begin = time.perf_counter()
        action()
        taken.append(time.perf_counter() - begin)
    return taken


def contestants(names: list[str], threads: int) -> Iterator[tuple[str, Any, list[int]]]:
    """Name, engine, and the efforts to try (one for the exact engines)."""
    for name in names:
        if name.startswith("transhash"):
            yield name, Ours(name.partition(" ")[2] or None), [0]
        elif name == "usearch HNSW":
            yield name, Usearch(0, threads), [64, 128, 256, 512, 1024, 2048]
        else:
            efforts = {"HNSW": [64, 128, 256, 512, 1024, 2048], "IVF": [1, 4, 16, 64], "MultiHash": [0, 1, 2]}
            kind = name.removeprefix("faiss ")
            yield name, Faiss(kind), efforts.get(kind, [0])


def measure(codes: np.ndarray, kind: str, names: list[str], threads: int) -> list[dict[str, Any]]:
    queries, stored = codes[:QUERIES], codes[QUERIES:]
    rows = []
    truth = None
    for name, engine, efforts in contestants(names, threads):
        try:
            build = times(lambda engine=engine: engine.build(stored), 1)
        except ImportError as error:
            print(f"{name}: left out, {error}")
            continue
        for effort in efforts:
            engine.effort = effort
            distances = engine.search(queries)
            if truth is None:
                truth = distances[:, -1:]
            row = {
                "codes": Path(kind).stem,
                "bits": codes.shape[1] * 8,
                "size": len(stored),
                "engine": name,
                "effort": effort,
                "recall": float(((distances <= truth) & (distances >= 0)).mean()),
                "build_s": build,
                "batch_s": times(lambda engine=engine: engine.search(queries), 3),
                "single_s": [
                    times(lambda q=q, engine=engine: engine.search(queries[q : q + 1]), 1)[0] for q in range(30)
                ],
            }
            if name in ("transhash", "transhash scan", "faiss Flat"):
                for radius in (2, 8):
                    row[f"hits_{radius}"] = engine.within(queries, radius)
                    row[f"radius_{radius}_s"] = times(
                        lambda engine=engine, radius=radius: engine.within(queries, radius), 3
                    )
            rows.append(row)
            report(row)
        engine.index = None
    return rows


def report(row: dict[str, Any]) -> None:
    text = f"{row['codes']:>10} {row['size']:>11,} {row['engine']:<16}"
    text += f" effort {row['effort']:<5} recall {row['recall']:.4f}  build {row['build_s'][0]:8.2f} s"
    text += f"  batch {np.median(row['batch_s']) / QUERIES * 1e3:8.4f}  single {np.median(row['single_s']) * 1e3:8.4f}"
    for radius in (2, 8):
        if f"radius_{radius}_s" in row:
            text += f"  r<={radius} {np.median(row[f'radius_{radius}_s']) / QUERIES * 1e3:8.4f}"
    print(text, "ms a query", flush=True)


def plot(results: Path) -> None:
    """Time of a query in a batch against the number of codes, one panel for each kind of codes."""
    import matplotlib.pyplot as plt

    rows = [row for run in json.loads(results.read_text()) for row in run["rows"] if row["bits"] == 64]
    kinds = sorted({row["codes"] for row in rows})
    figure, panels = plt.subplots(1, len(kinds), figsize=(5 * len(kinds), 4.2), sharey=True, squeeze=False)
    for panel, kind in zip(panels[0], kinds, strict=True):
        for engine in ("faiss Flat", "transhash scan", "transhash mih", "transhash"):
            points = {
                row["size"]: np.median(row["batch_s"]) / QUERIES * 1e3
                for row in rows
                if row["codes"] == kind and row["engine"] == engine
            }
            panel.loglog(sorted(points), [points[size] for size in sorted(points)], marker="o", label=engine)
        panel.set(title=f"{kind} codes, 64 bits, k = {K}", xlabel="codes")
        panel.grid(True, which="major", alpha=0.3)
    panels[0][0].set_ylabel(f"ms a query, batch of {QUERIES}")
    panels[0][0].legend()
    figure.tight_layout()
    figure.savefig(results.with_suffix(".svg"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--codes", nargs="+", default=["clustered", "uniform"])
    parser.add_argument("--sizes", nargs="+", type=float, default=[1e4, 1e5, 1e6])
    parser.add_argument("--bits", type=int, default=64)
    parser.add_argument("--engines", nargs="+", default=["transhash scan", "transhash mih", "transhash", "faiss Flat"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--plot-only", action="store_true")
    options = parser.parse_args()
    if not options.plot_only:
        os.environ["TRANSHASH_THREADS"] = os.environ["OMP_NUM_THREADS"] = str(options.threads)
        runs = json.loads(options.results.read_text()) if options.results.exists() else []
        load = os.getloadavg()[0]  # above 0 at the start, somebody else was using the machine: read the times with care
        machine = f"{platform.machine()}, {os.cpu_count()} processors, NumPy {np.__version__}, load {load:.1f}"
        runs.append(
            {"when": time.strftime("%Y-%m-%d %H:%M"), "machine": machine, "queries": QUERIES, "k": K, "rows": []}
        )
        options.results.parent.mkdir(exist_ok=True)
        for kind in options.codes:
            for size in options.sizes:
                codes = make_codes(kind, int(size) + QUERIES, options.bits)
                runs[-1]["rows"] += measure(codes, kind, options.engines, options.threads)
                options.results.write_text(json.dumps(runs, indent=1) + "\n")
    plot(options.results)


if __name__ == "__main__":
    main()
