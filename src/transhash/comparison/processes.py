"""Cells in processes of their own, as many at a time as share the cores; one that dies takes no other cell with it.

for work, outcome in Workers(prepared, recipe, jobs=2).outcomes(works, until=None):
    ...                                   # a result, or the exception that ended the cell
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import threading
import time
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch

from transhash.comparison.cells import Cell
from transhash.comparison.run import Prepared, prepare, run
from transhash.errors import TransHashError
from transhash.plain import JsonObject
from transhash.system import processors
from transhash.training.device import device_of
from transhash.training.recipe import Recipe

GPU_JOBS = 4  # cells side by side on one GPU, of which a small network uses little
MOST_DEATHS = 3  # of processes, one after the other without a result between: the next would die, too
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True)
class Work:
    """A cell to run."""

    key: str
    cell: Cell
    views: Path | None
    """The folder of the views that it learns from, if it does."""
    folder: Path
    """For what it keeps while it goes on."""


Outcomes: TypeAlias = Generator[tuple[Work, JsonObject | Exception], None, None]


@dataclass(frozen=True)
class Workers:
    """Processes that cells are run in."""

    prepared: Prepared
    first: Recipe
    """Of a cell, whose data and device all have."""
    jobs: int | None
    """How many; by default one for each core, on a GPU `GPU_JOBS` for each; 0: none but this, one cell at a time."""

    def outcomes(self, work: Sequence[Work], until: float | None) -> Outcomes:
        """The result of each cell, or the exception that ended it, as they come.

        `until`, of time.monotonic(): no cell begins later. When a process dies, the cells that were under way are run
        again, each alone, so that the one that it died of is found. Raises `TransHashError` when `MOST_DEATHS` cells in
        a row end their process.
        """
        waiting, again = deque(work), deque[Work]()
        deaths = 0
        while (waiting or again) and not _is_over(until):
            lost: list[Work] = []
            for one, outcome in self._in_pool(deque([again.popleft()]) if again else waiting, until):
                if isinstance(outcome, BrokenProcessPool):
                    lost.append(one)
                    continue
                deaths = 0
                yield one, outcome
            if len(lost) != 1:
                again += lost
                continue
            deaths += 1
            reason = "its process ended before it did, perhaps for want of memory"
            error = TransHashError("", reason, "give the same command again, with fewer --jobs if it happens again")
            yield lost[0], error
            if deaths == MOST_DEATHS:
                raise TransHashError(
                    "",
                    f"{deaths} processes in a row ended before their cells did",
                    "give --jobs 1, or make room in memory",
                )

    def _in_pool(self, waiting: deque[Work], until: float | None) -> Outcomes:
        """Run what is waiting, until a process dies: then those under way have `BrokenProcessPool`, the others wait."""
        jobs = self._jobs(len(waiting))
        with self._pool(jobs) as pool:
            futures: dict[Future[JsonObject], Work] = {}
            ended: list[tuple[Work, JsonObject | Exception]] = []
            is_whole = True
            while True:
                while is_whole and waiting and len(futures) < jobs and not _is_over(until):
                    try:
                        future = pool.submit(_run, waiting[0])
                    except BrokenProcessPool:
                        is_whole = False
                    else:
                        futures[future] = waiting.popleft()
                yield from ended
                if not futures:
                    return
                done = wait(futures, return_when=FIRST_COMPLETED).done
                ended = [(futures.pop(future), _outcome(future)) for future in done]
                is_whole = is_whole and not any(isinstance(outcome, BrokenProcessPool) for _, outcome in ended)

    def _jobs(self, most: int) -> int:
        """How many cells run at a time, of so many."""
        if self.jobs == 0:
            return 1
        return min(self.jobs or (GPU_JOBS * self._gpus() if self._has_gpu() else processors()), most)

    def _has_gpu(self) -> bool:
        return device_of(self.first.device).type == "cuda"

    def _gpus(self) -> int:
        """GPUs that the processes share."""
        return torch.cuda.device_count() if self.first.device in ("auto", "cuda") and self._has_gpu() else 1

    def _pool(self, jobs: int) -> Executor:
        """Processes, which share the cores and the GPUs; or a thread of this one."""
        if self.jobs == 0:
            return ThreadPoolExecutor(1, "transhash-cells", _set_prepared, (self.prepared,))
        for name in _THREADS:  # read when a process starts; those of linear algebra get in each other's way
            os.environ.setdefault(name, str(max(1, processors() // jobs)))
        context = multiprocessing.get_context("spawn")
        given = (self.first, self.prepared.folder, self.prepared.facts, context.Value("i", 0), self._gpus())
        return ProcessPoolExecutor(jobs, context, _start_worker, given)


def _is_over(until: float | None) -> bool:
    return until is not None and time.monotonic() >= until


def _outcome(future: Future[JsonObject]) -> JsonObject | Exception:
    """The result of what has ended, or the exception that ended it."""
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, Exception):
        return error
    raise error  # an interrupt


_prepared: Prepared  # of a worker process, read once


def _start_worker(recipe: Recipe, tokens: Path, facts: JsonObject, started: Any, gpus: int) -> None:
    if gpus > 1:  # each has one of them, in turn
        with started.get_lock():
            number, started.value = started.value, started.value + 1
        os.environ["CUDA_VISIBLE_DEVICES"] = one_of(os.environ.get("CUDA_VISIBLE_DEVICES", ""), gpus, number)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    _set_prepared(prepare(recipe, tokens, facts))


def _set_prepared(prepared: Prepared) -> None:
    global _prepared  # noqa: PLW0603 - a worker's own, set before its first cell
    _prepared = prepared


def one_of(visible: str, gpus: int, number: int) -> str:
    """Of the GPUs that a process may see (none named: all), the one for a worker of that number."""
    names = visible.split(",") if visible else [str(gpu) for gpu in range(gpus)]
    return names[number % gpus]


def _leave_with_parent() -> None:
    """End this worker when the program that it works for was killed, which its pool would not notice within a cell."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def _run(work: Work) -> JsonObject:
    return run(work.cell, _prepared, work.views, work.folder)
