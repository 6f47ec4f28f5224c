"""Kill bulk encodings at random until they have all been done: is every picture in the result once?

    python -m benchmarks.bulk.kill PICTURES --kills 300 [--engine ray [--cluster]] [--log FILE]

At random moments the driver is killed (SIGKILL), or with Ray some workers or the driver. What is found is compared, row
by row, with the result of a run that nobody killed. Runs are begun anew, in an empty folder, when one is finished.
With --cluster all runs use one cluster of Ray, as on many machines; without it each starts its own, which takes longer.
With a log, which gets a line for each kill and each finished run, the program itself may be broken off and goes on.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq

from transhash.system import processors


def rows(folder: Path) -> list[tuple[Any, ...]]:
    columns = ["uri", "code", "label", "error"]
    tables = [pq.read_table(path, columns=columns) for path in sorted(folder.glob("codes-*"))]
    return [tuple(row.values()) for table in tables for row in table.to_pylist()]


def workers() -> list[psutil.Process]:
    """Ray's actors of the run."""
    found = []
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            found += [child] if "MapWorker" in " ".join(child.cmdline()) else []
    return found


def start_cluster() -> None:
    """A cluster of Ray on this machine, that the runs find, until this program ends."""
    import ray

    ray.init(address="local", num_cpus=processors(), include_dashboard=False, logging_level="ERROR")
    os.environ["RAY_ADDRESS"] = ray.get_runtime_context().gcs_address


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--engine", choices=["local", "ray"], default="local")
    parser.add_argument("--cluster", action="store_true", help="One cluster of Ray for all runs.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", type=Path, default=os.devnull)
    return parser.parse_args()


def main() -> None:
    given = arguments()
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 - by default Ray's actors wait for all other work of the machine
    if given.cluster:
        start_cluster()
    events = given.log.read_text().split() if given.log.exists() else []
    rng = random.Random(given.seed + len(events))

    def note(event: str) -> None:
        events.append(event)
        with given.log.open("a") as log:
            log.write(f"{event}\n")

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
        while events.count("driver") + events.count("worker") < given.kills:
            began = time.monotonic()
            victim = "worker" if given.engine == "ray" and rng.random() < 0.5 else "driver"
            after, left = rng.random() * longest, rng.randint(1, 5)  # a worker starts again, and another is killed
            with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
                while run.poll() is None:
                    time.sleep(0.02)
                    if victim == "driver" and time.monotonic() - began > after:
                        run.kill()
                        note(victim)
                        break
                    if victim == "worker" and (found := workers()):
                        time.sleep(rng.random() * 2)
                        with suppress(psutil.Error):  # it may have ended
                            rng.choice(found).kill()
                            note(victim)
                            left -= 1
                        if not left:
                            break
            longest = max(longest, time.monotonic() - began)
            while given.cluster and workers():  # those of a driver that was killed
                time.sleep(0.05)
            if (folder / "manifest.json").exists():
                note("finished" if rows(folder) == expected else "wrong")
                shutil.rmtree(folder)
    print(", ".join(f"{events.count(event)} {event}" for event in ("driver", "worker", "finished", "wrong")))
    sys.exit("wrong" in events)


if __name__ == "__main__":
    main()
