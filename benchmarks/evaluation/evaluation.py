"""Time and memory of `transhash.evaluate` with all its figures, and of the field's mAP loop in NumPy (Linux).

    python -m benchmarks.evaluation.evaluation [--queries 1000] [--database 54000] [--bits 64] [--classes 10]

Random codes in clusters: a class has a centre, and every bit of an item differs from it with probability 0.3. Each
program runs in its own process; memory is the highest resident size during its calls, less the resident size before.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.uint8], NDArray[np.int64]]


def clusters(queries: int, database: int, bits: int, classes: int) -> Arrays:
    random = np.random.default_rng(0)
    centres = random.integers(0, 2, (classes, bits)) == 1
    arrays: list[NDArray[Any]] = []
    for count in (queries, database):
        labels = random.permutation(np.arange(count) % classes)
        arrays += [np.packbits(centres[labels] ^ (random.random((count, bits)) < 0.3), axis=1), labels]
    query_codes, query_labels, db_codes, db_labels = arrays
    return query_codes, query_labels, db_codes, db_labels


def ours(query_codes: NDArray[Any], query_labels: NDArray[Any], db_codes: NDArray[Any], db_labels: NDArray[Any]) -> str:
    from transhash.evaluation import evaluate

    scores = evaluate(query_codes, query_labels, db_codes, db_labels)
    return f"mAP {scores.map:.4f} tie-aware, {scores.map_conventional:.4f} conventional"


def field(
    query_codes: NDArray[Any], query_labels: NDArray[Any], db_codes: NDArray[Any], db_labels: NDArray[Any]
) -> str:
    """mAP alone, as `CalcTopMap` computes it: codes of ±1, one-hot labels, one product and one sort a query."""
    q, db = (np.unpackbits(codes, axis=1) * 2.0 - 1.0 for codes in (query_codes, db_codes))
    one_hot = np.eye(max(query_labels.max(), db_labels.max()) + 1)
    ql, dbl = one_hot[query_labels], one_hot[db_labels]
    total = 0.0
    for code, label in zip(q, ql, strict=True):
        relevant = dbl @ label > 0
        order = np.argsort((db.shape[1] - db @ code) / 2)
        places = np.flatnonzero(relevant[order]) + 1
        if len(places):
            total += float(np.mean(np.arange(1, len(places) + 1) / places))
    return f"mAP {total / len(q):.4f} conventional, order of ties left to the sort"


def resident(key: str) -> float:
    """VmRSS (now) or VmHWM (highest) in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1]) / 1024
    raise SystemExit(f"no {key} in /proc/self/status: this benchmark needs Linux")


def measure(name: str, program: Callable[..., str], repeats: int, sizes: dict[str, int]) -> None:
    arrays = clusters(**sizes)
    Path("/proc/self/clear_refs").write_text("5")  # the highest resident size starts anew
    before = resident("VmRSS")
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = program(*arrays)
        seconds.append(time.perf_counter() - start)
    print(
        f"{name}: first call {seconds[0]:.2f} s, best of {repeats} {min(seconds):.2f} s, "
        f"{resident('VmHWM') - before:.0f} MB more memory; {result}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option, default in (("queries", 1000), ("database", 54000), ("bits", 64), ("classes", 10)):
        parser.add_argument(f"--{option}", type=int, default=default)
    sizes = vars(parser.parse_args())
    print(", ".join(f"{value:,} {name}" for name, value in sizes.items()))
    spawn = multiprocessing.get_context("spawn")
    for name, program, repeats in (("transhash.evaluate, all figures", ours, 5), ("NumPy, mAP alone", field, 1)):
        process = spawn.Process(target=measure, args=(name, program, repeats, sizes))
        process.start()
        process.join()
        if process.exitcode:
            raise SystemExit(f"{name} failed")


if __name__ == "__main__":
    main()
