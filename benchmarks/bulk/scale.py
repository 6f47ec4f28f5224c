"""What bulk encoding costs: the plain path and Ray, at one and two workers.

    python -m benchmarks.bulk.scale PICTURES [--repeat 3]

Rates are of the shards after the first of each worker, so that starting Ray and loading the model are not in them; the
seconds of the whole command are printed as well. The median of some runs, in turns.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

from transhash import load
from transhash.bulk import encode


def measure(pictures: Path, engine: str, workers: int, size: int) -> tuple[float, float]:
    """(pictures/s once under way, seconds of all)."""
    moments: list[float] = []
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        report = encode(
            pictures, folder, load(), engine=engine, workers=workers, shard_size=size,
            progress=lambda *_: moments.append(time.perf_counter()),
        )  # fmt: skip
        times = sorted(path.stat().st_mtime for path in Path(folder).glob("codes-*"))
    skip = workers - 1
    return (report.shards - 1 - skip) * size / (times[-1] - times[skip]), time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--shard-size", type=int, default=50)
    given = parser.parse_args()
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 - by default Ray's actors wait for all other work of the machine
    ways = [("local", 1), ("local", 2), ("ray", 1), ("ray", 2)]
    found: dict[tuple[str, int], list[tuple[float, float]]] = {way: [] for way in ways}
    for _ in range(given.repeat):
        for way in ways:
            found[way].append(measure(given.pictures, *way, given.shard_size))
    rate = {way: statistics.median(rate for rate, _ in runs) for way, runs in found.items()}
    for (engine, workers), runs in found.items():
        seconds = statistics.median(seconds for _, seconds in runs)
        print(f"{engine:5} {workers} workers: {rate[engine, workers]:6.1f} pictures/s, {seconds:.1f} s in all")
    two, one = rate["ray", 2], rate["ray", 1]
    print(f"two Ray workers: {two / one:.2f} times one")
    print(f"Ray beside the plain path: {one / rate['local', 1]:.2f} with one, {two / rate['local', 2]:.2f} with two")
    print(json.dumps({"load": os.getloadavg()[0]}))


if __name__ == "__main__":
    main()
