"""Fail each call to the system of a job in turn: it ends with a sentence, and nothing that was there is lost.

    python -m benchmarks.faults.failing [--jobs index,add,…] [--errors ENOSPC,EIO,…] [--every 1] [--sample N]

A job is run once for each call that opens, writes, syncs, renames, truncates, maps, links, makes or removes a file in
its folder, and that call fails: once, or (ENOSPC and EIO) with all that come after it, as on a full disk or one that is
gone. Python, SQLite and libraries in C are all below the same layer (`shim.c`). After each run

- the program has ended, with exit code 0 or with a sentence, and without a traceback;
- `verify` finds nothing, and each entry of what was there is as before, or as after an undisturbed run;
- what the program acknowledged is there;
- the job done again, with no failure, ends with exactly what an undisturbed run makes.

Prints a line of JSON for each job and error; exit code 1 when something was lost, and then it is named.
"""

from __future__ import annotations

import argparse
import errno
import random
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.faults.jobs import JOBS
from benchmarks.faults.shim import FAILS, Shim, begin_below, new_home
from benchmarks.faults.trial import Trial, in_child, report

LASTING = (errno.ENOSPC, errno.EIO)


def main() -> None:
    names = [errno.errorcode[number] for number in FAILS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", default=",".join(JOBS), help="comma-separated; by default all")
    parser.add_argument("--errors", default=",".join(names), help="comma-separated; by default all")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only each N-th call of a job")
    parser.add_argument("--first", type=int, default=1, metavar="N", help="the first call that fails")
    parser.add_argument("--sample", type=int, metavar="N", help="instead, N calls of each job, drawn at random")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    home = new_home()
    shim = begin_below(home, home / "work")
    report(home, failures(home, shim, arguments))


def failures(home: Path, shim: Shim, arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """What comes of each job and error."""
    errors = [int(getattr(errno, name)) for name in arguments.errors.split(",")]
    ways = [(error, lasting) for error in errors for lasting in ((False, True) if error in LASTING else (False,))]
    for place, name in enumerate(arguments.jobs.split(",")):
        trial = Trial(JOBS[name], home)
        chance = random.Random(1000 * arguments.seed + place)
        drawn = [chance.choice(ways) for _ in range(arguments.sample)] if arguments.sample else ways
        for error, lasting in drawn:
            yield fail(trial, shim, error, lasting=lasting, chosen=partial(_chosen, arguments, chance))


def _chosen(arguments: argparse.Namespace, chance: random.Random, calls: int) -> Iterable[int]:
    """Which of the calls of a job fail."""
    if arguments.sample:
        return [chance.randint(1, calls)] if calls else []
    return range(arguments.first, calls + 1, arguments.every)


def fail(
    trial: Trial, shim: Shim, error: int, *, lasting: bool, chosen: Callable[[int], Iterable[int]]
) -> dict[str, Any]:
    """Fail the calls of a job that are `chosen` out of so many, one after the other; returns what came of it."""
    marks = trial.output.with_name("marks")

    def mark(entry: str) -> None:
        with marks.open("a") as file:
            file.write(f"{entry}\n")

    trial.fresh()
    shim.order(error=error)
    trial.run(mark)
    calls = shim.seen
    told: dict[str, Any] = {"job": trial.job.name, "error": errno.errorcode[error], "lasting": lasting}
    told |= {"calls": calls, "runs": 0, "ended with a sentence": 0, "went on": 0, "lost": []}
    for at in chosen(calls):
        trial.fresh()
        marks.write_text("")
        shim.order(error=error, at=at, lasting=lasting)
        code, said = trial.run(mark)
        shim.peace()
        if not (failed := shim.failed):
            continue
        told["runs"] += 1
        told["ended with a sentence" if code else "went on"] += 1
        problems = [f"ended with {code}: {said[-500:]}"] if "Traceback" in said or code not in (0, 1, 2) else []
        if code and not said.strip():
            problems.append(f"ended with {code}, and said nothing")
        acknowledged = marks.read_text("utf-8").splitlines()
        problems += in_child(partial(trial.look, acknowledged, whole=code == 0), trial.output)
        told["lost"] += [f"call {at} ({failed}): {problem}" for problem in problems]
    return told


if __name__ == "__main__":
    main()
