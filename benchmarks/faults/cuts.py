"""Cut the power at each moment of a job: what is on the disk then opens, and nothing that was acknowledged is lost.

    python -m benchmarks.faults.cuts [--jobs index,add,…] [--every 1] [--torn 2] [--sample N]

A job is run once, and all calls that change its folder are recorded, with the moments at which it acknowledged
something (a layer below libc does, `shim.c`). Then the disk is made anew as it may be after each call: with all that
was called, with only what was synced, and with random sectors of what was not (`disk.py`). Of each

- `verify` finds nothing, each entry is as before the job or as after it;
- what had been acknowledged is there;
- the job done again ends with exactly what an undisturbed run makes.

Prints a line of JSON for each job; exit code 1 when something was lost, and then it is named.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.faults.disk import Disk
from benchmarks.faults.job import Job
from benchmarks.faults.jobs import CUTS
from benchmarks.faults.shim import Record, Shim, begin_below, new_home
from benchmarks.faults.trial import Trial, in_child, report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", default=",".join(CUTS), help="comma-separated; by default all")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only after each N-th call")
    parser.add_argument("--torn", type=int, default=2, metavar="N", help="torn disks for each moment")
    parser.add_argument("--sample", type=int, metavar="N", help="instead, N disks of each job, drawn at random")
    arguments = parser.parse_args()
    home = new_home()
    shim = begin_below(home, home / "work")
    report(home, (cut(CUTS[name], home, shim, arguments) for name in arguments.jobs.split(",")))


def cut(job: Job, home: Path, shim: Shim, arguments: argparse.Namespace) -> dict[str, Any]:
    """Record a job, and look at the disk after each of its calls."""
    trial = Trial(job, home)
    trial.fresh()
    shim.order(recording=True)
    code, said = trial.run(shim.mark)
    shim.peace()
    records = [*shim.records(), Record("mark", "", "", 0, b"*")]
    assert code == 0, said
    told: dict[str, Any] = {"job": job.name, "calls": sum(record.kind != "mark" for record in records)}
    told |= {"syncs": sum(record.kind == "sync" for record in records), "disks": 0, "lost": []}
    ways = [("all", 0), ("synced", 0), *(("torn", each) for each in range(arguments.torn))]
    numbers = [n for n in range(len(records)) if not n % arguments.every or n == len(records) - 1]
    chosen = [(number, *way) for number in numbers for way in ways]
    if arguments.sample:
        chosen = random.Random(0).sample(chosen, arguments.sample)
    for number, disk, acknowledged in moments(trial, records):
        for how, seed in ways:
            if (number, how, seed) not in chosen:
                continue
            disk.write(trial.home, how, 1000 * number + seed)
            told["disks"] += 1
            problems = in_child(_look(trial, list(acknowledged)), trial.output)
            told["lost"] += [f"after {number} calls ({how} {seed}): {problem}" for problem in problems]
    return told


def moments(trial: Trial, records: list[Record]) -> Iterator[tuple[int, Disk, list[str]]]:
    """After each call: its number, the disk, and what has been acknowledged by then."""
    disk, acknowledged = Disk(trial.template, trial.home), []
    for number, record in enumerate(records):
        if record.kind == "mark":
            entry = record.data.decode()
            acknowledged += sorted({*trial.before, *trial.after}) if entry == "*" else [entry]
        else:
            disk.take(record)
        yield number, disk, acknowledged


def _look(trial: Trial, acknowledged: list[str]) -> Callable[[], list[str]]:
    return lambda: trial.look(acknowledged, whole=False)


if __name__ == "__main__":
    main()
