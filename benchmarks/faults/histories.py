"""Search while others write: each answer must be that of one moment of its call (linearizability).

    python -m benchmarks.faults.histories [--seconds 20] [--readers 8] [--seed 0]

One writer adds and removes codes, one call after the other, and notes when each call began and ended. Readers
search meanwhile, and note the same. Afterwards each answer is compared with brute force over what was there between
two writes. It must be one that some moment within its call has, and no older than any answer that had been given
before the call began. Three times: threads on one `HammingIndex`; processes with a `Library` of their own on one
folder, and threads on one `LiveLibrary`, while another process writes. Prints a line of JSON for each; exit code 1
when an answer has no such moment.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.library.kill import make_model
from transhash import HammingIndex, Library
from transhash.codes import hamming
from transhash.library import LiveLibrary
from transhash.library.searchable import Queries
from transhash.model import HashModel

BITS = 32
K = 10
DONE = "done"  # a file in the folder of a trial, when its writer has ended

Code = NDArray[np.uint8]
State = dict[int, bytes]  # id -> packed code
Answer = list[tuple[int, int]]  # distance and id, nearest first


@dataclass(frozen=True)
class Write:
    """A call that changed something: when it was made (s), and what was there afterwards."""

    start: float
    end: float
    after: State


@dataclass(frozen=True)
class Read:
    """A call that searched: when it was made (s), for what, and what it gave."""

    start: float
    end: float
    query: int
    answer: Answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--readers", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    wrong = 0
    for name in TRIALS:
        told = tried(name, arguments.seconds, arguments.readers, arguments.seed)
        print(json.dumps(told), flush=True)
        wrong += len(told["without a moment"])
    sys.exit(1 if wrong else 0)


def tried(name: str, seconds: float, readers: int, seed: int) -> dict[str, Any]:
    """Write and read for some seconds, and look at every answer: what is printed."""
    queries = np.random.default_rng(seed).integers(0, 256, (16, BITS // 8), np.uint8)
    with tempfile.TemporaryDirectory(prefix="transhash-histories-") as home:
        writes, reads = TRIALS[name](Path(home), queries, seconds, readers, seed)
    problems = without_a_moment(writes, reads, queries)
    return {"trial": name, "readers": readers, "writes": len(writes) - 1, "reads": len(reads)} | {
        "reads beside a write": sum(_range(writes, read)[0] < _range(writes, read)[1] for read in reads),
        "without a moment": problems[:5],
    }


def without_a_moment(writes: list[Write], reads: list[Read], queries: Code) -> list[str]:
    """The answers that no order of all calls explains.

    With one writer, an order exists when each answer can be given the number of writes before it, so that no answer
    has fewer than one that ended before it began. The least number that fits leaves most to those that come later.
    """
    expected: dict[tuple[int, int], Answer] = {}
    problems = []
    taken: list[tuple[float, int]] = []  # end of a read and the writes before it
    for read in sorted(reads, key=lambda read: read.start):
        first, last = _range(writes, read)
        floor = max((number for end, number in taken if end < read.start), default=0)
        for number in range(max(first, floor), last + 1):
            if (number, read.query) not in expected:
                expected[number, read.query] = brute(writes[number].after, queries[read.query])
            if expected[number, read.query] == read.answer:
                taken.append((read.end, number))
                break
        else:
            problems.append(f"query {read.query} beside writes {max(first, floor)} to {last}: {read.answer}")
        if len(taken) > 1000:  # of those that ended long ago only the greatest counts
            greatest = max(number for _, number in taken[:500])
            taken = [(max(end for end, _ in taken[:500]), greatest), *taken[500:]]
    return problems


def brute(state: State, query: Code) -> Answer:
    """The K nearest, ties by id."""
    ids = sorted(state)
    codes = np.frombuffer(b"".join(state[id_] for id_ in ids), np.uint8).reshape(-1, BITS // 8)
    distances = hamming(query[None], codes)[0]
    order = np.argsort(distances, kind="stable")[:K]
    return [(int(distances[row]), ids[row]) for row in order]


def _range(writes: list[Write], read: Read) -> tuple[int, int]:
    """The fewest and the most writes that can have been made at a moment of a read."""
    ends = np.array([write.end for write in writes])
    starts = np.array([write.start for write in writes])
    return int(np.searchsorted(ends, read.start, "right")) - 1, int(np.searchsorted(starts, read.end, "right")) - 1


def searching(search: Callable[[Code], Answer], queries: Code, seed: int, stop: Callable[[], bool]) -> list[Read]:
    """Search until told to stop."""
    random = np.random.default_rng(seed)
    reads = []
    while not stop():
        query = int(random.integers(len(queries)))
        start = time.monotonic()
        answer = search(queries[query])
        reads.append(Read(start, time.monotonic(), query, answer))
    return reads


def of_an_index(home: Path, queries: Code, seconds: float, readers: int, seed: int) -> tuple[list[Write], list[Read]]:
    """Threads on one index."""
    random = np.random.default_rng(seed)
    index = HammingIndex(BITS)
    state: State = {}
    writes = [Write(-np.inf, -np.inf, {})]

    def search(query: Code) -> Answer:
        D, I = index.search(query[None], K)  # noqa: E741
        return [(int(d), int(i)) for d, i in zip(D[0], I[0], strict=True) if i >= 0]

    with _threads(partial(searching, search, queries), readers, seed) as reads:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            start = time.monotonic()
            if len(state) > 6000 or (state and random.random() < 0.5):
                gone = random.choice(list(state), min(len(state), int(random.integers(1, 400))), replace=False)
                index.remove(gone)
                state = {id_: code for id_, code in state.items() if id_ not in set(gone.tolist())}
            else:
                codes = random.integers(0, 256, (int(random.integers(1, 800)), BITS // 8), np.uint8)
                ids = index.add(codes)
                state = state | {int(id_): code.tobytes() for id_, code in zip(ids, codes, strict=True)}
            writes.append(Write(start, time.monotonic(), state))
    return writes, reads


@contextmanager
def _threads(read: Callable[[int, Callable[[], bool]], list[Read]], readers: int, seed: int) -> Iterator[list[Read]]:
    """Readers in threads, as long as the body runs; what they have read afterwards."""
    reads: list[Read] = []
    stop = threading.Event()

    def run(number: int) -> None:
        found = read(seed + number, stop.is_set)
        reads.extend(found)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(1, readers + 1)]
    for thread in threads:
        thread.start()
    try:
        yield reads
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _written(home: Path, seconds: float, readers: int, seed: int) -> list[Write]:
    """Once so many processes read, add pictures to a library and remove some, for some seconds."""
    random = np.random.default_rng(seed)
    model = HashModel(home / "model")
    state: State = {}
    writes = [Write(-np.inf, -np.inf, {})]
    with Library.open(home / "library", model) as library:
        while len(list(home.glob("reading-*"))) < readers:
            time.sleep(0.01)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            pictures = [random.integers(0, 256, (16, 16, 3), np.uint8) for _ in range(int(random.integers(1, 4)))]
            codes = model.encode(pictures)
            removing = len(state) > 60 or (len(state) > 10 and random.random() < 0.5)
            start = time.monotonic()
            if removing:
                gone = random.choice(list(state), int(random.integers(1, 10)), replace=False).tolist()
                library.remove(gone)
                state = {id_: code for id_, code in state.items() if id_ not in gone}
            else:
                ids = library.add(pictures)
                state = state | {id_: code.tobytes() for id_, code in zip(ids, codes, strict=True)}
            writes.append(Write(start, time.monotonic(), state))
    (home / DONE).touch()
    return writes


def _read(home: Path, queries: Code, seed: int) -> list[Read]:
    """Search a library of one's own, in a process, until the writer has ended."""
    with Library.open(home / "library", HashModel(home / "model")) as library:
        _asked(library, queries[0])  # what is compiled on first use
        (home / f"reading-{seed}").touch()
        return searching(partial(_asked, library), queries, seed, (home / DONE).exists)


def _asked(library: Library, query: Code) -> Answer:
    [hits] = library.search(Queries(query[None]), K)
    return [(hit.distance, hit.id) for hit in hits]


def of_a_library(home: Path, queries: Code, seconds: float, readers: int, seed: int) -> tuple[list[Write], list[Read]]:
    """Processes on one folder."""
    _made(home)
    with _processes(readers + 1) as pool:
        reading = [pool.submit(_read, home, queries, seed + number) for number in range(1, readers + 1)]
        writes = pool.submit(_written, home, seconds, readers, seed).result()
        return writes, [read for future in reading for read in future.result()]


def of_a_server(home: Path, queries: Code, seconds: float, readers: int, seed: int) -> tuple[list[Write], list[Read]]:
    """Threads on one library that is followed, while another process writes."""
    _made(home)
    with _processes(1) as pool, LiveLibrary(home / "library", HashModel(home / "model"), interval=0.02) as live:
        read = partial(searching, lambda query: _asked(live.here(), query), queries)
        with _threads(read, readers, seed) as reads:
            writes = pool.submit(_written, home, seconds, 0, seed).result()
    return writes, reads


def _processes(number: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(number, multiprocessing.get_context("spawn"))


def _made(home: Path) -> None:
    make_model(home / "model")
    with closing(Library.create(home / "library", HashModel(home / "model"))):
        pass


TRIALS = {
    "threads on an index": of_an_index,
    "processes on a library": of_a_library,
    "threads on a library": of_a_server,
}


if __name__ == "__main__":
    main()
