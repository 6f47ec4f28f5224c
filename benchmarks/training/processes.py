"""Training by two processes against one: images a second of a ViT-S/14 at 70 px, each process pinned to a processor.

    python -m benchmarks.training.processes [--rounds 3] [--steps 12]

The two take turns; the medians, and how busy the machine was with other work, are printed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BATCH = 64
PICTURES = Path(__file__).resolve().parents[2] / "examples" / "pictures"


def worker(steps: int) -> None:
    """One of the processes; the first prints images a second, of the steps after the first two."""
    rank = int(os.environ["RANK"])
    os.sched_setaffinity(0, [sorted(os.sched_getaffinity(0))[rank]])
    from transhash.training.loop import train
    from transhash.training.recipe import Recipe

    moments: list[float] = []
    settings = {"dataset": "folder", "protocol": "folder", "data": PICTURES, "image_size": 70, "batch_size": BATCH}
    recipe = Recipe.build({**settings, "validation": 0, "epochs": steps})
    train(recipe, Path(os.environ["RUN"]), progress=lambda *_: moments.append(time.perf_counter()), stop_at=steps)
    if rank == 0:
        print(BATCH * (len(moments) - 3) / (moments[-1] - moments[2]), flush=True)


def measured(processes: int, steps: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        command += [__file__, "--steps", str(steps)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "RUN": f"{folder}/run"}
        said = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
    return float(said)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=12)
    given = parser.parse_args()
    if "RANK" in os.environ:
        worker(given.steps)
        return
    rates: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(given.rounds):
        for processes, found in rates.items():
            found.append(measured(processes, given.steps))
    one, two = (statistics.median(rates[processes]) for processes in (1, 2))
    print(f"one process {one:.1f} images/s, two {two:.1f}: {two / one:.2f} times; load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
