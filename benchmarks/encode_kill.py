"""Kill bulk encodings at random until they have all been done: is every picture in the result once?

    python benchmarks/encode_kill.py PICTURES --kills 300 [--engine ray]

A run is killed (SIGKILL) at a random moment: the driver, or with Ray a worker or the driver. What is found is compared,
row by row, with the result of a run that nobody killed. Runs are begun anew, in an empty folder, when one is finished.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq


def rows(folder: Path) -> list[tuple[Any, ...]]:
    columns = ["uri", "code", "label", "error"]
    tables = [pq.read_table(path, columns=columns) for path in sorted(folder.glob("codes-*"))]
    return [tuple(row.values()) for table in tables for row in table.to_pylist()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--engine", choices=["local", "ray"], default="local")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rng = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as scratch:
        whole, folder = Path(scratch, "whole"), Path(scratch, "killed")
        program = [sys.executable, "-m", "transhash", "encode", str(given.pictures), "--shard-size", "2"]
        program += ["--engine", given.engine]
        began = time.monotonic()
        subprocess.run([*program, "--to", str(whole)], check=False, stdout=subprocess.DEVNULL)
        longest = time.monotonic() - began
        expected = rows(whole)
        if not (whole / "manifest.json").exists():
            sys.exit("the run that nobody killed did not finish")
        command = [*program, "--to", str(folder)]
        kills = {"driver": 0, "worker": 0}
        finished = wrong = 0
        while sum(kills.values()) < given.kills:
            began = time.monotonic()
            with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
                after = rng.random() * longest
                while run.poll() is None and time.monotonic() - began < after:
                    time.sleep(0.005)
                if run.poll() is None:
                    workers = [
                        child
                        for child in psutil.Process(run.pid).children(recursive=True)
                        if "MapWorker" in " ".join(child.cmdline())
                    ]
                    if workers and rng.random() < 0.5:
                        rng.choice(workers).kill()
                        kills["worker"] += 1
                        run.wait(120)
                    else:
                        run.kill()
                        kills["driver"] += 1
                        run.wait()
            if (folder / "manifest.json").exists():
                finished += 1
                wrong += rows(folder) != expected
                shutil.rmtree(folder)
        print(f"{kills} kills, {finished} runs finished of {len(expected)} rows each, {wrong} with other rows")
        sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
