"""What a search for duplicates in a library of photographs costs, stage by stage.

python -m benchmarks.copies.library LIBRARY

LIBRARY has embeddings, codes fitted to them, and its thumbnails.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import defaultdict
from pathlib import Path

from benchmarks.common import program
from transhash.library import Library


class Laps:
    """Progress that remembers how long each stage took: what passes before a call belongs to that call's stage."""

    def __init__(self) -> None:
        self._last = time.perf_counter(), time.process_time()
        self.seconds: dict[str, float] = defaultdict(float)
        self.processor: dict[str, float] = defaultdict(float)
        self.steps: dict[str, int] = defaultdict(int)

    def __call__(self, stage: str, done: int, total: int, note: str = "", /) -> None:
        """The time since the last call is that of this stage."""
        now = time.perf_counter(), time.process_time()
        self.seconds[stage] += now[0] - self._last[0]
        self.processor[stage] += now[1] - self._last[1]
        self.steps[stage] = max(total, self.steps[stage])
        self._last = now


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", type=Path)
    settings = parser.parse_args()
    with Library.open(settings.library) as library:
        count = len(library)
        laps = Laps()
        report = library.duplicates(progress=laps)
        laps("grouping", len(report.groups), len(report.groups))
    helped = os.times()
    laps.processor["comparing"] += helped.children_user + helped.children_system  # processes that help to compare
    print(f"{count:,} photographs, {len(report.groups):,} groups; other pairs: {report.others}")
    print("| stage | of | seconds of processor | seconds |\n|---|---:|---:|---:|")
    for stage, took in laps.processor.items():
        print(f"| {stage} | {laps.steps[stage]:,} | {took:.0f} | {laps.seconds[stage]:.0f} |")
    print(f"| all | | {sum(laps.processor.values()):.0f} | {sum(laps.seconds.values()):.0f} |")


if __name__ == "__main__":
    program(main)
