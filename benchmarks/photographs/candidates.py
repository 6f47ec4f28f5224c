"""How many of the nearest codes must have their embeddings compared, for the first hits to be those of all cosines.

    python -m benchmarks.photographs.candidates --work FOLDER [--files N] [--bits 64,…] [--pictures 10000,…] [--of N]
                                                [--json FILE] [--keep FILE]

FOLDER is that of `benchmarks.photographs.box`: packed photographs of all kinds are read by the shipped model, and their
embeddings kept there. Some become a library of each size, with codes fitted to it, and others ask. A library of more
than there are is grown: a new embedding lies between that of a photograph and of one of its ten nearest, and has noise.

Of each number of candidates the table has the share of hits of the query's class within the first ten in the order of
cosines, where the query has a class, and in brackets the share of the nearest ten of all that are among them. `all` is
the order of all cosines, `codes` that of codes alone.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import transhash
from benchmarks import growth
from benchmarks.common import write
from benchmarks.photographs.box import seen
from transhash.evaluation.cosine import unit
from transhash.model.fitted import cosines, fit_head
from transhash.search import HammingIndex

CANDIDATES = (10, 128, 256, 512, 1024, 2048, 4096, 8192)
QUERIES = 1000
SHOWN = 10  # hits
BLOCK = 100_000  # embeddings that are compared at a time

Rows = NDArray[np.int64]


def grown(kept: NDArray[np.int8], count: int) -> tuple[NDArray[np.int8], Rows]:
    """So many embeddings [count, V], the given ones [N, V] first; and which of the given ones each began at [count]."""
    found, place = np.empty((count, kept.shape[1]), np.int8), np.empty(count, np.int64)
    first = 0
    for part, began in growth.parts(kept, count):
        found[first : first + len(part)], place[first : first + len(part)] = part, began
        first += len(part)
    return found, place


@dataclass(frozen=True)
class Some:
    """Embeddings and what they show."""

    kept: NDArray[np.int8]  # [N, V]
    classes: Rows  # [N], -1 for none


def measure(library: Some, asking: Some, bits: int) -> dict[str, Any]:
    """How good the first hits of some are in a library, with each number of candidates."""
    head = fit_head(library.kept, bits)
    index = HammingIndex(bits)
    index.add(head.codes(library.kept))
    near = index.search(head.codes(asking.kept), max(CANDIDATES))[1]
    judged = asking.classes >= 0
    exact = nearest(asking.kept, library.kept)

    def precision(found: Rows) -> float:
        return float((library.classes[found] == asking.classes[:, None])[judged].mean())

    likeness = np.stack([cosines(one, library.kept[rows]) for one, rows in zip(asking.kept, near, strict=True)])

    def of(count: int) -> dict[str, float]:
        order = np.argsort(-likeness[:, :count], axis=1, kind="stable")[:, :SHOWN]
        found = np.take_along_axis(near, order, axis=1)
        recall = np.mean([np.isin(each, rows[:count]).mean() for each, rows in zip(exact, near, strict=True)])
        return {"recall": round(float(recall), 4), "precision": round(precision(found), 4)}

    return {
        "pictures": len(library.kept),
        "bits": bits,
        "codes": round(precision(near[:, :SHOWN]), 4),
        "all": round(precision(exact), 4),
        "candidates": {count: of(count) for count in CANDIDATES if count < len(library.kept)},
    }


def nearest(queries: NDArray[np.int8], library: NDArray[np.int8]) -> Rows:
    """The rows of the nearest of all by cosine [Q, SHOWN], in any order."""
    one = unit(queries.astype(np.float32))
    best, rows = np.empty((len(one), 0), np.float32), np.empty((len(one), 0), np.int64)
    for start in range(0, len(library), BLOCK):
        found = one @ unit(library[start : start + BLOCK].astype(np.float32)).T
        first = np.argpartition(-found, SHOWN, axis=1)[:, :SHOWN]
        best = np.concatenate([best, np.take_along_axis(found, first, axis=1)], axis=1)
        rows = np.concatenate([rows, first + start], axis=1)
        kept = np.argsort(-best, axis=1)[:, :SHOWN]
        best, rows = np.take_along_axis(best, kept, axis=1), np.take_along_axis(rows, kept, axis=1)
    return rows


def markdown(results: list[dict[str, Any]]) -> str:
    """The table."""
    lines = [
        "| pictures | photographs | bits | codes | "
        + " | ".join(f"{count:,}" for count in CANDIDATES[1:])
        + " | all |",
        "|" + "---:|" * (4 + len(CANDIDATES)),
    ]
    for found in results:
        each = {int(count): part for count, part in found["candidates"].items()}
        cells = [f"{each[count]['precision']:.3f} ({each[count]['recall']:.2f})" for count in CANDIDATES[1:]]
        first = [f"{found['pictures']:,}", f"{found['photographs']:,}", str(found["bits"]), f"{found['codes']:.3f}"]
        lines.append("| " + " | ".join([*first, *cells, f"{found['all']:.3f}"]) + " |")
    return "\n".join(lines).replace(" 0.", " .").replace("(0.", "(.")


def _rows(some: Some, rows: Rows) -> Some:
    return Some(some.kept[rows], some.classes[rows])


def main() -> None:
    """A table, and a file of results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path(".cache/box"), help="folder of what the box's stages make")
    parser.add_argument("--bits", default="64", help="code lengths, with commas")
    parser.add_argument("--pictures", default="10000,30000,100000,1000000", help="sizes of libraries, with commas")
    parser.add_argument("--files", type=int, default=seen.FILES, help="packed files that are read")
    parser.add_argument("--of", type=int, help="photographs of which a library is grown; by default all that there are")
    parser.add_argument("--json", type=Path, help="file of results")
    parser.add_argument("--keep", type=Path, help="file of the last library's embeddings, in any order (.npy)")
    given = parser.parse_args()
    packed, embedded = given.work / "packed", given.work / "embedded"
    photographs = seen.training(packed, embedded, transhash.load(), given.files)
    all_of = Some(photographs.photographs, photographs.classes)
    rows, results = np.random.default_rng(0).permutation(len(all_of.kept)), []
    asking, others = _rows(all_of, rows[:QUERIES]), rows[QUERIES:][: given.of]
    for size in map(int, given.pictures.split(",")):
        real = _rows(all_of, others[:size])
        kept, place = grown(real.kept, size)
        for bits in map(int, given.bits.split(",")):
            results.append({"photographs": len(real.kept), **measure(Some(kept, real.classes[place]), asking, bits)})
    print(markdown(results))
    if given.keep:
        np.save(given.keep, np.random.default_rng(0).permutation(kept))
    if given.json:
        write(given.json, results)


if __name__ == "__main__":
    main()
