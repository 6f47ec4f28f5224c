"""How long the exact self-join takes: all pairs of codes within a radius, on uniform, clustered and real codes.

python -m benchmarks.copies.duplicates [--count 1000000] [--radius 3] [--codes benchmarks/search/real.npy]
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path

from benchmarks.common import ROOT
from benchmarks.search.peers import make_codes
from transhash.search import HammingIndex

REAL = str(ROOT / "benchmarks" / "search" / "real.npy")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--bits", type=int, default=64)
    parser.add_argument("--radius", type=int, default=3)
    parser.add_argument("--codes", nargs="+", default=["uniform", "clustered", REAL])
    settings = parser.parse_args()
    warm = HammingIndex(settings.bits)
    warm.add(make_codes("uniform", 10_000, settings.bits))
    sum(len(pairs.first) for pairs in warm.join(settings.radius).pairs())  # compiled now, if it was not
    for kind in settings.codes:
        index = HammingIndex(settings.bits)
        index.add(make_codes(kind, settings.count, settings.bits))
        wall, processor = time.perf_counter(), time.process_time()
        join = index.join(settings.radius)
        pairs = sum(len(some.first) for some in join.pairs())
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        print(
            f"{Path(kind).name}: {settings.count:,} codes of {settings.bits} bits, {len(join.words):,} different, "
            f"{pairs:,} pairs within {settings.radius}: {wall:.1f} s, {processor:.1f} s of processor, peak {peak} MB"
        )


if __name__ == "__main__":
    main()
