"""Threads next to the event loop. What arrives while they work is one batch: pictures encoded, queries searched."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from transhash.server import faults

J = TypeVar("J")  # a job
R = TypeVar("R")  # its result


class Batches(Generic[J, R]):
    """Threads that do jobs a batch at a time: `work` gives a result, or an exception, for each."""

    def __init__(
        self,
        name: str,
        work: Callable[[list[J]], list[R | Exception]],
        *,
        threads: int,
        batch: int,
        waiting: int,
    ) -> None:
        self._work = work
        self._what = name
        self._batch = batch
        self._most = waiting
        self._count = threads
        self._jobs: queue.SimpleQueue[tuple[J, asyncio.Future[R], asyncio.AbstractEventLoop] | None]
        self._jobs = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        for _ in range(threads):
            thread = threading.Thread(target=self._run, name=f"transhash-{name}", daemon=True)
            thread.start()
            self._threads.append(thread)

    @property
    def waiting(self) -> int:
        """Jobs that no thread has taken yet."""
        return self._jobs.qsize()

    def put(self, jobs: list[J]) -> list[asyncio.Future[R]]:
        """Give jobs to the threads, from the event loop; raises a `Fault` when too many wait."""
        if self._jobs.qsize() + len(jobs) > self._most:
            raise faults.busy(self._what)
        loop = asyncio.get_running_loop()
        futures: list[asyncio.Future[R]] = [loop.create_future() for _ in jobs]
        for job, future in zip(jobs, futures, strict=True):
            self._jobs.put((job, future, loop))
        return futures

    async def do(self, job: J) -> R:
        """The result of one job."""
        return await self.put([job])[0]

    def close(self, seconds: float) -> None:
        """Finish the batches under way and end the threads; what waits is dropped."""
        while True:
            try:
                self._jobs.get_nowait()
            except queue.Empty:
                break
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join(seconds)

    def _run(self) -> None:
        while (first := self._jobs.get()) is not None:
            taken = [first]
            # each thread its share of what waits, so that none is idle while another has it all
            share = min(self._batch, -(-(1 + self._jobs.qsize()) // self._count))
            while len(taken) < share:
                try:
                    more = self._jobs.get_nowait()
                except queue.Empty:
                    break
                if more is None:
                    self._jobs.put(None)
                    break
                taken.append(more)
            self._do([each for each in taken if not each[1].done()])  # its client may have gone

    def _do(self, taken: list[tuple[J, asyncio.Future[R], asyncio.AbstractEventLoop]]) -> None:
        if not taken:
            return
        try:
            results = self._work([job for job, _, _ in taken])
        except Exception as error:  # whatever it is, those who wait for it are told
            results = [error] * len(taken)
        futures = [future for _, future, _ in taken]
        loop = taken[0][2]
        if not loop.is_closed():
            loop.call_soon_threadsafe(_resolve, futures, results)


def _resolve(futures: list[asyncio.Future[Any]], results: list[Any]) -> None:
    for future, result in zip(futures, results, strict=True):
        if future.done():
            continue
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)


def each(function: Callable[[Callable[[], R]], R]) -> Callable[[list[Callable[[], R]]], list[R | Exception]]:
    """Work that does jobs one by one."""

    def work(jobs: list[Callable[[], R]]) -> list[R | Exception]:
        results: list[R | Exception] = []
        for job in jobs:
            try:
                results.append(function(job))
            except Exception as error:
                results.append(error)
        return results

    return work
