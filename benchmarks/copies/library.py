"""What a search for duplicates in a library of photographs costs, stage by stage, on one core.

TRANSHASH_THREADS=1 python -m benchmarks.copies.library LIBRARY

LIBRARY has embeddings, codes fitted to them, and its thumbnails. The estimate for 100,000 photographs takes the stage
that looks for neighbours to grow with the square of their number, and all others with their number.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from pathlib import Path

from transhash.library import Library

WANTED = 100_000
SQUARE = "looking for neighbours"


class Laps:
    """Progress that remembers how long each stage took: what passes before a call belongs to that call's stage."""

    def __init__(self) -> None:
        self._last = time.perf_counter(), time.process_time()
        self.seconds: dict[str, float] = defaultdict(float)
        self.processor: dict[str, float] = defaultdict(float)
        self.steps: dict[str, int] = {}

    def __call__(self, stage: str, done: int, total: int, note: str = "", /) -> None:
        """The time since the last call is that of this stage."""
        now = time.perf_counter(), time.process_time()
        self.seconds[stage] += now[0] - self._last[0]
        self.processor[stage] += now[1] - self._last[1]
        self.steps[stage] = total
        self._last = now


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", type=Path)
    settings = parser.parse_args()
    with Library.open(settings.library) as library:
        count = len(library)
        laps = Laps()
        report = library.duplicates(progress=laps)
        laps("grouping", 1, 1)
    growth = WANTED / count
    estimates = {stage: took * growth ** (1 + (stage == SQUARE)) for stage, took in laps.processor.items()}
    print(f"{count:,} photographs, {len(report.groups):,} groups; other pairs: {report.others}")
    print(f"| stage | of | seconds of processor | estimated for {WANTED:,} |\n|---|---:|---:|---:|")
    for stage, took in laps.processor.items():
        print(f"| {stage} | {laps.steps[stage]:,} | {took:.0f} | {estimates[stage]:.0f} |")
    print(f"| all | | {sum(laps.processor.values()):.0f} | {sum(estimates.values()):.0f} |")
    print(f"{sum(laps.seconds.values()):.0f} s by the clock")


if __name__ == "__main__":
    main()
