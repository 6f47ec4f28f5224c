"""What 10⁷ to 10¹¹ pictures need: costs measured here, a model that predicts from them, and a check of the model.

    python -m benchmarks.search.scale measure    # writes benchmarks/results/scale.json
    python -m benchmarks.search.scale tables     # prints the tables of docs/scale.md from it

Costs are seconds of a processor, which other work on the machine disturbs less than those of a clock. Sharded search is
run as it would be on several machines: each shard is a process with a processor, which answers one query at a time
with its k nearest by a scan; what all answer is merged. From shards of 0.5 and 2 million codes, asked alone, the times
of two shards of a million are predicted, and measured, in turns.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing as mp
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.common import RESULTS, ROOT, write
from benchmarks.search.peers import make_codes
from transhash import HammingIndex, Library, load
from transhash.search import merging
from transhash.system import machine

REAL = Path(__file__).with_name("real.npy")
RESULT, SEARCH = RESULTS / "scale.json", RESULTS / "search.json"
BITS, K, QUERIES, MILLION = 64, 100, 400, 1_000_000
SHARD = 100_000_000  # codes that a machine holds, the most that were searched in memory on one
SHARDS = (1, 2, 10, 100, 1000)


def costs(pictures: Path) -> dict[str, float]:
    """Seconds of a processor and bytes for each picture, or code."""
    model = load()
    files = sorted(pictures.rglob("*.jpg"))
    model.encode(files[:16])
    began = time.process_time()
    squares = np.stack([model.square(file) for file in files])
    decoded = time.process_time()
    for start in range(0, len(files), 16):
        model.read(squares[start : start + 16])
    encoded = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        photos, place = Path(folder, "photos"), Path(folder, "photos", ".transhash")
        photos.mkdir()
        pixels = np.random.default_rng(0).integers(0, 256, (2000, 8, 8, 3), np.uint8)
        for number, each in enumerate(pixels):
            Image.fromarray(each).save(photos / f"picture-{number:04}.png")
        with Library.create(place, model) as library:
            library.index(photos)
        catalogue = sum(file.stat().st_size for file in place.iterdir()) / len(pixels)
    codes = make_codes(str(REAL), 2 * MILLION, BITS)
    index = HammingIndex(BITS)
    building = time.process_time()
    index.add(codes)
    built = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        index.save(Path(folder, "codes"))
        size = Path(folder, "codes").stat().st_size
    return {
        "decode_s": (decoded - began) / len(files),
        "encode_s": (encoded - decoded) / len(files),
        "catalogue_bytes": catalogue,
        "build_s": (built - building) / len(codes),
        "index_bytes": size / len(codes),
    }


def shard(pipe: Connection, processor: int, codes: np.ndarray, first: int) -> None:
    """A shard: codes under ids from `first`; answers each query with its nearest and the seconds it computed."""
    os.sched_setaffinity(0, [processor])
    index = HammingIndex(BITS)
    index.add(codes, np.arange(first, first + len(codes)))
    index.search(codes[:1], K, strategy="scan")
    pipe.send(None)
    while (query := pipe.recv()) is not None:
        began = time.thread_time()
        found = index.search(query, K, strategy="scan")
        pipe.send((*found, time.thread_time() - began))


@contextmanager
def shards(parts: list[np.ndarray], firsts: list[int]) -> Iterator[list[Connection]]:
    """Processes that hold parts of the codes, and how to ask them."""
    spawn, available = mp.get_context("spawn"), sorted(os.sched_getaffinity(0))
    pipes, processes = [], []
    for number, (part, first) in enumerate(zip(parts, firsts, strict=True)):
        ours, theirs = spawn.Pipe()
        arguments = (theirs, available[number % len(available)], part, first)
        processes.append(spawn.Process(target=shard, args=arguments))
        processes[-1].start()
        pipes.append(ours)
    for pipe in pipes:
        pipe.recv()
    yield pipes
    for pipe, process in zip(pipes, processes, strict=True):
        pipe.send(None)
        process.join()


def ask(pipes: list[Connection], query: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """The nearest among all shards, and the most seconds that one computed."""
    for pipe in pipes:
        pipe.send(query)
    answers = [pipe.recv() for pipe in pipes]
    D, I = answers[0][:2]  # noqa: E741
    for other in answers[1:]:
        merged = np.empty_like(D), np.empty_like(I)
        merging.best(D, I, other[0], other[1], *merged)
        D, I = merged  # noqa: E741
    return D, I, max(answer[2] for answer in answers)


def sharded() -> dict[str, Any]:
    """Milliseconds of each query to shards of two sizes alone and to two together, as the asker sees it and computed.

    Two shards must find what one index of all finds.
    """
    os.environ["TRANSHASH_THREADS"] = "1"
    codes = make_codes(str(REAL), 2 * MILLION + QUERIES, BITS)
    queries, codes = codes[:QUERIES], codes[QUERIES:]
    index = HammingIndex(BITS)
    index.add(codes)
    D, I = index.search(queries, K)  # noqa: E741
    small, large = MILLION // 2, 2 * MILLION
    times: dict[str, Any] = {name: {"seen_ms": [], "computed_ms": []} for name in (str(small), str(large), "two")}
    with shards([codes[:small], codes, codes[:MILLION], codes[MILLION:]], [0, 0, 0, MILLION]) as pipes:
        asked = {str(small): pipes[:1], str(large): pipes[1:2], "two": pipes[2:]}
        for row in range(QUERIES):
            for name, which in asked.items():
                began = time.perf_counter()
                distances, ids, seconds = ask(which, queries[row : row + 1])
                times[name]["seen_ms"].append(round((time.perf_counter() - began) * 1000, 4))
                times[name]["computed_ms"].append(round(seconds * 1000, 4))
                if name != str(small) and not (np.array_equal(distances[0], D[row]) and np.array_equal(ids[0], I[row])):
                    raise SystemExit(f"{name}: query {row} has other hits than in one index")
    two = times.pop("two")
    return {"alone": times, "two": two, "merge_ms": merge_seconds(D, I) * 1000}


def merge_seconds(D: np.ndarray, I: np.ndarray) -> float:  # noqa: E741
    """Seconds to merge the answers of two shards to one query."""
    merged = np.empty_like(D), np.empty_like(I)
    merging.best(D, I, D, I, *merged)
    began = time.perf_counter()
    for _ in range(100):
        merging.best(D, I, D, I, *merged)
    return (time.perf_counter() - began) / 100 / len(D)


def predicted(found: dict[str, Any], which: str, codes: int, count: int, replicas: int = 1) -> np.ndarray:
    """Milliseconds of many queries to `count` shards of so many codes each, by the model.

    A shard's median is a + b·codes, the line through the two measured; a query's time is that median times a
    straggler's factor, drawn from those measured; the answer is there when the slowest shard's is, and merged. With
    replicas a shard is as fast as the fastest of them.
    """
    (small, low), (large, high) = ((int(size), np.array(times[which])) for size, times in found["alone"].items())
    slope = (np.median(high) - np.median(low)) / (large - small)
    median = np.median(low) + slope * (codes - small)
    factors = np.concatenate([low / np.median(low), high / np.median(high)])
    drawn = np.random.default_rng(0).choice(factors, (2000, count, replicas)).min(axis=2).max(axis=1)
    return np.asarray(median * drawn + (count - 1) * found["merge_ms"] * (which == "seen_ms"))


def check(result: dict[str, Any]) -> str:
    """The prediction for two shards beside the measurement."""
    lines = ["| two shards of 1,000,000 codes | | predicted, ms | measured, ms |", "|---|---|--:|--:|"]
    for which, name in (("computed_ms", "computed by the slower shard"), ("seen_ms", "seen by who asks")):
        theirs, ours = predicted(result["sharded"], which, MILLION, 2), result["sharded"]["two"][which]
        for share in (50, 90, 99):
            lines.append(
                f"| {name} | p{share} | {np.percentile(theirs, share):.3f} | {np.percentile(ours, share):.3f} |"
            )
    return "\n".join(lines)


def million(result: dict[str, Any]) -> str:
    """The costs of a million pictures."""
    cost, scan = result["costs"], per_code(result["sharded"])
    rows = [
        ("decode (small pictures; a photo of 12 megapixels takes more)", f"{cost['decode_s'] * MILLION / 60:.1f} min"),
        ("encode", f"{cost['encode_s'] * MILLION / 60:.0f} min"),
        ("codes of 64 bits in a file", f"{BITS / 8 * MILLION / 1e6:.0f} MB"),
        ("catalogue and codes in a library", f"{cost['catalogue_bytes'] * MILLION / 1e9:.1f} GB"),
        ("build the index", f"{cost['build_s'] * MILLION:.2f} s"),
        ("index in memory, or in its file", f"{cost['index_bytes'] * MILLION / 1e6:.0f} MB"),
        ("a query that looks at every code", f"{scan * MILLION:.2f} ms"),
        ("a query by multi-index hashing", f"{2 * hashing(MILLION):.3f} ms"),
    ]
    return "\n".join(
        [
            "| of a million pictures | time is that of a processor |",
            "|---|--:|",
            *(f"| {what} | {how} |" for what, how in rows),
        ]
    )


def per_code(found: dict[str, Any]) -> float:
    """Milliseconds of a processor that one more code adds to a scan."""
    (small, low), (large, high) = (
        (int(size), statistics.median(times["computed_ms"])) for size, times in found["alone"].items()
    )
    return float((high - low) / (large - small))


def hashing(codes: int) -> float:
    """Milliseconds a query of our index took in a batch, by `python -m benchmarks.search.compare` on real codes."""
    rows = json.loads(SEARCH.read_text())
    [row] = [
        each
        for each in rows
        if (each["codes"], each["bits"], each["size"], each["engine"]) == ("real", BITS, codes, "transhash")
    ]
    return float(statistics.median(row["batch_s"]) / 500 * 1000)


def sizes(result: dict[str, Any]) -> str:
    """What so many pictures need."""
    cost, scan = result["costs"], per_code(result["sharded"])
    lines = [
        "| pictures | processor days to encode | codes | index in memory | machines | a query by a scan, one processor"
        " a machine | by multi-index hashing, all processors together |",
        "|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for power in range(7, 12):
        count = 10**power
        machines = -(-count // SHARD)
        share = min(count, SHARD)
        days = count * (cost["decode_s"] + cost["encode_s"]) / 86400
        memory = count * cost["index_bytes"] / 1e9
        lines.append(
            f"| {count:,} | {days:,.1f} | {count * BITS / 8 / 1e9:,.2f} GB | {memory:,.1f} GB | {machines:,} |"
            f" {scan * share:,.1f} ms | {2 * hashing(share) * machines:,.2f} ms |"
        )
    return "\n".join(lines)


def stragglers(result: dict[str, Any]) -> str:
    """How the slowest of many shards answers, in multiples of the median of one."""
    lines = ["| shards | p50 | p99 | p50, the faster of 2 replicas | p99, the faster of 2 |", "|--:|--:|--:|--:|--:|"]
    for count in SHARDS:
        figures = [
            np.percentile(predicted(result["sharded"], "computed_ms", MILLION, count, replicas), share)
            / np.median(predicted(result["sharded"], "computed_ms", MILLION, 1))
            for replicas in (1, 2)
            for share in (50, 99)
        ]
        lines.append(f"| {count:,} | {' | '.join(f'{figure:.2f}×' for figure in figures)} |")
    return "\n".join(lines)


def inverted(_: dict[str, Any]) -> str:
    """What an inverted file (that of Faiss, which Milvus has too) finds of the nearest 100 of a million real codes."""
    rows = [row for row in json.loads(SEARCH.read_text()) if (row["engine"], row["codes"]) == ("faiss IVF", "real")]
    lines = ["| lists looked at (nprobe) of 3,906 | recall |", "|--:|--:|"]
    return "\n".join([*lines, *(f"| {row['effort']} | {row['recall']:.3f} |" for row in rows)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["measure", "tables"])
    parser.add_argument("--pictures", type=Path, default=ROOT / "examples" / "pictures")
    given = parser.parse_args()
    if given.what == "measure":
        result: dict[str, Any] = {"machine": machine(), "load": os.getloadavg()[0]}
        result |= {"costs": costs(given.pictures), "sharded": sharded()}
        write(RESULT, result)
    result = json.loads(RESULT.read_text())
    print("\n\n".join(each(result) for each in (million, sizes, check, stragglers, inverted)))


if __name__ == "__main__":
    main()
