"""Codes of real vectors: recall of the 10 nearest by cosine, for each method, length and way of ordering; and speed.

    python -m benchmarks.vectors features photos/ --set Caltech-101 --cache cache/ --out photographs-box.npy
    python -m benchmarks.vectors recall photographs-box.npy --queries 400 --bits 64 128 256
    python -m benchmarks.vectors speed

The first rows are the queries, all others are searched. Methods learn from the latter alone, without their neighbours;
each is given the same sample. Recall is the share of the 10 greatest cosines among the first 10: by distance alone, or
after the first 100 by distance were ordered by cosines, of float32 vectors or of these in a byte a value.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import RESULTS, program
from transhash import Binarizer, HammingIndex
from transhash.model.fitted import embedding
from transhash.search import rescore

Floats = NDArray[np.float32]
Codes = NDArray[np.uint8]
CANDIDATES = 100
K = 10
FILE = RESULTS / "vectors.json"
OURS = ("itq", "rotation", "lsh", "sh")


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
                "float32": rescore(asked, database, near, K)[1],
                "int8": rescore(asked, small, near, K)[1],
            }
            shares = {way: float(np.mean([np.isin(t, r[:K]).mean() for t, r in zip(truth, rows, strict=True)]))
                      for way, rows in ranked.items()}  # fmt: skip
            found.setdefault(name, {})[str(bits)] = {way: round(share, 4) for way, share in shares.items()}
            print(name, bits, found[name][str(bits)], flush=True)
    return found


def table(results: dict[str, Any], name: str) -> str:
    """Recall by distance alone, then among the first 100 ordered by float32 vectors."""
    kept = results["recall"][name]["methods"]
    bits = list(next(iter(kept.values())))
    lines = ["| method | " + " | ".join(f"{each} bits" for each in bits) + " |", "|---" * (len(bits) + 1) + "|"]
    for method, row in kept.items():
        cells = [f"{row[each]['distance']:.2f}, {row[each]['float32']:.2f}" for each in bits]
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


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


def features(photos: Path, name: str, network: str, cache: Path) -> Floats:
    """What a network says of a set of photographs, float32 (N, F); of ours what the hash layers read."""
    from benchmarks.photographs.measure import read
    from benchmarks.photographs.sets import SETS
    from transhash import load

    found, model = SETS[name](photos), load()
    assert found is not None, f"no {name} in {photos}"
    values = read(network, name, found.files, model, cache)
    return values[:, sum(model.lengths) :] if network == "ours" else values


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ways = parser.add_subparsers(dest="way", required=True)
    of_photos = ways.add_parser("features")
    of_photos.add_argument("folder", type=Path)
    of_photos.add_argument("--set", default="Caltech-101")
    of_photos.add_argument("--network", default="ours")
    of_photos.add_argument("--cache", type=Path, required=True)
    of_photos.add_argument("--out", type=Path, required=True)
    measured = ways.add_parser("recall")
    measured.add_argument("files", type=Path, nargs="+")
    measured.add_argument("--queries", type=int, default=200)
    measured.add_argument("--bits", type=int, nargs="+", default=[64, 128, 256, 512])
    ways.add_parser("speed").add_argument("--rows", type=int, default=1_000_000)
    asked = parser.parse_args()
    if asked.way == "features":
        return np.save(asked.out, features(asked.folder, asked.set, asked.network, asked.cache))
    results = json.loads(FILE.read_text("utf-8")) if FILE.exists() else {"recall": {}}
    if asked.way == "speed":
        results["speed"] = speed(asked.rows)
        FILE.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    for file in getattr(asked, "files", []):
        vectors = np.load(file)
        about = {"rows": len(vectors) - asked.queries, "values": vectors.shape[1], "queries": asked.queries}
        results["recall"][file.stem] = {**about, "methods": recall_of(vectors, asked.queries, asked.bits)}
        FILE.write_text(json.dumps(results, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    program(main)
