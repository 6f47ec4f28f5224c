"""Threads next to the event loop. What arrives while they work is one batch: pictures encoded, queries searched.

Who asks for much waits for it alone: those whose jobs wait take turns, by the address that they ask from.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Generic, TypeVar

from transhash.server import faults

J = TypeVar("J")  # a job
R = TypeVar("R")  # its result

NAMED = "transhash-"  # what the names of these threads begin with
FREE_SECONDS = 0.02  # of work before it gives way to others
LOOK_SECONDS = 0.004  # between looks whether they have work
SENDER: ContextVar[str] = ContextVar("SENDER", default="")  # the address that a request came from
DEADLINE: ContextVar[asyncio.Timeout | None] = ContextVar("DEADLINE", default=None)  # of a request
GIVE_WAY: ContextVar[GivingWay] = ContextVar("GIVE_WAY")  # what a job that takes long calls again and again


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
        of_one: int | None = None,
        giving_way: Callable[[], GivingWay] | None = None,
        rests: bool = False,
    ) -> None:
        """`of_one`: how many jobs of one sender are taken before those of others; by default as many as can be.

        `giving_way` makes what the jobs of a batch give way with (`GIVE_WAY`). If the threads `rest`, the senders of a
        batch wait for their next one as long as that waits.
        """
        self._work = work
        self._what = name
        self._batch = batch
        self._most = waiting
        self._count = threads
        self._giving_way = giving_way
        self._rests = rests
        self._jobs: _Turns[tuple[J, asyncio.Future[R], asyncio.AbstractEventLoop]] = _Turns(of_one or threads * batch)
        self._threads: list[threading.Thread] = []
        for _ in range(threads):
            thread = threading.Thread(target=self._run, name=f"{NAMED}{name}", daemon=True)
            thread.start()
            self._threads.append(thread)

    @property
    def waiting(self) -> int:
        """Jobs that no thread has taken yet."""
        return self._jobs.waiting

    @property
    def busy(self) -> bool:
        """Whether there is any job, waiting or being done."""
        return self._jobs.busy

    def put(self, jobs: list[J]) -> list[asyncio.Future[R]]:
        """Give jobs to the threads, from the event loop; raises a `Fault` when too many wait."""
        if self._jobs.waiting + len(jobs) > self._most:
            raise faults.busy(self._what)
        loop = asyncio.get_running_loop()
        futures: list[asyncio.Future[R]] = [loop.create_future() for _ in jobs]
        for job, future in zip(jobs, futures, strict=True):
            self._jobs.put(SENDER.get(), (job, future, loop))
        return futures

    async def do(self, job: J) -> R:
        """The result of one job."""
        return await self.put([job])[0]

    def close(self, seconds: float) -> None:
        """Finish the batches under way and end the threads; what waits is dropped."""
        self._jobs.end()
        for thread in self._threads:
            thread.join(seconds)

    def _run(self) -> None:
        while self._batch_done():
            pass  # nothing of a batch is held while the next one is waited for

    def _batch_done(self) -> bool:
        """Wait for a batch and do it; whether there was one."""
        first = self._jobs.take(wait=True)
        if first is None:
            return False
        taken = [first]
        # each thread its share of what waits, so that none is idle while another has it all
        share = min(self._batch, -(-(1 + self._jobs.waiting) // self._count))
        while len(taken) < share and (more := self._jobs.take(wait=False)) is not None:
            taken.append(more)
        give_way = self._giving_way() if self._giving_way else None
        if give_way:
            GIVE_WAY.set(give_way)
        self._do([job for _, job in taken if not job[1].done()])  # its client may have gone
        if give_way and self._rests:
            give_way()
        for sender, _ in taken:
            self._jobs.done(sender)
        return True

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


class GivingWay:
    """For work that takes long: called again and again, it waits while others have work."""

    def __init__(self, others: Callable[[], bool], times: float, free: float = FREE_SECONDS) -> None:
        """`others`: whether they have any. It waits at most so many `times` as long as it has worked.

        Where it has worked for no more than `free` seconds it does not wait.
        """
        self._others = others
        self._times = times
        self._free = free
        self._began = time.monotonic()
        self.waited = 0.0  # seconds

    def __call__(self) -> None:
        """Let others go first."""
        while (worked := time.monotonic() - self._began - self.waited) > self._free:
            left = self._times * worked - self.waited
            if left <= 0 or not self._others():
                return
            before = time.monotonic()
            time.sleep(min(left, LOOK_SECONDS))
            self.waited += time.monotonic() - before


class _Turns(Generic[J]):
    """A queue in which senders take turns: of each no more than so many jobs have a place in it, or are being done."""

    def __init__(self, of_one: int) -> None:
        self._of_one = of_one
        self._lock = threading.Lock()
        self._jobs: dict[str, deque[J]] = {}  # that wait, by their senders
        self._places: Counter[str] = Counter()  # that each has in `_next`, or that are being done
        self._queued: Counter[str] = Counter()  # of these, in `_next`
        self._next: queue.SimpleQueue[str | None] = queue.SimpleQueue()  # whose turn it is; None: the end
        self.waiting = 0

    @property
    def busy(self) -> bool:
        """Whether any job waits, or is being done."""
        return bool(self._places)

    def put(self, sender: str, job: J) -> None:
        """Put a job behind the others of its sender."""
        with self._lock:
            self._jobs.setdefault(sender, deque()).append(job)
            self.waiting += 1
            self._queue(sender)

    def take(self, *, wait: bool) -> tuple[str, J] | None:
        """What is next, and its sender; None at the end, or when nothing is there and it is not to be waited for."""
        while True:
            try:
                sender = self._next.get(block=wait)
            except queue.Empty:
                return None
            if sender is None:
                self._next.put(None)  # for the other threads
                return None
            with self._lock:
                if self._jobs[sender]:  # they are dropped in the end
                    self.waiting -= 1
                    self._queued[sender] -= 1
                    return sender, self._jobs[sender].popleft()

    def done(self, sender: str) -> None:
        """A job is done, or dropped: its place is free for the next one of its sender."""
        with self._lock:
            self._places[sender] -= 1
            self._queue(sender)
            if not self._places[sender]:
                del self._places[sender], self._queued[sender], self._jobs[sender]

    def _queue(self, sender: str) -> None:
        if self._places[sender] < self._of_one and self._queued[sender] < len(self._jobs[sender]):
            self._places[sender] += 1
            self._queued[sender] += 1
            self._next.put(sender)

    def end(self) -> None:
        """Drop what waits, and let every thread come to its end."""
        with self._lock:
            for jobs in self._jobs.values():
                jobs.clear()
            self.waiting = 0
        self._next.put(None)


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
