"""Codes of real vectors: recall of the 10 nearest by cosine, for each method, length and way of ordering; and speed.

    python -m benchmarks.vectors recall photographs-box.npz photographs-lite2.npz sentences-minilm.npz
    python -m benchmarks.vectors classes photographs-box.npz photographs-lite2.npz
    python -m benchmarks.vectors speed
    python -m benchmarks.vectors memory
    python -m benchmarks.vectors tables

`python -m benchmarks.vectors_from` makes the files. The first 400 rows are the queries, all others are searched.
Methods learn from the latter alone, without their neighbours; each is given the same sample. Recall is the share of
the 10 greatest cosines among the first 10: by distance alone, or after the first 100 by distance were ordered by
cosines, of vectors in a byte a value or of float32. Of classes: half of the others train with their labels, the other
half is searched, and the tie-aware mean average precision of the queries counts; what shares a class is relevant.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import RESULTS, program, write
from transhash import Binarizer, HammingIndex, Library, evaluate
from transhash.model.fitted import embedding
from transhash.search import rescore

Floats = NDArray[np.float32]
Codes = NDArray[np.uint8]
CANDIDATES = 100
K = 10
FILE = RESULTS / "vectors.json"
OURS = ("itq", "learned", "rotation", "lsh", "sh")
WITH_LABELS: dict[str, dict[str, int]] = {
    "itq": {},
    "ksh": {},
    "bre": {},
    "learned": {},
    "learned, 256 hidden units": {"hidden": 256},
}
NAMES = {
    "photographs-box": "photographs, the model in the box",
    "photographs-lite2": "photographs, EfficientNet-Lite2",
    "sentences-minilm": "sentences, all-MiniLM-L6-v2",
}
WAYS = ("distance", "int8", "float32")


def ours(method: str) -> Callable[[Floats, Floats, int], tuple[Codes, Codes]]:
    def made(database: Floats, queries: Floats, bits: int) -> tuple[Codes, Codes]:
        found = Binarizer(bits, method).fit(database)
        return found.transform(database), found.transform(queries)

    return made


def pca(database: Floats, queries: Floats, bits: int) -> tuple[Codes, Codes]:
    from sklearn.decomposition import PCA

    found = PCA(bits, random_state=0).fit(database)
    return signs(found.transform(database)), signs(found.transform(queries))


def projection(database: Floats, queries: Floats, bits: int) -> tuple[Codes, Codes]:
    from sklearn.random_projection import GaussianRandomProjection

    found = GaussianRandomProjection(bits, random_state=0).fit(database)
    return signs(found.transform(database)), signs(found.transform(queries))


def faiss_itq(database: Floats, queries: Floats, bits: int) -> tuple[Codes, Codes]:
    import faiss

    found = faiss.ITQTransform(database.shape[1], bits, True)
    found.train(database)
    return signs(found.apply(database)), signs(found.apply(queries))


def faiss_lsh(database: Floats, queries: Floats, bits: int) -> tuple[Codes, Codes]:
    import faiss

    index = faiss.IndexLSH(database.shape[1], bits)
    index.train(database)
    index.add(database)
    return index.sa_encode(database), index.sa_encode(queries)


def signs(values: NDArray[Any]) -> Codes:
    return np.packbits(values > 0, axis=1)


METHODS = {
    **{f"transhash {name}": ours(name) for name in OURS},
    "scikit-learn PCA": pca,
    "scikit-learn GaussianRandomProjection": projection,
    "Faiss ITQTransform": faiss_itq,
    "Faiss IndexLSH": faiss_lsh,
}


def recall_of(vectors: Floats, queries: int, lengths: list[int]) -> dict[str, dict[str, dict[str, float]]]:
    """By method and bits: recall by distance, by float32 and by a byte a value."""
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    asked, database = unit[:queries], unit[queries:]
    truth = np.argsort(-(asked @ database.T), axis=1, kind="stable")[:, :K]
    small = embedding(database, max(1 / 320, 1 / (20 * unit.shape[1] ** 0.5)))
    found: dict[str, dict[str, dict[str, float]]] = {}
    for name, method in METHODS.items():
        for bits in (each for each in lengths if each <= unit.shape[1]):
            codes, of_queries = method(database, asked, bits)
            index = HammingIndex(bits)
            index.add(codes)
            near = index.search(of_queries, CANDIDATES)[1]
            ranked = {
                "distance": near,
                "int8": rescore(asked, small, near, K)[1],
                "float32": rescore(asked, database, near, K)[1],
            }
            shares = {way: float(np.mean([np.isin(t, r[:K]).mean() for t, r in zip(truth, rows, strict=True)]))
                      for way, rows in ranked.items()}  # fmt: skip
            found.setdefault(name, {})[str(bits)] = {way: round(share, 4) for way, share in shares.items()}
            print(name, bits, found[name][str(bits)], flush=True)
    return found


def classes_of(vectors: Floats, labels: NDArray[Any], queries: int, lengths: list[int]) -> dict[str, dict[str, float]]:
    """Tie-aware mean average precision by method and bits, of vectors that were not trained on."""
    half = queries + (len(vectors) - queries) // 2
    asked, searched, train = slice(queries), slice(queries, half), slice(half, None)
    found: dict[str, dict[str, float]] = {}
    for name, settings in WITH_LABELS.items():
        for bits in lengths:
            made = Binarizer(bits, name.split(",")[0], hidden=settings.get("hidden", 0)).fit(
                vectors[train], labels[train]
            )
            codes = [made.transform(vectors[part]) for part in (asked, searched)]
            score = evaluate(codes[0], labels[asked], codes[1], labels[searched]).map
            found.setdefault(name, {})[str(bits)] = round(float(score), 4)
            print(name, bits, found[name][str(bits)], flush=True)
    return found


def rows_of(heads: list[str], rows: dict[str, list[str]]) -> str:
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    return "\n".join([*lines, *(f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items())])


def table(results: dict[str, Any], name: str) -> str:
    """Recall by distance alone, then among the first 100 ordered by vectors of a byte a value, and of float32."""
    kept = results["recall"][name]["methods"]
    bits = list(next(iter(kept.values())))
    cells = {m: [", ".join(f"{row[each][way]:.2f}" for way in WAYS) for each in bits] for m, row in kept.items()}
    return rows_of(["method", *(f"{each} bits" for each in bits)], cells)


def table_of_classes(results: dict[str, Any]) -> str:
    """Mean average precision, for each kind of vectors and number of bits."""
    kept = results["classes"]
    columns = [(name, bits) for name, each in kept.items() for bits in next(iter(each["methods"].values()))]
    cells = {m: [f"{kept[name]['methods'][m][bits]:.3f}" for name, bits in columns] for m in WITH_LABELS}
    return rows_of(["method", *(f"{NAMES[name].split(', ')[1]}, {bits} bits" for name, bits in columns)], cells)


def said_of_speed(results: dict[str, Any]) -> str:
    """The sentence on speed: medians of seconds."""
    took = results["speed"]
    transform, product, reading = (np.median(took["seconds"][name]) for name in ("transform", "product", "reading"))
    return (
        f"`transform` of {took['rows']:,} vectors of {took['width']} values to {took['bits']} bits takes "
        f"{transform:.1f} s, "
        f"the matrix product alone {product:.1f} s and reading them once {reading:.2f} s"
    )


def speed(rows: int = 1_000_000, width: int = 768, bits: int = 256, rounds: int = 3) -> dict[str, Any]:
    """Seconds of `transform`, and of its two floors, taken in turns: the matrix product alone, and one reading."""
    random = np.random.default_rng(0)
    part = random.standard_normal((50_000, width), np.float32)
    vectors = np.concatenate([part] * (rows // len(part)))
    binarizer = Binarizer(bits).fit(part)
    weights = random.standard_normal((width, bits), np.float32)
    room = np.empty((8192, bits), np.float32)
    steps = range(0, rows, len(room))

    def product() -> None:
        for at in steps:
            some = vectors[at : at + len(room)]
            np.matmul(some, weights, out=room[: len(some)])

    ways: dict[str, Callable[[], object]] = {
        "transform": lambda: binarizer.transform(vectors),
        "product": product,
        "reading": vectors.sum,
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds + 1):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - began)
    return {"rows": rows, "width": width, "bits": bits, "seconds": {n: sorted(each[1:]) for n, each in seconds.items()}}


def memory(rows: int = 1_000_000, width: int = 768, bits: int = 256) -> dict[str, Any]:
    """Most anonymous memory above the start, in bytes, and seconds: of a mapped float16 file of that many vectors."""
    with tempfile.TemporaryDirectory() as place:
        file = Path(place, "vectors.npy")
        written = np.lib.format.open_memmap(file, "w+", np.float16, (rows, width))
        random = np.random.default_rng(0)
        for start in range(0, rows, 50_000):
            written[start : start + 50_000] = random.standard_normal((min(50_000, rows - start), width), np.float32)
        written.flush()
        vectors = np.load(file, mmap_mode="r")
        index = Binarizer(bits).fit(vectors[:20_000])
        index.transform(vectors[:20_000])  # what is loaded once is loaded
        Library.create(Path(place, "first"), vectors=vectors[:1000]).close()
        ways: dict[str, Callable[[], object]] = {
            "fit": lambda: Binarizer(bits).fit(vectors),
            "partial_fit": lambda: Binarizer(bits).partial_fit(vectors),
            "transform": lambda: index.transform(vectors),
            "Library.create": lambda: Library.create(Path(place, "library"), vectors=vectors).close(),
        }
        return {"rows": rows, "width": width, "bits": bits, "ways": {name: _peak(way) for name, way in ways.items()}}


def _peak(way: Callable[[], object]) -> dict[str, float]:
    before, most, ended = anonymous(), 0, threading.Event()

    def watch() -> None:
        nonlocal most
        while not ended.wait(0.02):
            most = max(most, anonymous())

    watching = threading.Thread(target=watch)
    watching.start()
    began = time.perf_counter()
    way()
    seconds = time.perf_counter() - began
    ended.set()
    watching.join()
    return {"bytes": max(most - before, 0), "seconds": round(seconds, 1)}


def anonymous() -> int:
    """Memory of this process that no file holds, in bytes; of Linux alone."""
    status = Path("/proc/self/status").read_text("utf-8")
    return int(status.partition("RssAnon:")[2].split()[0]) * 1024


def said_of_memory(results: dict[str, Any]) -> str:
    """The sentence on memory."""
    took = results["memory"]
    most = ", ".join(f"`{name}` {each['bytes'] / 1e6:.0f} MB" for name, each in took["ways"].items())
    return (
        f"Memory at most, on top of what the program had, for {took['rows']:,} vectors of {took['width']} values in a "
        f"mapped float16 file: {most}"
    )


def tables(results: dict[str, Any]) -> str:
    """All that docs/vectors.md says of the figures."""
    kinds = [f"{NAMES[name].capitalize()}:\n\n{table(results, name)}" for name in results["recall"]]
    return "\n\n".join([*kinds, table_of_classes(results), said_of_speed(results), said_of_memory(results)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ways = parser.add_subparsers(dest="way", required=True)
    for name, lengths in (("recall", [64, 128, 256]), ("classes", [32, 64])):
        measured = ways.add_parser(name)
        measured.add_argument("files", type=Path, nargs="+")
        measured.add_argument("--queries", type=int, default=400)
        measured.add_argument("--bits", type=int, nargs="+", default=lengths)
    for name in ("speed", "memory"):
        ways.add_parser(name).add_argument("--rows", type=int, default=1_000_000)
    ways.add_parser("tables")
    asked = parser.parse_args()
    results = {"recall": {}, "classes": {}, **(json.loads(FILE.read_text("utf-8")) if FILE.exists() else {})}
    if asked.way == "speed":
        results["speed"] = speed(asked.rows)
    if asked.way == "tables":
        return print(tables(results))
    if asked.way == "memory":
        results["memory"] = memory(asked.rows)
    for file in getattr(asked, "files", []):
        print(file.stem, flush=True)
        arrays = np.load(file)
        vectors = arrays["vectors"]
        about = {"rows": len(vectors) - asked.queries, "values": vectors.shape[1], "queries": asked.queries}
        methods: dict[str, Any]
        if asked.way == "recall":
            methods = recall_of(vectors, asked.queries, asked.bits)
        else:
            methods = classes_of(vectors, arrays["labels"], asked.queries, asked.bits)
        results[asked.way][file.stem] = {**about, "methods": methods}
    write(FILE, results)


if __name__ == "__main__":
    program(main)
