"""Up to 10⁹ codes of 64 bits: built on disk, searched where they lie, and held to what comparing all of them finds.

    python -m benchmarks.search.billion --codes benchmarks/search/real.npy --size 1000000000 --at FOLDER

Codes are made in pieces, each from a seed of its own, and never all held. While they are handed to the builder, some
queries are compared with every one of them, by NumPy alone: the oracle. A flat index of Faiss of as many codes as
`--peer` says is searched in turns with ours; its time for all codes is reckoned in proportion. The row goes into
benchmarks/results/billion.json. The index stays: the same call again measures searches alone.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import RESULTS, program, timed
from benchmarks.search.peers import Codes, Faiss, make_codes
from transhash.search import HammingIndex
from transhash.search.building import build_index
from transhash.system import machine, replacing

RESULT = RESULTS / "billion.json"
BITS, K, BATCH, SINGLES, CHECKED, ROUNDS = 64, 100, 500, 100, 16, 5
PIECE = 1 << 21  # codes that are made at a time
BUILDING = "build_s", "making_s", "peak_build", "disk_build", "bytes_a_code"
Row = dict[str, Any]


class Oracle:
    """The nearest K of some queries among all codes that went by: by distance, then by number."""

    def __init__(self, queries: Codes) -> None:
        self.queries = queries.view(np.uint64)[:, 0]
        self.best: list[NDArray[np.int64]] = [np.empty(0, np.int64) for _ in self.queries]  # distance · 2³² + number

    def see(self, codes: Codes, first: int) -> None:
        """Compare all queries with codes whose numbers begin at `first`."""
        words = codes.view(np.uint64)[:, 0]
        for row, query in enumerate(self.queries):
            distances = np.bitwise_count(words ^ query)
            held = self.best[row]
            near = np.flatnonzero(distances <= (held[-1] >> 32 if len(held) == K else BITS))
            keys = np.concatenate([held, (distances[near].astype(np.int64) << 32) + (near + first)])
            if len(keys) > 4 * K:
                keys = np.partition(keys, K)[:K]
            self.best[row] = np.sort(keys)[:K]

    def check(self, index: HammingIndex) -> None:
        """Raises SystemExit where the index finds something else."""
        D, I = index.search(self.queries.view(np.uint8).reshape(-1, BITS // 8), K)  # noqa: E741
        for row, best in enumerate(self.best):
            if not (np.array_equal(D[row], best >> 32) and np.array_equal(I[row], best & (1 << 32) - 1)):
                raise SystemExit(f"query {row}: the index does not find what comparing all codes finds")


class Making:
    """The codes in pieces, and the seconds that it took to make them and to compare them with the oracle's queries."""

    def __init__(self, kind: str, size: int, oracle: Oracle) -> None:
        self.kind, self.size, self.oracle, self.seconds = kind, size, oracle, 0.0

    def pieces(self) -> Iterator[Codes]:
        """Codes uint8 [n, 8], one piece after the other."""
        for first in range(0, self.size, PIECE):
            began = time.perf_counter()
            piece = make_codes(self.kind, min(PIECE, self.size - first), BITS, seed=1 + first // PIECE)
            self.oracle.see(piece, first)
            self.seconds += time.perf_counter() - began
            yield piece


def say(stage: str, done: int, total: int, note: str, /) -> None:
    """A line to standard error for each ten million codes."""
    if done % (5 * PIECE) == 0 or done == total:
        print(time.strftime("%H:%M:%S"), stage, f"{done:,}", file=sys.stderr, flush=True)


class Most:
    """The most memory of its own that this process held, and the most of a drive that it took, looked at each second.

    Pages of mapped files are not counted: the system takes them back when it needs them.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.memory, self.disk, self._over = folder, 0, 0, threading.Event()
        self._before = shutil.disk_usage(folder).free
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Most:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(1):
            self.disk = max(self.disk, self._before - shutil.disk_usage(self.folder).free)
            lines = Path("/proc/self/status").read_text().splitlines()
            self.memory = max(self.memory, next(int(line.split()[1]) << 10 for line in lines if "RssAnon" in line))


def build(kind: str, size: int, target: Path, oracle: Oracle) -> Row:
    """Build the index of these codes, and what that cost: unknown where an earlier call had begun."""
    making = Making(kind, size, oracle)
    resumed = target.with_name(f"{target.name}.building").exists()
    began = time.perf_counter()
    pieces = making.pieces()
    with Most(target.parent) as most:
        build_index(target, pieces, BITS, progress=say)
    for _ in pieces:  # what an earlier call had copied, the oracle has to see
        pass
    cost: Row = {
        "build_s": time.perf_counter() - began - making.seconds,
        "making_s": making.seconds,
        "peak_build": most.memory,
        "disk_build": most.disk,
    }
    if resumed:
        cost = dict.fromkeys(cost)
    return cost | {"bytes_a_code": target.stat().st_size / size}


def search(index: HammingIndex, kind: str, peer: int) -> Row:
    """Times of batches and of queries one at a time, in turns with Faiss's flat index of `peer` codes."""
    row: Row = {"batch_s": [], "single_s": [], "peer": peer, "peer_s": []}

    def took(engine: Any, queries: Codes) -> float:
        return timed(lambda: engine.search(queries, K))[0]

    flat = Faiss("Flat", make_codes(kind, peer, BITS, seed=1))
    for turn in range(ROUNDS):
        fresh = make_codes(kind, BATCH + SINGLES, BITS, seed=-1 - turn & 0xFFFFFFFF)
        row["batch_s"].append(took(index, fresh[:BATCH]))
        row["single_s"] += [took(index, fresh[at : at + 1]) for at in range(BATCH, BATCH + SINGLES)]
        row["peer_s"].append(took(flat, fresh[:BATCH]))
    return row


def changes(index: HammingIndex, queries: Codes, again: Path) -> Row:
    """Seconds to add a thousand codes, to remove ids, to search with filters, and to save; SystemExit where it errs."""
    row: Row = {}
    new = make_codes("uniform", 1000, BITS, seed=7)
    row["add_s"], ids = timed(lambda: index.add(new))
    nearest = index.search(queries, 3)[1]
    gone = np.unique(np.concatenate([ids[:500], nearest[:, 0]]))
    row["remove_s"], count = timed(lambda: index.remove(gone))
    held = index.search(np.concatenate([queries, new[500:]]), 3)[1]
    if (
        count != len(gone)
        or np.isin(held, gone).any()
        or not (held[len(queries) :] == ids[500:, None]).any(axis=1).all()
    ):
        raise SystemExit("what was added or removed is not found as it should be")
    every = np.arange(0, len(index), 100)
    row["filter_s"], (_, found) = timed(lambda: index.search(queries, K, ids=every))
    few = every[:: max(1, len(every) // 1000)]
    row["few_s"], (_, of_few) = timed(lambda: index.search(queries, 10, ids=few))
    if not (np.isin(found[found >= 0], every).all() and np.isin(of_few[of_few >= 0], few).all()):
        raise SystemExit("a filter lets other ids through")
    row["save_s"], _ = timed(lambda: index.save(again))
    again.unlink()
    return row


def run(kind: str, size: int, folder: Path, peer: int, known: Row | None) -> Row:
    """Build and check, unless that is `known` and the index is there; search. The row of the result."""
    target = folder / f"{Path(kind).stem}-{size}.hamming"
    queries = make_codes(kind, BATCH + CHECKED, BITS)
    row = {"codes": Path(kind).stem, "size": size, "bits": BITS, "k": K, "machine": machine()}
    oracle = Oracle(queries[BATCH:])
    if known is not None and target.exists():
        row |= {name: known[name] for name in (*BUILDING, "checked")}
    else:
        known = None
        row |= build(kind, size, target, oracle)
    row["open_s"], index = timed(lambda: HammingIndex.open(target, verify=False))
    row["first_batch_s"], _ = timed(lambda: index.search(queries[:BATCH], K))
    row["verify_s"], index = timed(lambda: HammingIndex.open(target))  # reads all of it, and compares checksums
    row |= search(index, kind, peer)
    if known is None:
        oracle.check(index)
        row["checked"] = CHECKED
    return row | changes(index, queries[BATCH:], target.with_suffix(".again"))


def table(rows: list[Row]) -> str:
    """All rows, in Markdown: building and searching, then changes."""
    lines = [
        "| codes | size | built in, min | memory, GB | disk, GB | bytes a code | ms a query, in a batch | alone |"
        " first batch | Faiss flat, reckoned, ms | times as fast |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        batch = np.median(row["batch_s"]) / BATCH * 1e3
        theirs = np.median(row["peer_s"]) / BATCH * 1e3 * row["size"] / row["peer"]
        built = [
            "" if row[name] is None else f"{row[name] / unit:.1f}"
            for name, unit in (("build_s", 60), ("peak_build", 1e9), ("disk_build", 1e9))
        ]
        lines.append(
            f"| {row['codes']} | {row['size']:,} | {' | '.join(built)} | {row['bytes_a_code']:.1f} | {batch:.3f} |"
            f" {np.median(row['single_s']) * 1e3:.3f} | {row['first_batch_s'] / BATCH * 1e3:.2f} |"
            f" {theirs:.0f} | {theirs / batch:,.0f} |"
        )
    lines += [
        "",
        f"| seconds to | open | check | add 1,000 | remove | search {CHECKED} in every hundredth | in few | save |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        times = (row[f"{what}_s"] for what in ("open", "verify", "add", "remove", "filter", "few", "save"))
        lines.append(f"| {row['codes']}, {row['size']:,} | " + " | ".join(f"{each:.2f}" for each in times) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--codes", required=True, help="uniform, clustered, or an .npy file to draw from")
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--at", type=Path, required=True, help="a folder on a drive with room")
    parser.add_argument("--peer", type=int, default=100_000_000, help="codes in Faiss's flat index, at most")
    given = parser.parse_args()
    rows = {(row["codes"], row["size"]): row for row in (json.loads(RESULT.read_text()) if RESULT.exists() else [])}
    place = Path(given.codes).stem, given.size
    row = run(given.codes, given.size, given.at, min(given.peer, given.size), rows.get(place))
    rows[place] = row
    with replacing(RESULT) as file:
        file.write(json.dumps(list(rows.values()), indent=1).encode() + b"\n")
    print(table(list(rows.values())))


if __name__ == "__main__":
    program(main)
