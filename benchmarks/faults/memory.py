"""Give a job less and less memory: it ends with a sentence, and nothing that was there is lost.

    python -m benchmarks.faults.memory [--jobs index,add,…] [--megabytes 0,1,2,4,8,16,32,64,128,256]

A job may take so many megabytes of addresses more than the program has when it begins (`ulimit -v`). After it the same
is looked at as by `benchmarks.faults.failing`. Prints a line of JSON for each job; exit code 1 when something was lost.
"""

from __future__ import annotations

import argparse
import resource
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.faults.jobs import JOBS
from benchmarks.faults.shim import new_home
from benchmarks.faults.trial import Trial, ended, in_child, report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", default=",".join(JOBS), help="comma-separated; by default all")
    parser.add_argument("--megabytes", default="0,1,2,4,8,16,32,64,128,256", help="comma-separated")
    arguments = parser.parse_args()
    home = new_home()
    limits = [int(each) for each in arguments.megabytes.split(",")]
    report(home, (starve(Trial(JOBS[name], home), limits) for name in arguments.jobs.split(",")))


def starve(trial: Trial, limits: list[int]) -> dict[str, Any]:
    """Run a job with each of some limits, in megabytes."""
    told: dict[str, Any] = {"job": trial.job.name, "runs": len(limits), "ended with a sentence": 0, "lost": []}
    for megabytes in limits:
        trial.fresh()
        code, said = ended(partial(_limited, trial, megabytes), trial.output)
        told["ended with a sentence"] += code in (1, 2)
        problems = [f"ended with {code}: {said[-700:]}"] if "Traceback" in said or code not in (0, 1, 2) else []
        problems += in_child(partial(trial.look, [], whole=code == 0), trial.output)
        told["lost"] += [f"{megabytes} MB: {problem}" for problem in problems]
    return told


def _limited(trial: Trial, megabytes: int) -> None:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    most = pages * resource.getpagesize() + (megabytes << 20)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    trial.job.run(trial.home, lambda entry: None)


if __name__ == "__main__":
    main()
